"""In what order the rounds of all scenarios are measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.harness import Bench, Scenario

__all__ = ["schedule"]


def schedule(chosen: Sequence[Scenario], bench: Bench) -> Iterator[tuple[Scenario, range]]:
    """Which rounds of which scenario come next: all of them at once, or one with others in between (`Scenario.apart`)."""
    apart, others = [one for one in chosen if one.apart], [one for one in chosen if not one.apart]
    rounds = max(map(bench.rounds, apart), default=1)
    parts = max(1, rounds - 1)
    for turn in range(rounds):
        for one in apart:
            if turn < bench.rounds(one):
                yield one, range(turn, turn + 1)
        for one in others[turn * len(others) // parts : (turn + 1) * len(others) // parts]:
            yield one, range(bench.rounds(one))
