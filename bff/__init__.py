"""A GraphQL-first backend-for-frontend toolkit.

Declare what a screen needs (``ViewModel``) over the documents it is made of (``Store``, ``DomainModel``): bff keeps every view
precomputed, serves it as GraphQL, and pushes each change to whoever is looking at it.
"""

from bff.app import App
from bff.connection import connect, transaction
from bff.errors import BadUserInput, BFFError, Conflict, DeclarationError, DomainError, NotFound
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
    "GeoPoint",
    "Mediator",
    "NotFound",
    "Ref",
    "Settings",
    "Store",
    "ViewModel",
    "connect",
    "field",
    "mutation",
    "reference",
    "sink",
    "source",
    "transaction",
]
