"""What goes over the wire to Firestore: addresses, values, field paths, queries, preconditions. No server needed."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import grpc
import grpc.aio
import pytest

from bff.datastore.firestore.address import Address
from bff.datastore.firestore.failures import commit_failure, read_failure
from bff.datastore.firestore.preconditions import expected_documents, is_repeatable, with_preconditions
from bff.datastore.firestore.protos import ProtoDocument
from bff.datastore.firestore.queries import query_request
from bff.datastore.firestore.wire import Names, decode_document, decode_fields, encode_fields, quote, timepoint, timestamp
from bff.datastore.port import Delete, ExpectDocument, Merge, Precondition, Set, Write
from bff.errors import (
    BFFError,
    Conflict,
    DatastoreError,
    DatastoreUnavailable,
    DocumentTooLarge,
    InvalidDocument,
    InvalidQuery,
    SettingsError,
)
from bff.query import PATH, And, Compare, Cursor, Direction, Op, Or, Order, Query
from bff.types import GeoPoint

NAMES = Names("projects/p/databases/(default)")
ADDRESS = Address("p")
Code = grpc.StatusCode

# --- Addresses


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("firestore://my-project", Address("my-project")),
        ("firestore://my-project/", Address("my-project")),
        ("firestore://my-project/ships", Address("my-project", "ships")),
        ("firestore://example.com:my-project", Address("example.com:my-project")),
        ("firestore://p?emulator=127.0.0.1:8080", Address("p", emulator="127.0.0.1:8080")),
        ("firestore://p/ships?emulator=[::1]:8080", Address("p", "ships", "[::1]:8080")),
    ],
)
def test_an_address_is_read_from_a_url_and_written_as_one(url: str, address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    assert Address.from_url(url) == address
    assert Address.from_url(address.url) == address


def test_the_emulator_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "localhost:9090")
    assert Address.from_url("firestore://p").emulator == "localhost:9090"
    assert Address.from_url("firestore://p?emulator=localhost:1234").emulator == "localhost:1234"
    assert Address.from_url("firestore://p").url == "firestore://p?emulator=localhost:9090"


@pytest.mark.parametrize(
    "url",
    [
        "firestore://",
        "firestore:///database",
        "firestore://p/database/more",
        "firestore://me:secret@p",
        "firestore://p?emulator=localhost",
        "firestore://p?emulator=http://localhost:80",
        "firestore://p?timeout=3",
        "firestore://p#here",
    ],
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        Address.from_url(url)


# --- Values


class Colour(StrEnum):
    RED = "red"


def through_the_wire(data: dict[str, Any]) -> dict[str, Any]:
    message = ProtoDocument()
    encode_fields(data, message.fields)
    return decode_fields(ProtoDocument.FromString(message.SerializeToString()).fields)


def test_values_of_every_type_come_back() -> None:
    data = {
        "null": None,
        "bools": [True, False],
        "numbers": [0, -1, 2**63 - 1, -(2**63), 0.0, 1.0, 1.5, math.inf],
        "texts": ["", "é", "\x00", "日本語", "🚀"],
        "bytes": b"\x00\xff",
        "moment": datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=UTC),
        "old": datetime(1, 1, 1, tzinfo=UTC),
        "points": [GeoPoint(0, 0), GeoPoint(-90, 180)],
        "empty": {"map": {}, "list": []},
        "nested": {"a": {"b": [{"c": None}]}},
        "odd name.`\\": 1,
    }
    back = through_the_wire(data)
    assert back == data
    assert list(back) == sorted(data), "the names of equal documents stand in the same order"
    assert [type(number) for number in back["numbers"]] == [type(number) for number in data["numbers"]]
    assert math.isnan(through_the_wire({"nan": math.nan})["nan"])


def test_subclasses_are_stored_as_what_they_are() -> None:
    local = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    back = through_the_wire({"colour": Colour.RED, "map": MappingProxyType({"a": 1}), "pair": (1, 2), "local": local})
    assert back == {"colour": "red", "map": {"a": 1}, "pair": [1, 2], "local": local}
    assert type(back["colour"]) is str


def test_references_that_others_wrote_are_paths() -> None:
    message = ProtoDocument(name=NAMES.full("ships/s"))
    message.fields["captain"].reference_value = NAMES.full("people/p")
    assert decode_document(message, NAMES).data == {"captain": "people/p"}


@pytest.mark.parametrize("moment", [0, 1, 1_795_254_619_710_892, 999_999, 1_000_000])
def test_timepoints_keep_their_microseconds(moment: int) -> None:
    assert timepoint(timestamp(moment)) == moment


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("simple_1", "simple_1"), ("1st", "`1st`"), ("a.b", "`a.b`"), ("a`b\\", "`a\\`b\\\\`"), ("é", "`é`"), ("a-b", "`a-b`")],
)
def test_field_names_are_quoted_where_they_are_not_simple(name: str, quoted: str) -> None:
    assert quote(name) == quoted


# --- Queries


def test_a_query_is_spelled_out_whole() -> None:
    asked = Query(
        "users/u1/forms",
        And((Compare("address.zip-code", Op.GE, "9"), Or((Compare("n", Op.EQ, None), Compare("n", Op.EQ, math.nan))))),
        order_by=(Order("address.zip-code", Direction.DESCENDING),),
        limit=7,
        start=Cursor(("95", "users/u1/forms/f")),
        end=Cursor(("91",), inclusive=True),
    )
    request = query_request(asked, NAMES)
    query = request.structured_query
    assert request.parent == NAMES.full("users/u1")
    assert (query.from_[0].collection_id, query.from_[0].all_descendants, query.limit.value) == ("forms", False, 7)
    assert [(order.field.field_path, order.direction) for order in query.order_by] == [("address.`zip-code`", 2), ("__name__", 2)]
    assert (query.start_at.before, query.end_at.before) == (False, False)
    assert query.start_at.values[1].reference_value == NAMES.full("users/u1/forms/f")
    both = query.where.composite_filter
    assert [part.unary_filter.op for part in both.filters[1].composite_filter.filters] == [3, 2]


def test_a_collection_group_is_asked_from_the_root() -> None:
    request = query_request(Query("forms", group=True), NAMES)
    assert request.parent == NAMES.root
    assert request.structured_query.from_[0].all_descendants


@pytest.mark.parametrize(
    "asked",
    [
        Query("a", Compare(PATH, Op.EQ, 1)),
        Query("a", Compare(PATH, Op.IN, ["a/b", "nonsense"])),
        Query("a", Compare("x..y", Op.EQ, 1)),
        Query("a", Compare("", Op.EQ, 1)),
        Query("a", Compare("n", Op.EQ, 2**64)),
        Query("a", Compare("s", Op.EQ, "\ud800")),
        Query("a", Compare("at", Op.EQ, datetime(2026, 1, 1))),
        Query("a", start=Cursor((5,))),
    ],
    ids=str,
)
def test_a_query_that_cannot_be_sent_is_refused(asked: Query) -> None:
    with pytest.raises(InvalidQuery):
        query_request(asked, NAMES)


# --- Preconditions


def test_an_expectation_becomes_the_precondition_of_the_first_write() -> None:
    writes: list[Write] = [Set("a/1", {}), Merge("a/1", {"n": 1}), Delete("a/2", Precondition(exists=True)), Set("a/3", {})]
    guarded = with_preconditions(writes, {"a/1": None, "a/2": 17})
    assert [write.precondition for write in guarded] == [Precondition(exists=False), None, Precondition(update_time=17), None]


@pytest.mark.parametrize(
    ("precondition", "expected"),
    [
        (Precondition(exists=True), None),
        (Precondition(exists=False), 17),
        (Precondition(update_time=16), 17),
        (Precondition(update_time=17), None),
    ],
)
def test_a_precondition_that_contradicts_an_expectation_is_a_conflict(precondition: Precondition, expected: int | None) -> None:
    with pytest.raises(Conflict):
        with_preconditions([Set("a/1", {}, precondition)], {"a/1": expected})


def test_two_expectations_that_contradict_each_other_are_a_conflict() -> None:
    assert expected_documents([ExpectDocument("a/1", 1), ExpectDocument("a/1", 1), ExpectDocument("a/2", None)]) == {
        "a/1": 1,
        "a/2": None,
    }
    with pytest.raises(Conflict):
        expected_documents([ExpectDocument("a/1", 1), ExpectDocument("a/1", 2)])


ABSENT, PRESENT, AS_READ = Precondition(exists=False), Precondition(exists=True), Precondition(update_time=5)


@pytest.mark.parametrize(
    ("writes", "repeatable"),
    [
        ([], True),  # only expectations
        ([Set("a/1", {})], False),
        ([Set("a/1", {}, ABSENT)], False),  # somebody may have taken it for a job, and done and deleted it
        ([Set("a/1", {}, ABSENT, lasting=True)], True),
        ([Set("a/1", {}, ABSENT, lasting=True), Set("a/2", {})], True),
        ([Set("a/1", {}, lasting=True), Set("a/2", {}, ABSENT)], False),
        ([Set("a/1", {}, PRESENT)], False),
        ([Delete("a/1", PRESENT), Set("a/2", {})], False),
        ([Delete("a/1", AS_READ), Set("a/2", {})], True),
        ([Set("a/1", {}, AS_READ)], True),
        ([Set("a/1", {}, AS_READ), Merge("a/2", {}, precondition=AS_READ)], True),
        ([Set("a/1", {}, AS_READ), Set("a/2", {})], False),  # the first may change nothing, and so hold for ever
    ],
    ids=str,
)
def test_a_commit_is_sent_again_only_where_that_cannot_undo_what_others_wrote(writes: list[Write], repeatable: bool) -> None:
    assert is_repeatable(writes) is repeatable


# --- Failures


def failed(code: Code, details: str) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details)


@pytest.mark.parametrize(
    ("code", "details", "kind", "said"),
    [
        (Code.UNAVAILABLE, "failed to connect to all addresses", DatastoreUnavailable, "check the network"),
        (Code.FAILED_PRECONDITION, "The query requires an index. Create it here: https://x", InvalidQuery, "https://x"),
        (Code.INVALID_ARGUMENT, "value for v is too large to be used in a query", InvalidQuery, "too large"),
        (Code.PERMISSION_DENIED, "Missing or insufficient permissions.", DatastoreError, "roles/datastore.user"),
        (
            Code.NOT_FOUND,
            "The database (default) does not exist for project p",
            DatastoreError,
            "gcloud firestore databases create",
        ),
    ],
)
def test_a_failed_read_says_what_to_do(code: Code, details: str, kind: type[BFFError], said: str) -> None:
    error = read_failure(ADDRESS, failed(code, details))
    assert type(error) is kind
    assert said in str(error)


@pytest.mark.parametrize(
    ("code", "details", "kind"),
    [
        (Code.ABORTED, "Transaction lock timeout.", Conflict),
        (Code.ALREADY_EXISTS, "entity already exists", Conflict),
        (Code.NOT_FOUND, "no entity to update", Conflict),
        (Code.FAILED_PRECONDITION, "the stored version (1) does not match the required base version (2)", Conflict),
        (Code.NOT_FOUND, "The database (default) does not exist for project p", DatastoreError),
        (Code.INVALID_ARGUMENT, "maximum entity size is 1048576 bytes", DocumentTooLarge),
        (Code.INVALID_ARGUMENT, 'The value of property "x" is longer than 1048487 bytes.', DocumentTooLarge),
        (Code.INVALID_ARGUMENT, "Transaction too big. Decrease transaction size.", DocumentTooLarge),
        (Code.RESOURCE_EXHAUSTED, "gRPC message exceeds maximum size 4194304: 5400529", DocumentTooLarge),
        (Code.RESOURCE_EXHAUSTED, "Quota exceeded.", DatastoreUnavailable),
        (Code.INVALID_ARGUMENT, "Property array contains an invalid nested entity.", InvalidDocument),
        (Code.PERMISSION_DENIED, "Missing or insufficient permissions.", DatastoreError),
    ],
)
def test_a_refused_commit_is_told_as_what_it_is(code: Code, details: str, kind: type[BFFError]) -> None:
    assert type(commit_failure(ADDRESS, failed(code, details))) is kind
