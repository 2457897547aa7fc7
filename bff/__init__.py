"""A GraphQL-first backend-for-frontend toolkit.

Declare what a screen needs (``ViewModel``) over the documents it is made of (``Store``, ``DomainModel``): bff keeps every view
precomputed, serves it as GraphQL, and pushes each change to whoever is looking at it.
"""

from bff.app import App
from bff.auth.firebase import FirebaseAuth
from bff.auth.identify import identify
from bff.auth.jwt import JWTAuth
from bff.auth.port import Credentials
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
from bff.model.effect import Effect, effect
from bff.model.field import field
from bff.model.form import Form, entry
from bff.model.form_draft import creates
from bff.model.mediator import Mediator, sink, source
from bff.model.mutation import mutation
from bff.model.readers import Readers
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.principal import ANONYMOUS, Principal, signed_in
from bff.resolvers.context import Context
from bff.settings import Settings
from bff.types import BigInt, GeoPoint

__all__ = [
    "ANONYMOUS",
    "App",
    "BFFError",
    "BadUserInput",
    "BigInt",
    "Conflict",
    "Context",
    "Credentials",
    "DeclarationError",
    "DomainError",
    "DomainModel",
    "Effect",
    "FirebaseAuth",
    "Forbidden",
    "Form",
    "GeoPoint",
    "JWTAuth",
    "Mediator",
    "NotFound",
    "Principal",
    "RateLimited",
    "Readers",
    "Ref",
    "Settings",
    "Stale",
    "Store",
    "Unauthenticated",
    "ViewModel",
    "connect",
    "creates",
    "effect",
    "entry",
    "field",
    "identify",
    "mutation",
    "reference",
    "signed_in",
    "sink",
    "source",
    "transaction",
]
