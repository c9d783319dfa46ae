"""Nessie's own API, version 2: branches and their history. Tables are read and written through its Iceberg REST.

What was found out about Nessie 0.99, and is pinned in the tests:

- A merge compares tables, not hashes: it is refused only if a table that changed on the source since the two parted
  changed on the target too. The hash that it is asked with may be any in the target's history.
- A merge that is asked for twice is applied once: Nessie remembers which commit of the source it brought.
- What was branched off before the first commit of all shares no history with anything, and never merges.
"""

from __future__ import annotations

import datetime as dt
import random
import re
import time
import weakref
from collections.abc import Iterator, Mapping
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from dativo_engine.catalogs import nessie_wire as wire
from dativo_engine.catalogs.nessie_wire import Branch, Commit, Key, ReferenceGoneError, TableState
from dativo_engine.errors import (
    AuthenticationError,
    CommitConflictError,
    CommitStateUnknownError,
    ConnectionFailedError,
    FatalError,
    RateLimitError,
    RetryableError,
)

if TYPE_CHECKING:
    from dativo_config.models.job import NessieConnection

SETTING = "target.connection.nessie"
TIMEOUT = httpx.Timeout(30, connect=5)
TRIES = 5
LONGEST_PAUSE_SECONDS = 2.0
PAGE = 250
AUTHOR = "dativo"
# What another program says that stands there instead.
UNKNOWN_REQUEST = {HTTPStatus.NOT_IMPLEMENTED}

Answer = TypeVar("Answer")
Paged = TypeVar("Paged", bound=wire.Page)


