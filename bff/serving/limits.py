"""How much one client may ask of the server."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What serving refuses, and when it gives up. Times are in seconds, sizes in bytes unless they say otherwise.

    Each process counts for itself: see "Limits behind several processes" in docs/operations.md.

    Raises ValueError where a limit is not a positive number, nor None where that stands for none.
    """

    body_bytes: int = 1024 * 1024
    """The longest HTTP request body; a longer one is answered 413."""
    body_seconds: float = 30.0
    """How long an HTTP request body may take to arrive; then it is answered 408."""
    query_characters: int = 64 * 1024
    """The longest text of a GraphQL document."""
    query_tokens: int = 2_000
    """The most tokens in a GraphQL document."""
    query_depth: int = 15
    """How many levels of fields a GraphQL document may nest; introspection does not count."""
    query_fields: int = 2_000
    """The most fields in a GraphQL document, those of a fragment counted wherever it is spread."""
    query_aliases: int = 100
    """The most aliases in a GraphQL document, counted in the same way."""
    query_directives: int = 100
    """The most directives in a GraphQL document, counted in the same way."""
    query_pairs: int = 5_000
    """The most pairs of fields of one name, and of fragments, that have to be compared to see whether they can be merged."""
    query_cost: int = 200_000
    """The most values that one operation may ask for, the lengths of its lists multiplied; a batch, all of its together."""
    cached_documents: int = 1_000
    """How many parsed and validated GraphQL documents are kept."""
    cached_characters: int = 256 * 1024
    """How long the texts of the kept documents may be together: a parsed document is some hundred times its text."""
    persisted_documents: int = 1_000
    """How many documents that clients registered by their hash (APQ) are known."""
    persisted_characters: int = 1024 * 1024
    """How long the texts of these may be together."""
    cached_etags: int = 2_000
    """For how many ETags it is known what they were made of: these are answered 304 from versions alone."""
    cached_versions: int = 100_000
    """How many versions of views these may be made of together."""
    compressed_bytes: int = 8 * 1024 * 1024
    """How long the answers may be together of which it is known what they are compressed to, both forms counted."""
    cached_views: int = 10_000
    """How many views are kept in memory for queries while every change of them is told; the least recently used go first."""
    cached_view_bytes: int = 64 * 1024 * 1024
    """How much memory these may take together, about."""
    cached_lists: int = 32
    """How many lists that are asked for again and again are kept for queries: each change of a view is matched against these."""
    cached_list_views: int = 5_000
    """How many views these may hold together."""
    sockets: int = 10_000
    """The most WebSockets of a process at a time; the next is closed with 1013 (try again later)."""
    principal_sockets: int = 100
    """The most WebSockets and streams over HTTP of one user at a time, in each process; the next is closed with 1013, or answered
    429."""
    principal_subscriptions: int = 2_000
    """The most subscriptions of one user on all of them, in each process; the next is refused."""
    address_sockets: int | None = None
    """The most WebSockets and streams over HTTP, from one address, of those who have not signed in, in each process. None for as
    many as there may be, since behind a proxy all may come from its address: set it where addresses are the clients' own."""
    messages_per_second: float = 1_000.0
    """How many messages a WebSocket's client may send in the long run; over it, the socket is closed with 1013."""
    messages_burst: int = 5_000
    """How many it may send at once."""
    message_bytes: int = 1024 * 1024
    """The longest WebSocket message from a client; a longer one closes the socket with 1009."""
    followed_links: int = 1_000
    """The most linked views that one subscription follows; one that shows more is ended with TOO_LARGE."""
    operations: int = 1_000
    """The most operations at a time on one WebSocket, counting those whose last message is not sent yet."""
    outbox_bytes: int = 16 * 1024 * 1024
    """Over so much unsent text on one WebSocket, its operations wait for the peer before they execute anything more."""
    queued_bytes: int = 256 * 1024 * 1024
    """Over so much unsent text of all connections of a process together, those with the most of it are closed with 1013."""
    outbox_controls: int = 64
    """The most unsent pongs on one WebSocket; then nothing more is read from it until the peer reads."""
    streams: int = 10_000
    """The most event streams and multipart responses of a process at a time, reserved ones included; the next is answered 503."""
    reservation_seconds: float = 30.0
    """How long the reservation of an event stream is kept until the stream is opened."""
    patch_bytes: int = 128 * 1024
    """Results that are longer are not patched: one is held for each subscription that asks for patches, and compared."""
    init_seconds: float = 10.0
    """From the opening of a WebSocket to its acknowledged connection_init; then it is closed with 4408."""
    authenticate_seconds: float = 10.0
    """How long it may take to say who a client is; then it is refused."""
    expiry_notice_seconds: float = 60.0
    """How long before it is closed a WebSocket's client is told that its token expires."""
    ping_seconds: float = 25.0
    """A WebSocket's client that was silent for so long is sent a ping; on a stream over HTTP, something is sent so often."""
    pong_seconds: float = 25.0
    """A client that stays silent for so long after the ping is let go with 4408."""
    send_seconds: float = 20.0
    """How long one message to a peer that does not read may wait; then its socket is aborted."""
    close_seconds: float = 5.0
    """How long a closing socket waits for its close frame to leave, and a cancelled operation before it is cancelled again."""
    mutation_seconds: float = 30.0
    """How long a mutation may still run when its socket has gone; then it is cancelled."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.default is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ValueError(f"Limits.{field.name}: {value!r} is not a positive number")
