"""Where secrets are found, and that no tenant finds another's."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from dativo_config.secrets import SecretNotFoundError, open_secrets, secret_warnings
from dativo_config.tenancy import Tenant


@pytest.fixture
def acme(tmp_path: Path) -> Tenant:
    tenant = Tenant("acme", tmp_path / "state", tmp_path / "secrets")
    tenant.secrets_folder.mkdir(parents=True)
    return tenant


def write(tenant: Tenant, name: str, text: str) -> Path:
    tenant.secrets_folder.mkdir(parents=True, exist_ok=True)
    file = tenant.secrets_folder / name
    file.write_text(text)
    file.chmod(0o600)
    return file


def value(tenant: Tenant, name: str, *, manager: str | None = None, **environment: str) -> str:
    return open_secrets(tenant, manager=manager, environment=environment).get(name).get_secret_value()


def test_the_environment_comes_first_then_the_folder_then_what_is_global(acme: Tenant) -> None:
    own = {"DATIVO_SECRET__ACME__KEY": "own"}
    shared = {"DATIVO_SECRET__GLOBAL__KEY": "shared", "DATIVO_SECRET__ALL__KEY": "all"}
    assert value(acme, "key", **shared) == "shared"
    write(acme, "key", "file\n")
    assert value(acme, "key", **shared) == "file"
    assert value(acme, "key", **shared, **own) == "own"


def test_naming_a_manager_asks_only_that_one(acme: Tenant) -> None:
    write(acme, "key", "file")
    shared = {"DATIVO_SECRET__GLOBAL__KEY": "shared"}
    assert value(acme, "key", manager="env", **shared) == "shared"
    assert value(acme, "key", manager="filesystem", **shared) == "file"
    with pytest.raises(SecretNotFoundError):
        value(acme, "other", manager="filesystem", DATIVO_SECRET__ACME__OTHER="x")
    with pytest.raises(ValueError, match="vault"):
        open_secrets(acme, manager="vault", environment={})


@pytest.mark.parametrize(
    ("variable", "text", "name", "expected"),
    [
        ("KEY", "a\n", "key", "a"),
        ("KEY__text", "a\n", "key", "a"),
        ("KEY__raw", "a\n", "key", "a\n"),
        ("DB__json", '{"user": "u", "port": 5, "tls": {"on": true}}', "port", "5"),
        ("DB__json", '{"user": "u"}', "db", '{"user": "u"}'),
        ("DB__json", '{"tls": {"on": true}}', "tls", '{"on": true}'),
        ("DB__env", "# c\nexport USER='u v'\nPASS=\"a\\nb\" \nPORT=5 # five\nNOT A LINE", "pass", "a\nb"),
        ("DB__env", "USER=u\nPORT=5 # five", "port", "5"),
        ("DB__env", "URL=postgres://u:p@h/db?a=b#c", "url", "postgres://u:p@h/db?a=b#c"),
        ("STRIPE_API_KEY", "k", "stripe-api.key", "k"),
    ],
)
def test_a_variable_is_read_in_its_form(acme: Tenant, variable: str, text: str, name: str, expected: str) -> None:
    assert value(acme, name, **{f"DATIVO_SECRET__ACME__{variable}": text}) == expected


def test_files_give_their_stem_and_their_keys(acme: Tenant) -> None:
    write(acme, ".env", "FROM_ENV=1\nKEY=line\n")
    write(acme, "bundle.json", '{"from_json": "2"}')
    write(acme, "key.txt", "own file")
    write(acme, "plain", "4\r\n")
    secrets = open_secrets(acme, manager=None, environment={})
    assert secrets.names() == {"FROM_ENV", "KEY", "bundle", "from_json", "key", "plain"}
    assert [secrets.get(name).get_secret_value() for name in ("from_env", "from_json", "key", "plain")] == [
        "1",
        "2",
        "own file",
        "4",
    ]


def test_what_is_missing_is_told_with_the_places_and_without_any_value(acme: Tenant) -> None:
    write(acme, "other", "hush-hush")
    secrets = open_secrets(acme, manager=None, environment={"DATIVO_SECRET__ACME__A": "hush-hush"})
    assert not secrets.has("key")
    with pytest.raises(SecretNotFoundError) as missing:
        secrets.get("key")
    assert "DATIVO_SECRET__ACME__*" in str(missing.value)
    assert str(acme.secrets_folder) in str(missing.value)
    assert "hush-hush" not in str(missing.value) + repr(secrets)


def test_secrets_can_be_sent_to_another_process(acme: Tenant) -> None:
    write(acme, "file_key", "f")
    secrets = pickle.loads(pickle.dumps(open_secrets(acme, manager=None, environment={"DATIVO_SECRET__ACME__A": "x"})))
    assert secrets.get("a").get_secret_value() == "x"
    assert secrets.get("file_key").get_secret_value() == "f"
    error = pickle.loads(pickle.dumps(SecretNotFoundError("n", ("here",))))
    assert str(error) == str(SecretNotFoundError("n", ("here",)))


HOSTILE = [
    "../other/key",
    "..",
    ".",
    "",
    "/etc/passwd",
    "other/key",
    "key\0",
    "a\\b",
    "..\\other\\key",
    "../../etc/passwd",
    "key\n",
    "%2e%2e/other/key",
    "~/key",
    "OTHER__KEY",
    "__KEY",
    "key/",
    "*",
    "x" * 500,
    "ключ",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_finds_nothing(acme: Tenant, name: str) -> None:
    other = Tenant("other", acme.state_root, acme.secrets_root)
    write(other, "key", "theirs")
    environment = {"DATIVO_SECRET__OTHER__KEY": "theirs", "DATIVO_SECRET__ACME__OTHER__KEY": "theirs"}
    secrets = open_secrets(acme, manager=None, environment=environment)
    assert not secrets.has(name)
    with pytest.raises(SecretNotFoundError):
        secrets.get(name)


def test_links_out_of_the_folder_are_not_followed(acme: Tenant) -> None:
    other = Tenant("other", acme.state_root, acme.secrets_root)
    theirs = write(other, "key", "theirs")
    (acme.secrets_folder / "key").symlink_to(theirs)
    (acme.secrets_folder / "folder").symlink_to(other.secrets_folder)
    linked = Tenant("linked", acme.state_root, acme.secrets_root)
    linked.secrets_folder.symlink_to(other.secrets_folder)
    assert not open_secrets(acme, manager=None, environment={}).has("key")
    assert not open_secrets(linked, manager=None, environment={}).has("key")
    assert any("leads out" in warning for warning in secret_warnings(acme))


def test_links_inside_the_folder_are_followed_as_kubernetes_mounts_them(acme: Tenant) -> None:
    data = acme.secrets_folder / "..2026_01_01"
    data.mkdir()
    (data / "key").write_text("mounted")
    (acme.secrets_folder / "..data").symlink_to(data.name)
    (acme.secrets_folder / "key").symlink_to("..data/key")
    assert value(acme, "key") == "mounted"


def test_odd_files_are_left_aside(acme: Tenant) -> None:
    (acme.secrets_folder / "folder").mkdir()
    (acme.secrets_folder / "broken.json").write_text("{")
    (acme.secrets_folder / "binary").write_bytes(b"\xff\xfe\x00")
    write(acme, "huge", "x" * 2_000_000)
    os.mkfifo(acme.secrets_folder / "pipe")
    secrets = open_secrets(acme, manager=None, environment={})
    assert secrets.names() == {"broken"}
    assert value(acme, "broken") == "{"


def test_files_that_others_can_read_are_warned_of(acme: Tenant) -> None:
    file = write(acme, "key", "hush-hush")
    assert secret_warnings(acme) == []
    file.chmod(0o644)
    (warning,) = secret_warnings(acme)
    assert f"chmod 600 {file}" in warning
    assert "hush-hush" not in warning
