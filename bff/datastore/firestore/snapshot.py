"""Reads of a Firestore database at one timepoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from bff.datastore.firestore.connection import Connection, Stream
from bff.datastore.firestore.emulated import in_one_scan
from bff.datastore.firestore.in_flight import Concerns, InFlight, Watch
from bff.datastore.firestore.protos import BatchGetDocumentsRequest, Message
from bff.datastore.firestore.queries import COUNT, count_request, flipped, last_of, query_request, scans_keys_down
from bff.datastore.firestore.wire import decode_document, quote, timepoint, timestamp
from bff.document import Document, collection_of, document_id
from bff.errors import InvalidQuery
from bff.matching import run
from bff.query import PATH, Query
from bff.storable import check_path
from bff.types import Timepoint

__all__ = ["FirestoreSnapshot"]

T = TypeVar("T")

BATCH = 1000
DESCENDING_KEYS = "descending key scans"


class FirestoreSnapshot:
    """Reads that are all true at one timepoint.

    The first read is of the newest state, and the time that Firestore says it is true for becomes the ``read_time`` of every
    other: neither locks nor a transaction, and no call spent on opening one. (Read-only transactions were tried on the emulator:
    they read whatever is newest.)
    """

    def __init__(self, connection: Connection, in_flight: InFlight) -> None:
        self._connection = connection
        self._in_flight = in_flight
        self._timepoint: Timepoint | None = None
        self._first_read = asyncio.Lock()
        # Only the emulator shows half a commit.
        self._watch: Watch | None = None

    @property
    def timepoint(self) -> Timepoint:
        if self._timepoint is None:
            raise RuntimeError("the timepoint of a snapshot is known after its first read")
        return self._timepoint

    async def get(self, paths: Sequence[str], fields: Sequence[str] | None = None) -> list[Document]:
        wanted = [check_path(path) for path in dict.fromkeys(paths)]
        names = self._connection.names
        found: dict[str, Document] = {}
        for start in range(0, len(wanted), BATCH):
            request = BatchGetDocumentsRequest(database=names.database)
            request.documents.extend(map(names.full, wanted[start : start + BATCH]))
            if fields is not None:
                request.mask.field_paths.extend(_field_paths(fields))
            concerns = frozenset(wanted[start : start + BATCH]).__contains__
            for document in await self._read(self._connection.batch_get, request, self._decode_get, concerns):
                found[document.path] = document
        return [found[path] for path in paths]

    async def query(self, query: Query, fields: Sequence[str] | None = None) -> list[Document]:
        try:
            return await self._query(query, fields)
        except InvalidQuery as error:
            if not (scans_keys_down(query) and DESCENDING_KEYS in str(error)):
                raise
        return await self._query_upwards(query, fields)

    async def count(self, query: Query) -> int:
        request = count_request(query, self._connection.names)
        [count] = await self._read(self._connection.run_aggregation, request, _decode_count, _concerns(query))
        return count

    async def _query(self, query: Query, fields: Sequence[str] | None) -> list[Document]:
        if fields is None and self._connection.address.emulator is not None and (wider := in_one_scan(query)) is not None:
            return run(query, await self._query(wider, None))
        request = query_request(query, self._connection.names)
        if fields is not None:
            for path in _field_paths(fields):
                request.structured_query.select.fields.add().field_path = path
        return await self._read(self._connection.run_query, request, self._decode_query, _concerns(query))

    async def _query_upwards(self, query: Query, fields: Sequence[str] | None) -> list[Document]:
        """What Firestore does not do: read every path upwards, and then only the documents at the end of them."""
        if query.limit is None:
            return last_of(await self._query(flipped(query), fields), query)
        paths = [document.path for document in await self._query(flipped(query), ())]
        return await self.get(last_of(paths, query), fields)

    async def _read(self, stream: Stream, request: Message, decode: Callable[[Message], T | None], concerns: Concerns) -> list[T]:
        if self._timepoint is None:
            # Of several first reads at once, one decides the timepoint and the others wait for it.
            async with self._first_read:
                if self._timepoint is None:
                    found = await self._read_newest(stream, request, decode)
                    if not await self._doubtful([one for one in found if isinstance(one, Document)], concerns):
                        return found
        if self._watch is not None:
            await self._watch.settle(concerns)
        request.read_time.CopyFrom(timestamp(self.timepoint))
        return [one for one in await self._connection.read(stream, request, decode) if one is not None]

    async def _doubtful(self, found: Sequence[Document], concerns: Concerns) -> bool:
        """Whether what was read as the newest state is to be read again at its timepoint: so it may be on the emulator."""
        if self._watch is None:
            return False
        settled = await self._watch.settle(concerns)
        return await self._in_flight.others(self.timepoint, (document.update_time for document in found)) or settled

    async def _read_newest(self, stream: Stream, request: Message, decode: Callable[[Message], T | None]) -> list[T]:
        def decode_timed(response: Message) -> tuple[Timepoint, T | None]:
            return timepoint(response.read_time), decode(response)

        if self._connection.address.emulator is not None:
            self._watch = self._in_flight.watch()
        try:
            found = await self._connection.read(stream, request, decode_timed)
        finally:
            if self._watch is not None:
                self._watch.close()
        # Read times may rise in the course of a response; what came before is guaranteed not to have changed until then.
        self._timepoint = max(moment for moment, _ in found)
        return [one for _, one in found if one is not None]

    def _decode_get(self, response: Message) -> Document | None:
        names = self._connection.names
        if response.HasField("found"):
            return decode_document(response.found, names)
        return Document(names.path(response.missing), None) if response.missing else None

    def _decode_query(self, response: Message) -> Document | None:
        return decode_document(response.document, self._connection.names) if response.HasField("document") else None


def _concerns(query: Query) -> Concerns:
    """Of a query: whatever is in what it asks of."""
    if query.group:
        return lambda path: document_id(collection_of(path)) == query.collection
    return lambda path: collection_of(path) == query.collection


def _field_paths(fields: Sequence[str]) -> list[str]:
    """A mask. One without any name would be none: it has the name of what every document has."""
    return [quote(field) for field in fields] or [PATH]


def _decode_count(response: Message) -> int | None:
    if not response.HasField("result"):
        return None
    return int(response.result.aggregate_fields[COUNT].integer_value)