class NessieApi:
    """One server's branches, asked with one job's credentials.

    Whatever it is asked, it raises ConnectionFailedError where the server can't be reached or is out of order,
    RateLimitError where it is asked too often, AuthenticationError where it refuses the token, and FatalError where it
    refuses the request.
    """

    def __init__(self, connection: NessieConnection) -> None:
        self.uri = server_root(connection.uri)
        token = connection.token
        self._client = httpx.Client(
            timeout=TIMEOUT,
            headers={} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"},
        )
        weakref.finalize(self, self._client.close)

    @cached_property
    def _nowhere(self) -> str:
        """Where a branch is that has no commit."""
        return self._decode(self._ask("GET", "config"), wire.Config).no_ancestor_hash

    def default_branch(self) -> Branch:
        """The branch that others start from. An empty one gets a first commit, which leaves nothing in it."""
        for _ in _paced():
            branch = self._decode(self._ask("GET", "trees/-"), wire.OneReference).reference.branch
            if branch.hash != self._nowhere:
                return branch
            try:
                return self._begin(branch)
            except (CommitConflictError, CommitStateUnknownError):
                continue  # another run was first, or it is there and nobody said so
        raise self._no_answer("the default branch got no first commit")

    def tenant_branch(self, name: str) -> Branch:
        """A branch for runs to start from and to merge into: made from the default branch where there is none."""
        found = self.branch(name)
        if found is not None and found.hash == self._nowhere:
            # It was made when nothing was there yet, holds nothing, and shares no history with anything.
            self.delete(found)
            found = None
        return found or self.ensure(name, self.default_branch())

    def branch(self, name: str) -> Branch | None:
        """A branch as it stands; None: there is none."""
        response = self._ask("GET", _tree(name))
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        return self._decode(response, wire.OneReference).reference.branch

    def branches(self, prefix: str = "") -> list[Branch]:
        """The branches whose names begin so."""
        found = [item for page in self._pages("trees", wire.References) for item in page.references]
        return [item.branch for item in found if item.type == "BRANCH" and item.name.startswith(prefix)]

    def references(self) -> list[Branch]:
        """All branches, and tags, which are branches that do not move."""
        return [item.branch for page in self._pages("trees", wire.References) for item in page.references]

    def ensure(self, name: str, start: Branch) -> Branch:
        """Make a branch at a commit of another; one that is there already is answered as it stands."""
        body = {"type": "BRANCH", "name": start.name, "hash": start.hash}
        for _ in _paced():
            try:
                response = self._ask("POST", "trees", params={"name": name, "type": "BRANCH"}, body=body)
            except CommitStateUnknownError:
                continue  # asking again tells
            if response.status_code != HTTPStatus.CONFLICT:
                return self._decode(response, wire.OneReference).reference.branch
            if (found := self.branch(name)) is not None:
                return found
        raise self._no_answer(f"branch {name} could not be made")

    def delete(self, branch: Branch) -> bool:
        """Delete a branch, unless it moved on since it was looked at; answers whether it is gone."""
        for _ in _paced():
            try:
                response = self._ask("DELETE", _tree(branch.name, branch.hash), params={"type": "BRANCH"})
            except CommitStateUnknownError:
                continue  # asking again tells
            if response.status_code not in {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}:
                self._decode(response, wire.OneReference)
            return response.status_code != HTTPStatus.CONFLICT
        raise self._no_answer(f"branch {branch.name} could not be deleted")

    def merge(self, source: Branch, into: Branch, *, message: str, properties: Mapping[str, str]) -> tuple[Key, ...]:
        """Bring a branch's commits to another one, as one commit; answers the tables and namespaces that it changed.

        Raises:
            CommitConflictError: one of them was changed there too.
            ReferenceGoneError: one of the branches is gone, or they share no history.
            CommitStateUnknownError: the answer was lost. `unmerged` tells, and asking again does no harm.
        """
        noted = {name: [value] for name, value in properties.items()}
        meta = {"message": message, "authors": [AUTHOR], "allProperties": noted}
        return self._merge(source, into, {"commitMeta": meta})

    def unmerged(self, source: Branch, into: Branch) -> tuple[Key, ...]:
        """What `merge` would change, and nothing is changed.

        Raises:
            CommitConflictError: one of the tables was changed there too.
            ReferenceGoneError: as `merge`.
        """
        for _ in _paced():
            try:
                return self._merge(source, into, {"isDryRun": True})
            except CommitStateUnknownError:
                continue
        raise self._no_answer(f"what {source.name} has and {into.name} lacks can't be asked")

    def history(self, branch: Branch, *, since: dt.datetime | None = None) -> Iterator[Commit]:
        """A branch's commits, the newest first, down to a moment in the past; also if it was deleted meanwhile."""
        for page in self._pages(f"{_tree('', branch.hash)}/history", wire.Log, fetch="ALL"):
            for entry in page.log_entries:
                if since is not None and entry.commit_meta.commit_time < since:
                    return
                yield entry.commit

    def tables(self, branch: Branch) -> list[TableState]:
        """The tables of a branch, as of the commit that it names; also if it was deleted meanwhile."""
        pages = self._pages(f"{_tree('', branch.hash)}/entries", wire.Entries, content="true")
        entries = [entry for page in pages for entry in page.entries]
        return [wire.table_state(entry.name, entry.content or {}) for entry in entries if wire.is_table(entry.content)]

    def put(self, branch: Branch, table: TableState, *, message: str) -> Branch:
        """Make a table on a branch what it was at some commit.

        Raises:
            CommitConflictError: it was changed since the branch was looked at.
            CommitStateUnknownError: the answer was lost.
        """
        operation = {"type": "PUT", "key": {"elements": list(table.key)}, "content": table.content}
        return self._commit(branch, operation, message)

    def _begin(self, branch: Branch) -> Branch:
        key = {"elements": [AUTHOR]}
        namespace = {"type": "NAMESPACE", "elements": [AUTHOR], "properties": {}}
        branch = self._commit(branch, {"type": "PUT", "key": key, "content": namespace}, "The first commit")
        return self._commit(branch, {"type": "DELETE", "key": key}, "It leaves nothing")

    def _commit(self, branch: Branch, operation: Mapping[str, object], message: str) -> Branch:
        body = {"commitMeta": {"message": message, "authors": [AUTHOR]}, "operations": [operation]}
        response = self._ask("POST", f"{_tree(branch.name, branch.hash)}/history/commit", body=body)
        self._refuse_conflict(response, branch)
        return self._decode(response, wire.Committed).target_branch.branch

    def _merge(self, source: Branch, into: Branch, asked: Mapping[str, object]) -> tuple[Key, ...]:
        body = {"fromRefName": source.name, "fromHash": source.hash, **asked}
        response = self._ask("POST", f"{_tree(into.name, into.hash)}/history/merge", body=body)
        self._refuse_conflict(response, into)
        return tuple(detail.key.elements for detail in self._decode(response, wire.Merged).details)

    def _refuse_conflict(self, response: httpx.Response, branch: Branch) -> None:
        if response.status_code in {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}:
            message = f"branch {branch.name}: {self._reason(response)}"
            gone = response.status_code == HTTPStatus.NOT_FOUND
            raise (ReferenceGoneError if gone else CommitConflictError)(message)

    def _pages(self, path: str, shape: type[Paged], **params: str) -> Iterator[Paged]:
        asked = {**params, "max-records": str(PAGE)}
        while True:
            page = self._decode(self._ask("GET", path, params=asked), shape)
            yield page
            if not page.has_more or page.token is None:
                return
            asked["page-token"] = page.token

    def _ask(
        self,
        method: Literal["GET", "POST", "DELETE"],
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> httpx.Response:
        """One request, made again while that is harmless: what only reads, and what never reached the server.

        Raises:
            CommitStateUnknownError: it may have been carried out, and the answer was lost.
        """
        last: Exception | None = None
        for _ in _paced():
            try:
                response = self._client.request(method, f"{self.uri}/api/v2/{path}", params=params, json=body)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                last = error
                continue
            except httpx.RequestError as error:
                last = error
            else:
                if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                    last = RateLimitError(f"{self.uri}: Nessie is asked too often: {self._reason(response)}")
                    continue
                if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR or response.status_code in UNKNOWN_REQUEST:
                    return response
                # Nessie, or what stands before it, is out of order. The request may have been carried out.
                last = RetryableError(f"HTTP {response.status_code}: {self._reason(response)}")
            if method != "GET":
                message = f"{self.uri}: the answer was lost: {_described(last)}"
                raise CommitStateUnknownError(message) from last
        if isinstance(last, RateLimitError):
            raise last
        message = f"{self.uri}: Nessie does not answer: {_described(last)}; check {SETTING}.uri, and the server"
        raise ConnectionFailedError(message) from last

    def _decode(self, response: httpx.Response, shape: type[Answer]) -> Answer:
        if response.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            message = f"{self.uri}: Nessie refused the credentials (HTTP {response.status_code}); check {SETTING}.token"
            raise AuthenticationError(message)
        try:
            if response.is_success:
                return msgspec.json.decode(response.content, type=shape)
        except msgspec.MsgspecError as error:
            if response.request.method != "GET":
                message = f"{self.uri}: the answer was no answer of Nessie's: {error}"
                raise CommitStateUnknownError(message) from error
            message = f"{self.uri}: what answers is no Nessie of API version 2 ({error}); check {SETTING}.uri"
            raise FatalError(message) from error
        reason = f"HTTP {response.status_code}: {self._reason(response)}"
        message = f"{self.uri}: refused ({reason}); is it Nessie that {SETTING}.uri names?"
        raise FatalError(message)

    def _reason(self, response: httpx.Response) -> str:
        try:
            told = msgspec.json.decode(response.content, type=wire.Refusal).message
        except msgspec.MsgspecError:
            told = response.reason_phrase
        return " ".join(told.split())

    def _no_answer(self, what: str) -> ConnectionFailedError:
        return ConnectionFailedError(f"{self.uri}: {what}: Nessie gave no clear answer, {TRIES} times")


def server_root(uri: str) -> str:
    """The server's root, from which its API and its Iceberg REST are reached: users write any of the three."""
    return re.sub(r"/(api(/v\d+)?|iceberg)(/.*)?$", "", uri.rstrip("/"))


def _tree(name: str, commit: str = "") -> str:
    at = f"@{commit}" if commit else ""
    return f"trees/{quote(name, safe='')}{at}"


def _described(error: Exception | None) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, httpx.HTTPError) else str(error)


def _paced() -> Iterator[None]:
    """The tries of a request, a random and growing pause between them."""
    for number in range(TRIES):
        if number:
            time.sleep(random.uniform(0, min(LONGEST_PAUSE_SECONDS, 0.1 * 2**number)))  # noqa: S311 - not a secret
        yield
