"""The raw protobuf messages of Firestore's API.

The classes of ``google.cloud.firestore_v1.types`` are wrappers; decoding through them costs 92 µs for a document of ten
fields, through the messages underneath 14 µs.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from google.cloud.firestore_v1.types import common, document, firestore, query, write

__all__ = [
    "BatchGetDocumentsRequest",
    "BatchGetDocumentsResponse",
    "CommitRequest",
    "CommitResponse",
    "ListenRequest",
    "ListenResponse",
    "Message",
    "ProtoDocument",
    "ProtoValue",
    "RollbackRequest",
    "RunAggregationQueryRequest",
    "RunAggregationQueryResponse",
    "RunQueryRequest",
    "RunQueryResponse",
    "StructuredQuery",
    "TargetChange",
    "Timestamp",
    "TransactionOptions",
    "WriteMessage",
]

Message: TypeAlias = Any
"""A protobuf message, or the class of one: these are made at run time, and leave nothing to check against."""

BatchGetDocumentsRequest: Message = firestore.BatchGetDocumentsRequest.pb()
BatchGetDocumentsResponse: Message = firestore.BatchGetDocumentsResponse.pb()
CommitRequest: Message = firestore.CommitRequest.pb()
CommitResponse: Message = firestore.CommitResponse.pb()
ListenRequest: Message = firestore.ListenRequest.pb()
ListenResponse: Message = firestore.ListenResponse.pb()
ProtoDocument: Message = document.Document.pb()
ProtoValue: Message = document.Value.pb()
RollbackRequest: Message = firestore.RollbackRequest.pb()
RunAggregationQueryRequest: Message = firestore.RunAggregationQueryRequest.pb()
RunAggregationQueryResponse: Message = firestore.RunAggregationQueryResponse.pb()
RunQueryRequest: Message = firestore.RunQueryRequest.pb()
RunQueryResponse: Message = firestore.RunQueryResponse.pb()
StructuredQuery: Message = query.StructuredQuery.pb()
TargetChange: Message = firestore.TargetChange.pb()
Timestamp: Message = type(RunQueryResponse().read_time)
TransactionOptions: Message = common.TransactionOptions.pb()
WriteMessage: Message = write.Write.pb()
