"""Every error that bff raises on purpose.

::

    BFFError
    ├── DeclarationError            a class is declared wrongly: raised at import or start-up
    ├── SettingsError               a setting, a URL or an application path is wrong: raised at start-up
    ├── DomainError                 yours to subclass: a rule of the domain says no, its code reaches the client
    ├── RequestError                a request that cannot be done as asked
    │   ├── BadUserInput            BAD_USER_INPUT
    │   └── NotFound                NOT_FOUND
    ├── DatastoreError              the datastore could not do it
    │   ├── Conflict                CONFLICT: a precondition failed, somebody else wrote first
    │   ├── InvalidQuery            BAD_QUERY: no datastore can answer it
    │   ├── InvalidDocument         BAD_DOCUMENT: no datastore can store it
    │   ├── DocumentTooLarge        TOO_LARGE
    │   ├── DatastoreUnavailable    UNAVAILABLE: nothing was written; trying again later is safe
    │   └── OutcomeUnknown          OUTCOME_UNKNOWN: a commit was sent and its answer was lost
    ├── BroadcastError              BROADCAST_UNAVAILABLE
    └── BuildError                  BUILD_FAILED: a view cannot be built from its documents
        └── IncompleteBuild         the documents changed under every attempt to build

Each class has a stable ``code``, which is what a GraphQL client finds in ``extensions.code``.
"""

from __future__ import annotations

from bff.naming import upper_snake

__all__ = [
    "BFFError",
    "BadUserInput",
    "BroadcastError",
    "BuildError",
    "Conflict",
    "DatastoreError",
    "DatastoreUnavailable",
    "DeclarationError",
    "DocumentTooLarge",
    "DomainError",
    "IncompleteBuild",
    "InvalidDocument",
    "InvalidQuery",
    "NotFound",
    "OutcomeUnknown",
    "RequestError",
    "SettingsError",
]


class BFFError(Exception):
    """The base of every error that bff raises on purpose."""

    code: str = "INTERNAL"


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


class BroadcastError(BFFError):
    """The broadcast channel cannot be reached."""

    code = "BROADCAST_UNAVAILABLE"


class BuildError(BFFError):
    """A view cannot be built from its documents; ``__cause__`` is what a getter raised, if one did."""

    code = "BUILD_FAILED"


class IncompleteBuild(BuildError):
    """The documents changed under every attempt to build the view."""

    code = "UNAVAILABLE"
