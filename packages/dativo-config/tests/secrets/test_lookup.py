"""Where secrets are found, and that no tenant finds another's."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from dativo_config.rights import remedy
from dativo_config.secrets import SecretNotFoundError, SecretUnreadableError, open_secrets, secret_warnings
from dativo_config.tenancy import Tenant

# linux/posix_acl_xattr.h: a version, then tag, permissions, id: owner rw, user 10001 r, group none, mask r, others none
READABLE_BY_10001 = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 6, 2**32 - 1), (2, 4, 10001), (4, 0, 2**32 - 1), (0x10, 4, 2**32 - 1), (0x20, 0, 2**32 - 1))
)


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


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("key", b"\xff\xfe\x00", "is not UTF-8 text"),
        ("key.txt", b"x" * 2_000_000, "is larger than 1024 KiB"),
        (".env", b"\xff\xfekey=1", "is not UTF-8 text"),
        ("bundle.json", b'{"key": "\xff"}', "is not UTF-8 text"),
    ],
)
def test_a_file_that_may_hold_the_secret_and_cannot_be_read_never_gives_way_to_a_global_one(
    acme: Tenant, name: str, content: bytes, told: str
) -> None:
    file = write(acme, name, "")
    file.write_bytes(content)
    with pytest.raises(SecretUnreadableError, match=told) as unreadable:
        value(acme, "key", DATIVO_SECRET__GLOBAL__KEY="another account's")
    assert str(file) in str(unreadable.value)


def test_a_folder_in_a_secret_s_place_is_told(acme: Tenant) -> None:
    """Docker makes one where the file that it was to mount is not there."""
    (acme.secrets_folder / "key").mkdir()
    with pytest.raises(SecretUnreadableError, match="no regular file"):
        value(acme, "key", DATIVO_SECRET__GLOBAL__KEY="another account's")


def test_a_binary_file_of_another_name_is_in_no_secret_s_way(acme: Tenant) -> None:
    (acme.secrets_folder / "certificate.p12").write_bytes(b"\xff\xfe\x00")
    assert value(acme, "key", DATIVO_SECRET__GLOBAL__KEY="shared") == "shared"


# A user's own process: root may read everything.
AS_NOBODY = """
import encodings.utf_8_sig, os, sys  # imported while the interpreter's own files can be read
from pathlib import Path
from dativo_config.secrets import SecretUnreadableError, open_secrets, secret_warnings
from dativo_config.tenancy import Tenant
root = Path(sys.argv[1])
if os.geteuid() == 0:
    os.setgid(0)
    os.setuid(10001)
tenant = Tenant("acme", root / "state", root / "secrets")
print(*secret_warnings(tenant), sep="\\n")
try:
    open_secrets(tenant, manager=None, environment={"DATIVO_SECRET__GLOBAL__KEY": "another account's"}).get("key")
except SecretUnreadableError as error:
    print(error)
    sys.exit(3)
"""


def as_nobody(tenant: Tenant) -> tuple[int, str]:
    """The exit code and the lines of a process that is neither root nor, where root tests, the files' owner."""
    for folder in (tenant.secrets_root, *tenant.secrets_root.parents):
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    command = [sys.executable, "-c", AS_NOBODY, str(tenant.secrets_root.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize("closed", ["", "key"])
def test_a_secret_that_this_user_may_not_read_is_told_with_the_user_and_the_ways_out(acme: Tenant, closed: str) -> None:
    write(acme, "key", "its own")
    place = acme.secrets_folder / closed
    place.chmod(0)
    code, told = as_nobody(acme)
    place.chmod(0o700)
    assert code == 3
    user = 10001 if os.geteuid() == 0 else os.geteuid()
    last = told.splitlines()[-1]
    for part in (str(place), f"user {user}", f"chown -R {user} {place}", '--user "$(id -u):0"'):
        assert part in last


def test_what_helps_in_the_image_is_told_of_the_host_s_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 10001)
    told = remedy(Path("/app/secrets/acme/.env"))
    assert "chown -R 10001:0 secrets/acme/.env where the host has what is mounted at /app/secrets" in told


@pytest.mark.skipif(os.geteuid() != 0, reason="another owner's files are for root to make")
def test_a_file_of_someone_else_is_warned_of_only_where_everyone_can_read_it(acme: Tenant) -> None:
    file = write(acme, "key", "hush-hush")
    acme.secrets_folder.chmod(0o755)
    file.chmod(0o640)  # to the group, by which this process reads it
    code, told = as_nobody(acme)
    assert (code, told.strip()) == (0, "")
    file.chmod(0o644)
    assert f"chmod o-rwx {file}" in as_nobody(acme)[1]


def test_nothing_that_is_told_takes_a_file_from_a_user_whom_a_list_lets_in(acme: Tenant) -> None:
    file = write(acme, "key", "hush-hush")
    try:
        os.setxattr(file, "system.posix_acl_access", READABLE_BY_10001)
    except OSError as error:
        pytest.skip(f"no access control lists here: {error}")
    assert secret_warnings(acme) == []
