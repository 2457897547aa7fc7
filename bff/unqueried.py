"""Fields of bff's own documents that no query names, so that no index need hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["UNQUERIED"]

UNQUERIED: Final[Mapping[str, frozenset[str]]] = {
    "_bff_views": frozenset({"builtAt", "definition", "deleted", "details", "error", "key", "version", "view"}),
    "_bff_unchecked": frozenset({"at", "keys", "view"}),
    "_bff_mediators": frozenset({"attempts", "begun", "data", "error", "failed", "own", "path", "seen", "since", "sources"}),
    "_bff_outbox": frozenset({"attempts", "claimedBy", "committed", "error", "number", "payload", "since"}),
    "_bff_sent": frozenset({"effect"}),
    "_bff_idempotency": frozenset({"entries", "fingerprint", "response"}),
    "_bff_heartbeats": frozenset({"at", "expiresAt"}),
}
"""By collection. Some of them only grow, and an index of such a field limits how many documents of a collection can be written in
a second (https://firebase.google.com/docs/firestore/best-practices)."""
