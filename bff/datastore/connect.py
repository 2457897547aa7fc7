"""Opens the datastore that a URL names."""

from __future__ import annotations

from urllib.parse import urlsplit

from bff.datastore.port import Datastore
from bff.errors import SettingsError

__all__ = ["open_datastore"]


def open_datastore(url: str) -> Datastore:
    """The datastore for ``sqlite:///file.db``, ``sqlite://`` (memory) or ``firestore://project[/database]``, not yet entered.

    An adapter is imported only when its scheme is asked for: nobody pays for a driver they do not use. Raises SettingsError.
    """
    match urlsplit(url).scheme:
        case "sqlite":
            from bff.datastore.sqlite.datastore import SQLiteDatastore

            return SQLiteDatastore.from_url(url)
        case "firestore":
            from bff.datastore.firestore.datastore import FirestoreDatastore

            return FirestoreDatastore.from_url(url)
        case other:
            raise SettingsError(
                f"{other!r} is no datastore: use sqlite:///file.db, sqlite:// (memory) or firestore://project[/database]"
            )
