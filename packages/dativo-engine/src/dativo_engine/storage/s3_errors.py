"""The page of text that an S3 client says, as one line that names what to change."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from dativo_engine.errors import AuthenticationError, ConnectionFailedError, DativoError, FatalError, RetryableError

# Both clients' words: the codes as the protocol has them, and as the C++ SDK spells them. A request without a body in
# its answer, as HEAD is, has the number only.
_NO_FILE = re.compile(
    r"NoSuchKey|NO_SUCH_KEY|NoSuchUpload|RESOURCE_NOT_FOUND|\(404\)|HTTP status 404|[Pp]ath does not exist"
)
_NO_BUCKET = re.compile(r"NoSuchBucket|NO_SUCH_BUCKET|Invalid bucket name")
_KEYS = "target.connection.s3.access_key_id and secret_access_key"
_SESSION = "target.connection.s3.session_token"
# SeaweedFS and MinIO do not tell a session that has ended from one that never was.
_PERHAPS_EXPIRED = f", and {_SESSION}, which may have expired"

_NOT_REACHED = "{place} can't be reached or hung up, check target.connection.s3.endpoint: {cause}"

Row = tuple[str | re.Pattern[str], type[DativoError], str]
# The first that fits says what to do. `place` is the store, `cause` the SDK's own words without their preamble,
# `session` what else to look at where the keys are temporary.
_MEANINGS: Sequence[Row] = (
    (
        r"Unable to locate credentials|[Pp]artial credentials|config profile .* could not be found",
        AuthenticationError,
        (
            f"there are no credentials for {{place}}; set {_KEYS}, or give the machine a profile or a role; "
            "the AWS_* variables are no one's in a project of several tenants"
        ),
    ),
    (
        r"ExpiredToken|TokenRefreshRequired|EXPIRED_TOKEN",
        AuthenticationError,
        (
            "the store refuses the credentials: the session token for {place} has expired; "
            f"get new temporary keys, and set {_SESSION} and the two keys to them"
        ),
    ),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE",
        AuthenticationError,
        f"the store refuses the credentials: {{place}} does not know them; check {_KEYS}{{session}}",
    ),
    (_NO_BUCKET, FatalError, "{place} has no such bucket; check target.connection.s3.bucket"),
    (
        r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|\(301\)|HTTP status 301",
        FatalError,
        "the bucket is in another region; set target.connection.s3.region",
    ),
    (
        r"AccessDenied|ACCESS_DENIED|\(403\)|HTTP status 403",
        AuthenticationError,
        (
            f"the store refuses the credentials: {{place}} forbids it (403); check {_KEYS}{{session}}, "
            "and what they may do"
        ),
    ),
    (
        # Amazon's answer to HEAD where a token has expired, or the region is not the bucket's.
        r"^400 \(400\)|HTTP status 400",
        FatalError,
        "{place} refuses the request and does not say why (400); check target.connection.s3.region{session}",
    ),
    (
        _NO_FILE,
        RetryableError,
        "{place} no longer has a file that was being read: {cause}",
    ),
    (
        r"(?i)slow_?down|internal_?(error|failure)|service_?unavailable|\(5\d\d\)|HTTP status 5\d\d",
        RetryableError,
        "{place} failed: {cause}",
    ),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A store as messages call it, and whether the keys to it are those of a session, which ends."""

    name: str
    temporary: bool = False


@contextmanager
def told(location: str, place: Place, *, missing_ok: bool = False) -> Generator[None]:
    """Turn what the clients raise into errors of ours.

    Raises:
        FileNotFoundError: there is no such object; not if `missing_ok`.
        DativoError: see `explained`.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        answer, status = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
        said = f"{answer.get('Code', '')} ({status.get('HTTPStatusCode', '')}): {answer.get('Message', '')}"
    except (BotoCoreError, OSError) as error:
        said = str(error)
    else:
        return
    plain = without_names(said, location)
    if not _NO_FILE.search(plain) or _NO_BUCKET.search(plain):
        raise explained(said, location, place)
    if not missing_ok:
        message = f"{location}: there is no such object"
        raise FileNotFoundError(message)


def explained(said: str, location: str, place: Place) -> DativoError:
    """What the store `said` about a location, as the error that tells what to do next."""
    plain = without_names(said, location)
    found = ((kind, told) for words, kind, told in _MEANINGS if re.search(words, plain))
    kind, meaning = next(found, (ConnectionFailedError, _NOT_REACHED))
    session = _PERHAPS_EXPIRED if place.temporary else ""
    return kind(f"{location}: {meaning.format(place=place.name, cause=_cause(said), session=session)}")


def without_names(said: str, location: str) -> str:
    """What was said, without the key and the address, which may hold the words that mean something."""
    bucket, _, key = location.partition("://")[2].partition("/")
    for name in filter(None, (f"{bucket}/{key}", key)):
        # Not within a word: a key `x` is no part of ExpiredToken.
        said = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "", said)
    return re.sub(r"https?://[^\s\"']+", "", said)


def _cause(said: str) -> str:
    found = re.search(r"curlCode: \d+, ([^\n;]*)", said)
    return (found[1] if found else said.rpartition("): ")[2] or said).strip().split("\n")[0][:200]
