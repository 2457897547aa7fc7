"""gRPC's errors, told in bff's."""

from __future__ import annotations

import re

import grpc
import grpc.aio

from bff.datastore.firestore.address import Address
from bff.errors import Conflict, DatastoreError, DatastoreUnavailable, DocumentTooLarge, InvalidDocument, InvalidQuery

__all__ = ["CONFLICTS", "TRANSIENT", "commit_failure", "describe", "read_failure", "unavailable", "was_not_sent"]

Code = grpc.StatusCode

TRANSIENT = frozenset(
    {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.INTERNAL, Code.UNKNOWN, Code.ABORTED, Code.CANCELLED, Code.RESOURCE_EXHAUSTED}
)
"""What may go away by itself."""

CONFLICTS = frozenset({Code.ABORTED, Code.ALREADY_EXISTS, Code.FAILED_PRECONDITION, Code.NOT_FOUND})
"""What a commit ends with whose preconditions do not hold, or that lost against another one. Nothing was written."""

TOO_LARGE = re.compile(
    r"maximum entity size|longer than \d+ bytes|exceeds the maximum|exceeds maximum size|larger than max"
    r"|[Tt]ransaction too (big|large)|[Rr]equest payload size|too many (index entries|writes)"
)
NO_DATABASE = re.compile(r"database .*does not exist|add a Cloud (Datastore|Firestore)", re.IGNORECASE)
# Said by gRPC itself, before anything has left this process.
NOT_CONNECTED = re.compile(r"failed to connect to all addresses|[Nn]ame resolution|DNS resolution failed|Connection refused")


def was_not_sent(error: grpc.aio.AioRpcError) -> bool:
    """Whether it is certain that the server never saw the request. It may not have where this is False, too."""
    return error.code() is Code.UNAVAILABLE and NOT_CONNECTED.search(error.details() or "") is not None


def describe(error: grpc.aio.AioRpcError) -> str:
    return f"{error.code().name}: {(error.details() or '').strip()}"


def unavailable(address: Address, why: str) -> DatastoreUnavailable:
    if address.emulator is not None:
        remedy = (
            f"is the emulator running? Start it with: gcloud emulators firestore start --host-port={address.emulator}, "
            "or correct ?emulator= or FIRESTORE_EMULATOR_HOST"
        )
    else:
        remedy = "check the network and https://status.cloud.google.com"
    return DatastoreUnavailable(f"{address.url} cannot be reached ({why}); {remedy}")


def general_failure(address: Address, error: grpc.aio.AioRpcError) -> DatastoreError:
    """What fails for reasons that have nothing to do with the request itself."""
    code, details = error.code(), error.details() or ""
    if code in TRANSIENT:
        return unavailable(address, describe(error))
    if code is Code.PERMISSION_DENIED or code is Code.UNAUTHENTICATED:
        return DatastoreError(
            f"{address.url} refuses these credentials ({describe(error)}); the account needs roles/datastore.user on the project "
            "(and where the Firestore API was never used there, it has to be enabled)"
        )
    if code is Code.NOT_FOUND or NO_DATABASE.search(details):
        return DatastoreError(
            f"{address.url}: there is no such database ({describe(error)}); "
            f"create it with: gcloud firestore databases create --project={address.project} --database='{address.database}'"
        )
    return DatastoreError(f"{address.url}: {describe(error)}")


def read_failure(address: Address, error: grpc.aio.AioRpcError) -> DatastoreError:
    """A read that failed for good. An index that is missing is InvalidQuery, with the link that creates it."""
    code, details = error.code(), error.details() or ""
    if NO_DATABASE.search(details):
        return general_failure(address, error)
    if code in {Code.INVALID_ARGUMENT, Code.FAILED_PRECONDITION}:
        return InvalidQuery(details)
    return general_failure(address, error)


def commit_failure(address: Address, error: grpc.aio.AioRpcError) -> DatastoreError:
    """A commit that the server refused: nothing was written."""
    code, details = error.code(), error.details() or ""
    if TOO_LARGE.search(details) and code in {Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED, Code.OUT_OF_RANGE}:
        return DocumentTooLarge(f"{address.url}: {details}")
    if NO_DATABASE.search(details):
        return general_failure(address, error)
    if code in CONFLICTS:
        return Conflict(describe(error))
    if code is Code.INVALID_ARGUMENT:
        return InvalidDocument(details)
    return general_failure(address, error)
