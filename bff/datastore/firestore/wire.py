"""Documents, values, field paths and times as Firestore's protobuf messages have them, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bff.datastore.firestore.protos import Message, Timestamp
from bff.document import Document
from bff.types import GeoPoint, Timepoint, Value

__all__ = ["Names", "decode_document", "decode_fields", "encode_fields", "encode_value", "quote", "timepoint", "timestamp"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SIMPLE_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")


class Names:
    """Paths relative to a database, as the full resource names that the API uses, and back."""

    __slots__ = ("_prefix", "database", "root")

    def __init__(self, database: str) -> None:
        self.database = database
        self.root = f"{database}/documents"
        self._prefix = len(self.root) + 1

    def full(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root

    def path(self, name: str) -> str:
        return name[self._prefix :]


# --- Times


def timepoint(message: Message) -> Timepoint:
    """Firestore's own times are whole microseconds. A read time that is not is cut off: no commit lies in between."""
    return int(message.seconds * 1_000_000 + message.nanos // 1000)


def timestamp(moment: Timepoint) -> Message:
    seconds, microseconds = divmod(moment, 1_000_000)
    return Timestamp(seconds=seconds, nanos=microseconds * 1000)


# --- Field paths


def quote(name: str) -> str:
    """A field name as a segment of a field path: in backticks unless it is a simple name.

    https://firebase.google.com/docs/reference/rpc/google.firestore.v1#documentmask
    """
    if SIMPLE_NAME.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


# --- Values: from messages


def _decode_map(value: Message) -> dict[str, Value]:
    return decode_fields(value.map_value.fields)


def _decode_array(value: Message) -> list[Value]:
    return [_DECODERS[item.WhichOneof("value_type")](item) for item in value.array_value.values]


def _decode_time(value: Message) -> datetime:
    moment = value.timestamp_value
    return EPOCH + timedelta(seconds=moment.seconds, microseconds=moment.nanos // 1000)


def _decode_point(value: Message) -> GeoPoint:
    point = value.geo_point_value
    return GeoPoint(point.latitude, point.longitude)


def _decode_reference(value: Message) -> str:
    # Written by somebody else: we store references as paths.
    return str(value.reference_value.partition("/documents/")[2])


_DECODERS: dict[str | None, Callable[[Message], Value]] = {
    "string_value": lambda value: value.string_value,
    "integer_value": lambda value: value.integer_value,
    "double_value": lambda value: value.double_value,
    "boolean_value": lambda value: value.boolean_value,
    "null_value": lambda _: None,
    "timestamp_value": _decode_time,
    "bytes_value": lambda value: value.bytes_value,
    "geo_point_value": _decode_point,
    "map_value": _decode_map,
    "array_value": _decode_array,
    "reference_value": _decode_reference,
}


def decode_fields(fields: Message) -> dict[str, Value]:
    """The data, its names in order: protobuf gives them in a different one each time, and equal documents should look equal."""
    decoders = _DECODERS
    return {name: decoders[value.WhichOneof("value_type")](value) for name, value in sorted(fields.items())}


def decode_document(message: Message, names: Names) -> Document:
    return Document(names.path(message.name), decode_fields(message.fields), timepoint(message.update_time))


# --- Values: to messages


def encode_fields(data: Mapping[str, Value], fields: Message) -> None:
    """Put the data into a message's map of fields."""
    for name, value in data.items():
        encode_value(value, fields[name])


def encode_value(value: Value, message: Message) -> None:
    """Put the value into an empty ``Value`` message. The value has been checked (``bff.values``), or is a query's operand."""
    encode = _ENCODERS.get(type(value)) or _encoder(value)
    encode(value, message)


def _encode_null(value: Any, message: Message) -> None:
    message.null_value = 0


def _encode_bool(value: Any, message: Message) -> None:
    message.boolean_value = value


def _encode_int(value: Any, message: Message) -> None:
    message.integer_value = int(value)


def _encode_float(value: Any, message: Message) -> None:
    message.double_value = value


def _encode_str(value: Any, message: Message) -> None:
    message.string_value = str.__str__(value)


def _encode_bytes(value: Any, message: Message) -> None:
    message.bytes_value = value


def _encode_time(value: Any, message: Message) -> None:
    message.timestamp_value.CopyFrom(timestamp((value - EPOCH) // MICROSECOND))


def _encode_point(value: Any, message: Message) -> None:
    point = message.geo_point_value
    point.latitude = value.latitude
    point.longitude = value.longitude
    point.SetInParent()  # 0°, 0° sets nothing by itself


def _encode_map(value: Any, message: Message) -> None:
    message.map_value.SetInParent()  # an empty map sets nothing by itself
    encode_fields(value, message.map_value.fields)


def _encode_array(value: Any, message: Message) -> None:
    message.array_value.SetInParent()
    add = message.array_value.values.add
    for item in value:
        encode_value(item, add())


_ENCODERS: dict[type, Callable[[Any, Message], None]] = {
    type(None): _encode_null,
    bool: _encode_bool,
    int: _encode_int,
    float: _encode_float,
    str: _encode_str,
    bytes: _encode_bytes,
    datetime: _encode_time,
    GeoPoint: _encode_point,
    dict: _encode_map,
    list: _encode_array,
    tuple: _encode_array,
}


def _encoder(value: object) -> Callable[[Any, Message], None]:
    """The encoder of a subclass: a StrEnum is a str, a MappingProxyType a map."""
    for kind in (bool, int, float, str, bytes, datetime, GeoPoint, list, tuple):
        if isinstance(value, kind):
            return _ENCODERS[kind]
    if isinstance(value, Mapping):
        return _encode_map
    raise ValueError(f"a {type(value).__qualname__} cannot be stored")
