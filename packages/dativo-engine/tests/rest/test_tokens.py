"""Tokens that are got first, renewed when refused, and never shown; and servers that prove who they are."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dativo_engine.errors import AuthenticationError, FatalError
from dativo_engine.rest import Auth, Client, Request
from dativo_engine.rest.oauth import client_credentials, refresh_token, service_account
from rest_server import Answering, Asked, Reply, Server, self_signed

Serve = Callable[[Answering], Server]
MakeClient = Callable[..., Client]
SECRET = "cl1ent&secret=/+"
KEY = rsa.generate_private_key(65537, 2048)


def api(valid: Callable[[str], bool], tokens: Iterator[dict[str, object]]) -> Answering:
    """An API and its token server in one."""

    def answering(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply(next(tokens))
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        return Reply([token]) if valid(token) else Reply({"error": f"{token} is no token of mine"}, 401)

    return answering


def numbered(**fields: object) -> Iterator[dict[str, object]]:
    return ({"access_token": f"t0ken-{number}", "token_type": "bearer", **fields} for number in count(1))


def forms(server: Server) -> list[dict[str, str]]:
    return [
        {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        for asked in server.asked
        if asked.path == "/token"
    ]


def test_a_client_gets_a_token_once_and_keeps_it(serve: Serve, client: MakeClient) -> None:
    server = serve(api(lambda token: True, numbered(expires_in=3600)))
    asking = client(server, auth=client_credentials(f"{server.url}/token", "me", SECRET, scope="a b"))
    assert [json.loads(asking.fetch(Request("x")).body) for _ in range(2)] == [["t0ken-1"]] * 2
    assert forms(server) == [
        {"grant_type": "client_credentials", "scope": "a b", "client_id": "me", "client_secret": SECRET}
    ]


def test_a_client_may_prove_itself_in_the_header(serve: Serve, client: MakeClient) -> None:
    server = serve(api(lambda token: True, numbered()))
    auth = client_credentials(f"{server.url}/token", "me", SECRET, proves_in="header")
    client(server, auth=auth).fetch(Request("x"))
    expected = base64.b64encode(f"me:{SECRET}".encode()).decode()
    assert server.asked[0].headers["authorization"] == f"Basic {expected}"
    assert forms(server) == [{"grant_type": "client_credentials"}]


def test_a_token_near_its_end_is_replaced_before_it_is_used(serve: Serve, client: MakeClient) -> None:
    server = serve(api(lambda token: True, numbered(expires_in="0.02")))
    asking = client(server, auth=refresh_token(f"{server.url}/token", "me", "r3fresh"))
    asking.fetch(Request("x"))
    threading.Event().wait(0.05)
    assert json.loads(asking.fetch(Request("x")).body) == ["t0ken-2"]


def test_a_token_refused_in_the_middle_is_renewed_once_for_all_threads(serve: Serve, client: MakeClient) -> None:
    valid = {"t0ken-1"}
    server = serve(api(valid.__contains__, numbered(refresh_token="r3fresh-new")))
    asking = client(server, auth=refresh_token(f"{server.url}/token", "me", "r3fresh", client_secret=SECRET))
    asking.fetch(Request("x"))
    valid.clear()
    valid.add("t0ken-2")
    threads = [threading.Thread(target=asking.fetch, args=(Request("x"),)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert json.loads(asking.fetch(Request("x")).body) == ["t0ken-2"]
    assert [form["refresh_token"] for form in forms(server)] == ["r3fresh", "r3fresh-new"]


def test_a_renewed_token_that_is_refused_too_ends_it_without_telling_the_token(
    serve: Serve, client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(api(lambda token: False, numbered()))
    asking = client(server, auth=refresh_token(f"{server.url}/token", "me", "r3fresh"))
    with pytest.raises(AuthenticationError, match=r"\*\*\* is no token of mine'; check source.credentials") as raised:
        asking.fetch(Request("x"))
    assert [asked.path for asked in server.asked] == ["/token", "/x", "/token", "/x"]
    for told in (str(raised.value), caplog.text):
        assert not [secret for secret in ("t0ken", "r3fresh") if secret in told]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply({"error": "invalid_grant", "error_description": "expired"}, 400), "'expired'.*no token was given"),
        (Reply({}, 404), "no token was given: check source.credentials"),
        (Reply({"token": "x"}), "holds no access_token; check source.credentials.token_url"),
        (Reply(b"<html>"), "holds no access_token"),
    ],
)
def test_a_token_server_that_gives_none_is_told(serve: Serve, client: MakeClient, reply: Reply, words: str) -> None:
    server = serve(lambda asked: reply)
    asking = client(server, auth=client_credentials(f"{server.url}/token", "me", SECRET))
    with pytest.raises(AuthenticationError, match=words) as raised:
        asking.fetch(Request("x"))
    assert str(raised.value).startswith(f"POST {server.url}/token: ")
    assert len(server.asked) == 1


def test_a_service_account_signs_its_claims(serve: Serve, client: MakeClient) -> None:
    server = serve(api(lambda token: True, numbered()))
    asking = client(server, auth=account(server))
    asking.fetch(Request("x"))
    (form,) = forms(server)
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    head, claims, signature = form["assertion"].split(".")
    KEY.public_key().verify(decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), SHA256())
    assert json.loads(decoded(head)) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    told = json.loads(decoded(claims))
    assert (told["iss"], told["aud"], told["scope"], told["sub"]) == ("a@b", f"{server.url}/token", "s1", "u@b")
    assert told["exp"] - told["iat"] == 3600


@pytest.mark.parametrize(
    "text", ["no json", "{}", '{"client_email": "a", "private_key": "b", "token_uri": "http://c"}']
)
def test_what_is_no_key_file_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(FatalError, match=r"source\.credentials\.service_account") as raised:
        service_account(text, scope="s")
    assert text not in str(raised.value)


def test_a_key_of_another_kind_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(FatalError, match="no RSA key"):
        service_account(json.dumps({"client_email": "a", "private_key": pem, "token_uri": "http://c"}), scope="s")


def test_a_server_whose_certificate_nobody_signed_is_not_asked(client: MakeClient, tmp_path: Path) -> None:
    with Server(lambda asked: Reply([]), certificate=self_signed(tmp_path)) as server:
        with pytest.raises(FatalError, match=r"no trusted TLS connection.*SSL_CERT_FILE"):
            client(server).fetch(Request("x"))
        assert server.asked == []


def test_https_to_a_server_without_it_is_a_mistake_in_the_address(serve: Serve, client: MakeClient) -> None:
    server = serve(lambda asked: Reply([]))
    with pytest.raises(FatalError, match=r"no trusted TLS connection.*check source\.connection\.base_url"):
        client(server.url.replace("http", "https")).fetch(Request("x"))


def account(server: Server) -> Auth:
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    key_file = {"client_email": "a@b", "private_key": pem, "token_uri": f"{server.url}/token", "private_key_id": "k1"}
    return service_account(json.dumps(key_file), scope="s1", subject="u@b")


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
