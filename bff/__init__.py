"""A GraphQL-first backend-for-frontend toolkit.

Declare what a screen needs (``ViewModel``) over the documents it is made of (``Store``, ``DomainModel``): bff keeps every view
precomputed, serves it as GraphQL, and pushes each change to whoever is looking at it.
"""

from bff.app import App
from bff.connection import connect, transaction
from bff.errors import (
    BadUserInput,
    BFFError,
    Conflict,
    DeclarationError,
    DomainError,
    Forbidden,
    NotFound,
    RateLimited,
    Stale,
    Unauthenticated,
)
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.mediator import Mediator, sink, source
from bff.model.mutation import mutation
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.resolvers.context import Context
from bff.settings import Settings
from bff.types import BigInt, GeoPoint

__all__ = [
    "App",
    "BFFError",
    "BadUserInput",
    "BigInt",
    "Conflict",
    "Context",
    "DeclarationError",
    "DomainError",
    "DomainModel",
    "Forbidden",
    "GeoPoint",
    "Mediator",
    "NotFound",
    "RateLimited",
    "Ref",
    "Settings",
    "Stale",
    "Store",
    "Unauthenticated",
    "ViewModel",
    "connect",
    "field",
    "mutation",
    "reference",
    "sink",
    "source",
    "transaction",
]
