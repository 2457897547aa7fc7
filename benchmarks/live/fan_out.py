"""Fan-out: how many deliveries a second, from one change to everybody who looks at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.harness import Bench, Metric, Results, Scenario, Target, absolute, ratio
from benchmarks.live.servers import ARIADNE, BARE, BFF, COMMITS, FLOOR, NODE, SIGNED_IN, STARLETTE, STRAWBERRY, served
from benchmarks.live.subscribers import Size, Subscribers, subscribers
from benchmarks.smoke import Check

__all__ = ["SCENARIOS", "SMOKE", "FanOut"]

SECONDS = 2.0
ABOUT = (
    "Every subscription is a graphql-transport-ws operation that shows a meeting with 20 attendees (2 kB). The next state of"
    " a view is made as soon as half of its subscribers have the present one, so that the server always has something to send."
    " Counted is what is received, and every message is checked: its operation, its view, that it is newer than the one"
    " before, and every byte of the content. At the end, all have the newest state. The states of the peers are made in"
    " memory; so are those of “bff”: they come as a relay's message on the view's channel. “bff, each change a commit” stores"
    " a document each time: it has the projection, the commits and the listener in the same process. “bff, with JWT and"
    " readers” shows a view with `readers`, and a field with readers of its own, to 1,000 users, each signed in with a token."
    " Messages are not compressed, which is everybody's default or set."
)


class FanOut(Scenario):
    """So many subscriptions to so many views."""

    metrics = (
        Metric("rate", "deliveries/s"),
        Metric("server µs", "µs/delivery", higher_is_better=False, compared=False),
        Metric("server cpu", "%", compared=False),
        Metric("load cpu", "%", higher_is_better=False, compared=False),
    )

    def __init__(self, name: str, title: str, size: Size, contenders: Sequence[str], targets: Sequence[Target] = ()) -> None:
        self.name = name
        self.title = title
        self.about = ABOUT if name == "fan-out-1000" else "As above."
        self.contenders = tuple(contenders)
        self.targets = tuple(targets)
        self._size = size

    @contextmanager
    def open(self, bench: Bench, contender: str) -> Iterator[Subscribers]:
        with (
            served(bench, contender) as running,
            subscribers(bench, running.server, running.control_port, self._size, tokens=running.tokens) as opened,
        ):
            opened.flood(bench.warm_seconds)
            yield opened

    def measure(self, bench: Bench, contender: str, opened: Subscribers) -> dict[str, float]:
        taken = opened.flood(min(bench.seconds, SECONDS))
        return {
            "rate": taken.rate,
            "server µs": taken.server_microseconds,
            "server cpu": taken.server_cpu,
            "load cpu": taken.load_cpu,
        }


def of_one_view(results: Results) -> float | None:
    """Our rate with 10,000 subscriptions to 1,000 views over our rate with 1,000 to one."""
    many, one = (absolute(scenario, "rate")(results) for scenario in ("fan-out-views", "fan-out-1000"))
    return None if many is None or not one else many / one


ALL = (BFF, COMMITS, SIGNED_IN, FLOOR, BARE, STARLETTE, NODE, ARIADNE, STRAWBERRY)
SMALLER = (BFF, COMMITS, FLOOR, BARE, NODE, ARIADNE)
FAST = (BFF, COMMITS, BARE, STARLETTE, NODE)

SCENARIOS = [
    FanOut(
        "fan-out-1000",
        "Fan-out: 1,000 subscriptions to one view, a socket each",
        Size(1_000),
        ALL,
        (
            Target("≥ 0.9 × bare ASGI", ratio("fan-out-1000", "rate", BARE), at_least=0.9),
            Target("≥ 1.1 × Starlette", ratio("fan-out-1000", "rate", STARLETTE), at_least=1.1),
            Target("≥ 5 × graphql-ws on ws", ratio("fan-out-1000", "rate", NODE), at_least=5),
            Target("≥ 25 × Ariadne", ratio("fan-out-1000", "rate", ARIADNE), at_least=25),
        ),
    ),
    FanOut("fan-out-100", "Fan-out: 100 subscriptions to one view, a socket each", Size(100), SMALLER),
    FanOut("fan-out-10000", "Fan-out: 10,000 subscriptions to one view over 5,000 sockets", Size(5_000, 2), FAST),
    FanOut(
        "fan-out-views",
        "Fan-out: 10,000 subscriptions to 1,000 views over 100 sockets",
        Size(100, 100, 1_000),
        FAST,
        (Target("≥ 0.5 × our rate with 1,000 subscriptions to one view", of_one_view, at_least=0.5),),
    ),
]

SMALL = FanOut("fan-out-200", "Fan-out: 200 subscriptions to one view, a socket each", Size(200), (BFF, COMMITS, BARE))
SMOKE = [
    Check("fan-out to 200, bare ASGI", SMALL, BARE),
    Check("fan-out to 200 of commits, bare ASGI", SMALL, BARE, ours=COMMITS),
]
