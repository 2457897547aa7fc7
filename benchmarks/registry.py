"""Which scenarios there are, in the order of RESULTS.md: each of these modules has a list ``SCENARIOS``."""

from __future__ import annotations

from importlib import import_module

from benchmarks.harness import Scenario

__all__ = ["scenarios"]

MODULES = (
    "benchmarks.http_scenarios",
    "benchmarks.live.fan_out",
    "benchmarks.live.latency",
    "benchmarks.live.memory",
    "benchmarks.projection_scenario",
    "benchmarks.live.growth",
    "benchmarks.process_scenario",
)


def scenarios() -> dict[str, Scenario]:
    """All of them, by name. Raises ValueError where two have one name."""
    found: dict[str, Scenario] = {}
    for module in MODULES:
        for scenario in import_module(module).SCENARIOS:
            if scenario.name in found:
                raise ValueError(f"{module}: there is a scenario {scenario.name} already")
            found[scenario.name] = scenario
    return found
