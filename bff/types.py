"""Value types that documents, declarations and GraphQL share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeAlias, Union

__all__ = ["BigInt", "BigIntMarker", "GeoPoint", "Timepoint", "Value"]

Timepoint: TypeAlias = int
"""A datastore's commit or read time: microseconds since the Unix epoch, totally ordered."""


@dataclass(frozen=True, slots=True, order=True)
class GeoPoint:
    """A point on Earth, in degrees (WGS 84).

    Raises ValueError where the latitude is not in [-90, 90] or the longitude not in [-180, 180].
    """

    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        if not -90 <= self.latitude <= 90:
            raise ValueError(f"latitude {self.latitude} is not between -90 and 90 degrees")
        if not -180 <= self.longitude <= 180:
            raise ValueError(f"longitude {self.longitude} is not between -180 and 180 degrees")


@dataclass(frozen=True, slots=True)
class BigIntMarker:
    """Marks an ``int`` annotation as the GraphQL scalar ``BigInt``."""


BigInt: TypeAlias = Annotated[int, BigIntMarker()]
"""An integer of up to 64 bits. GraphQL's own ``Int`` holds 32 (GraphQL specification, 3.5.1)."""

Value: TypeAlias = Union[bool, int, float, str, bytes, datetime, GeoPoint, "list[Value]", "Mapping[str, Value]", None]
"""What a document field can hold: Firestore's value types. Datetimes are aware, in microseconds."""
