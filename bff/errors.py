"""Every error that bff raises on purpose.

::

    BFFError
    ├── DeclarationError            a class is declared wrongly: raised at import or start-up
    ├── SettingsError               a setting, a URL or an application path is wrong: raised at start-up
    ├── DomainError                 yours to subclass: a rule of the domain says no, its code reaches the client
    ├── RequestError                a request that cannot be done as asked
    │   ├── BadUserInput            BAD_USER_INPUT
    │   ├── NotFound                NOT_FOUND
    │   ├── Unauthenticated         UNAUTHENTICATED: who is asking is not known
    │   ├── Forbidden               FORBIDDEN: who is asking may not
    │   ├── RateLimited             RATE_LIMITED: too much was asked for, later it may be done
    │   ├── TooLarge                TOO_LARGE: more was asked for than one request may have
    │   ├── Stale                   STALE: what was asked for has not been seen yet
    │   ├── BeingBuilt              BEING_BUILT: a list by what is only in a definition that is still being built
    │   └── IdempotencyKeyReused    IDEMPOTENCY_KEY_REUSED: another request had that key
    ├── DatastoreError              the datastore could not do it
    │   ├── Conflict                CONFLICT: a precondition failed, somebody else wrote first
    │   ├── InvalidQuery            BAD_QUERY: no datastore can answer it
    │   ├── InvalidDocument         BAD_DOCUMENT: no datastore can store it
    │   ├── DocumentTooLarge        TOO_LARGE
    │   ├── DatastoreUnavailable    UNAVAILABLE: nothing was written; trying again later is safe
    │   └── OutcomeUnknown          OUTCOME_UNKNOWN: a commit was sent and its answer was lost
    │       └── AnswerUnknown       OUTCOME_UNKNOWN: the commit was made, and what it answers with cannot be read
    ├── BroadcastError              BROADCAST_UNAVAILABLE
    └── BuildError                  BUILD_FAILED: a view cannot be built from its documents
        ├── AnswerNotBuilt          BUILD_FAILED: the commit was made, and what it answers with cannot be built
        └── IncompleteBuild         UNAVAILABLE: the documents changed under every attempt to build

Each class has a stable ``code``, which is what a GraphQL client finds in ``extensions.code``.
"""

from __future__ import annotations

from bff.naming import upper_snake

__all__ = [
    "AnswerNotBuilt",
    "AnswerUnknown",
    "BFFError",
    "BadUserInput",
    "BeingBuilt",
    "BroadcastError",
    "BuildError",
    "Conflict",
    "DatastoreError",
    "DatastoreUnavailable",
    "DeclarationError",
    "DocumentTooLarge",
    "DomainError",
    "Forbidden",
    "IdempotencyKeyReused",
    "IncompleteBuild",
    "InvalidDocument",
    "InvalidQuery",
    "NotFound",
    "OutcomeUnknown",
    "RateLimited",
    "RequestError",
    "SettingsError",
    "Stale",
    "TooLarge",
    "Unauthenticated",
    "message_of",
]


class BFFError(Exception):
    """The base of every error that bff raises on purpose."""

    code: str = "INTERNAL"


def message_of(error: BFFError) -> str:
    """What an error says: its text, or the first line of its class's docstring, or its code.

    No property of errors: a DomainError may well have a ``message`` of its own.
    """
    # Python takes all that a class is called with for its text, also where its __init__ (a dataclass's) never says so: several
    # values are no message, and not all of them need be for clients.
    text = "" if len(error.args) > 1 and type(error).__str__ is BaseException.__str__ else str(error)
    return text or (type(error).__doc__ or "").strip().partition("\n")[0] or error.code


class DeclarationError(BFFError):
    """A class is declared wrongly; the message names the class, the field and the remedy."""

    code = "DECLARATION"

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where


class SettingsError(BFFError):
    """A setting, a URL or an application path is wrong."""

    code = "SETTINGS"


class DomainError(BFFError):
    """A rule of the domain says no. Subclass it; its ``code`` and message reach the client.

    The code is the class name in upper snake case, unless the class sets ``code`` itself:
    ``class MeetingNotOpen(DomainError)`` reaches clients as ``MEETING_NOT_OPEN``.
    """

    code = "DOMAIN_ERROR"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" not in cls.__dict__:
            cls.code = upper_snake(cls.__name__)


class RequestError(BFFError):
    """A request that cannot be done as asked. Its message reaches the client."""

    code = "BAD_REQUEST"


class BadUserInput(RequestError):
    """An argument is not acceptable; ``path`` says which (``["input", "email"]``)."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str, path: list[str | int] | None = None) -> None:
        super().__init__(message)
        self.path = path


class NotFound(RequestError):
    """A document or a view that the request names does not exist."""

    code = "NOT_FOUND"


class Unauthenticated(RequestError):
    """It is not known who is asking."""

    code = "UNAUTHENTICATED"


class Forbidden(RequestError):
    """Who is asking may not do this."""

    code = "FORBIDDEN"


class RateLimited(RequestError):
    """Too much was asked for in a short time. Trying again later is safe."""

    code = "RATE_LIMITED"


class TooLarge(RequestError):
    """More was asked for than one request, or one subscription, may have."""

    code = "TOO_LARGE"


class Stale(RequestError):
    """The views have not seen what the request asks them to have seen. Trying again is safe."""

    code = "STALE"


class BeingBuilt(RequestError):
    """A list is asked for by a field that the views do not have before their new definition is built."""

    code = "BEING_BUILT"


class IdempotencyKeyReused(RequestError):
    """An idempotency key came again with another request than the one it was first sent with. Nothing was done."""

    code = "IDEMPOTENCY_KEY_REUSED"


class DatastoreError(BFFError):
    """The datastore could not do it."""

    code = "DATASTORE"


class Conflict(DatastoreError):
    """A precondition failed: somebody else wrote first. Nothing was written."""

    code = "CONFLICT"


class InvalidQuery(DatastoreError):
    """A query that no datastore can answer, or whose operands do not fit its operators."""

    code = "BAD_QUERY"


class InvalidDocument(DatastoreError):
    """A document holds what no datastore can store; the message names the document and the field. Nothing was written."""

    code = "BAD_DOCUMENT"


class DocumentTooLarge(DatastoreError):
    """A document or a commit is over the datastore's limit. Nothing was written."""

    code = "TOO_LARGE"


class DatastoreUnavailable(DatastoreError):
    """The datastore cannot be reached, or did not answer in time. Nothing was written."""

    code = "UNAVAILABLE"


class OutcomeUnknown(DatastoreError):
    """A commit was sent and its answer was lost: it may or may not have been applied."""

    code = "OUTCOME_UNKNOWN"


class AnswerUnknown(OutcomeUnknown):
    """A mutation was done, and the view that it answers with cannot be read. Sending it again would do it again."""


class BroadcastError(BFFError):
    """The broadcast channel cannot be reached."""

    code = "BROADCAST_UNAVAILABLE"


class BuildError(BFFError):
    """A view cannot be built from its documents; ``__cause__`` is what a getter raised, if one did."""

    code = "BUILD_FAILED"


class AnswerNotBuilt(BuildError):
    """A mutation was done, and the view that it answers with cannot be built. Sending it again would do it again."""


class IncompleteBuild(BuildError):
    """The documents changed under every attempt to build the view."""

    code = "UNAVAILABLE"
