"""Tokens that are no longer good, in every process: remembered in the datastore, followed by all."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from types import TracebackType
from typing import Any, Final, cast

from bff.datastore.port import Datastore, ResumePoint, Set, Target
from bff.document import Document, join_path
from bff.errors import DatastoreUnavailable, TooLarge
from bff.principal import Principal
from bff.projection.expiry import EXPIRES_AT, Expiry
from bff.query import Query
from bff.supervisor import Backoff, Status, Supervisor

__all__ = ["COLLECTION", "MAX_REVOCATIONS", "Revocations", "Revoked"]

logger = logging.getLogger(__name__)

COLLECTION: Final = "_bff_revocations"
MAX_REVOCATIONS: Final = 100_000
"""How many may be kept at a time. None is forgotten before its time: one more is refused."""

_EXPIRY_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Revoked:
    """Whom it is about: a user, everybody of a tenant, or, with both, a user of that tenant only."""

    user: str | None
    tenant: str | None


@dataclass(frozen=True, slots=True)
class _Until:
    """Tokens issued up to ``before`` are not good; it is forgotten at ``expires_at``. Unix time, seconds."""

    before: float
    expires_at: float


class Revocations:
    """What a running app knows of revoked tokens. ``is_revoked`` awaits nothing.

    One that was revoked here counts at once, one of another process as soon as the datastore's listener tells. A revocation is
    kept for ``hours``, which has to be longer than any token lives. A process that starts knows all of them before it serves.
    """

    def __init__(
        self,
        datastore: Datastore,
        *,
        hours: float,
        most: int = MAX_REVOCATIONS,
        clock: Callable[[], float] = time.time,
        backoff: Backoff | None = None,
    ) -> None:
        self.hours = hours
        self._datastore = datastore
        self._most = most
        self._clock = clock
        self._known: dict[Revoked, _Until] = {}
        self._expiring: list[tuple[float, int, Revoked]] = []
        self._numbers = count()
        self._watching: dict[Revoked, dict[object, tuple[Principal, Callable[[], None]]]] = {}
        self._listeners: list[Callable[[Revoked], None]] = []
        self._since: ResumePoint | None = None
        self._supervisor = Supervisor("revocations", backoff=backoff or Backoff(first=0.05, limit=5.0))
        self._expiry = Expiry(datastore, COLLECTION, every_seconds=_EXPIRY_SECONDS)

    async def __aenter__(self) -> Revocations:
        """Learn all there are, then follow. Raises DatastoreUnavailable."""
        async with self._datastore.snapshot() as snapshot:
            documents = await snapshot.query(Query(COLLECTION))
            self._since = ResumePoint(snapshot.timepoint)
        self._learn(documents)
        self._supervisor.start("follow", self._follow)
        await self._expiry.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._supervisor.close()
        finally:
            await self._expiry.__aexit__(kind, error, traceback)

    def __len__(self) -> int:
        return len(self._known)

    def status(self) -> tuple[Status, ...]:
        """How its tasks are: for ``/readyz``."""
        return (*self._supervisor.status(), *self._expiry.status())

    async def revoke(self, *, user: str | None = None, tenant: str | None = None) -> None:
        """Have no token hold any more that was issued until now to a user, to all of a tenant, or to a user of a tenant.

        It holds here when this returns, and elsewhere within a second where the datastore's listeners do their work. Raises
        ValueError where neither is given, TooLarge where there are too many, DatastoreUnavailable, OutcomeUnknown.
        """
        if not (user or tenant) or "" in (user, tenant):
            raise ValueError("say whom: revoke(user=…), revoke(tenant=…), or both")
        whom, now = Revoked(user, tenant), self._clock()
        self._forget_old()
        if whom not in self._known and len(self._known) >= self._most:
            raise TooLarge(f"{self._most} revocations are kept already; revoke a tenant, or change the keys of the issuer")
        until = _Until(now, now + self.hours * 3600)
        expires_at = datetime.fromtimestamp(until.expires_at, UTC)
        path = _path(whom)
        await self._datastore.commit([Set(path, {"user": user, "tenant": tenant, "before": now, EXPIRES_AT: expires_at})])
        self._add(whom, until)

    def is_revoked(self, principal: Principal) -> bool:
        """Whether its token was issued before it was revoked. One that does not say when it was issued counts as older."""
        if not self._known or principal.id is None:
            return False
        now = self._clock()
        for one in _of(principal):
            until = self._known.get(one)
            if (
                until is not None
                and until.expires_at > now
                and (principal.issued_at is None or principal.issued_at <= until.before)
            ):
                return True
        return False

    def watch(self, principal: Principal, over: Callable[[], None]) -> Callable[[], None]:
        """Call ``over`` when this principal is revoked; what this returns takes that back. At once where it is already."""
        place = object()
        for one in _of(principal):
            self._watching.setdefault(one, {})[place] = (principal, over)

        def forget() -> None:
            for one in _of(principal):
                watching = self._watching.get(one)
                if watching is not None and watching.pop(place, None) is not None and not watching:
                    del self._watching[one]

        if self.is_revoked(principal):
            self._call(over)
        return forget

    def on_revoked(self, tell: Callable[[Revoked], None]) -> None:
        """Call this for every revocation, of whichever process, once it holds here."""
        self._listeners.append(tell)

    async def _follow(self) -> None:
        async with self._datastore.listen([Target(COLLECTION)], self._since) as listening:
            async for changes in listening:
                self._learn(changes.documents)
                if changes.resume is not None:
                    self._since = changes.resume
                    self._forget_old()
                    self._supervisor.healthy("follow")
        raise DatastoreUnavailable("the listener ended")

    def _learn(self, documents: Iterable[Document]) -> None:
        # A deletion says nothing: what was revoked stays so until its time has passed.
        for document in documents:
            if document.data is None:
                continue
            data = cast("dict[str, Any]", document.data)
            try:
                whom = Revoked(data["user"], data["tenant"])
                until = _Until(float(data["before"]), data[EXPIRES_AT].timestamp())
            except (KeyError, TypeError, ValueError, AttributeError):
                logger.exception("%s is no revocation: nobody is revoked by it", document.path)
                continue
            self._add(whom, until)

    def _add(self, whom: Revoked, until: _Until) -> None:
        known = self._known.get(whom)
        # Two processes may have written in another order than we are told.
        if known is not None:
            until = _Until(max(known.before, until.before), max(known.expires_at, until.expires_at))
        if until == known or until.expires_at <= self._clock():
            return
        self._known[whom] = until
        heappush(self._expiring, (until.expires_at, next(self._numbers), whom))
        for principal, over in list(self._watching.get(whom, {}).values()):
            if self.is_revoked(principal):
                self._call(over)
        for tell in self._listeners:
            self._call(tell, whom)

    def _forget_old(self) -> None:
        now = self._clock()
        while self._expiring and self._expiring[0][0] <= now:
            whom = heappop(self._expiring)[-1]
            known = self._known.get(whom)
            if known is not None and known.expires_at <= now:
                del self._known[whom]

    @staticmethod
    def _call(call: Callable[..., None], *arguments: object) -> None:
        try:
            call(*arguments)
        except Exception:
            # One connection that fails to end must not keep the others open.
            logger.exception("what a revocation calls has failed")


def _of(principal: Principal) -> Iterator[Revoked]:
    """All that would revoke it."""
    if principal.id is not None:
        yield Revoked(principal.id, None)
        if principal.tenant is not None:
            yield Revoked(None, principal.tenant)
            yield Revoked(principal.id, principal.tenant)


def _path(whom: Revoked) -> str:
    # Ids of users are any text: no datastore takes all of it for the id of a document.
    return join_path(COLLECTION, hashlib.sha256(json.dumps([whom.user, whom.tenant]).encode()).hexdigest())
