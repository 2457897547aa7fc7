"""What was measured, written down: results.json, RESULTS.md and the charts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.chart import figure
from benchmarks.harness import OURS, Measured, Metric, Results, Scenario

__all__ = ["markdown", "write"]


def write(folder: Path, scenarios: Sequence[Scenario], results: Results, about: Mapping[str, str]) -> None:
    """Everything into this folder; charts go to ``charts``, and those that were there before are removed."""
    charts = folder / "charts"
    charts.mkdir(parents=True, exist_ok=True)
    for old in charts.glob("*.svg"):
        old.unlink()
    drawn: dict[str, list[str]] = {}
    for scenario in scenarios:
        if results[scenario.name].failed is None:
            for name, text in scenario.charts(results[scenario.name]).items():
                (charts / name).write_text(text, encoding="utf-8")
                drawn.setdefault(scenario.name, []).append(f"charts/{name}")
    (folder / "results.json").write_text(json.dumps(_data(scenarios, results, about), indent=1) + "\n", encoding="utf-8")
    (folder / "RESULTS.md").write_text(markdown(scenarios, results, about, drawn), encoding="utf-8")


def _data(scenarios: Sequence[Scenario], results: Results, about: Mapping[str, str]) -> dict[str, Any]:
    return {
        "about": dict(about),
        "scenarios": {
            scenario.name: {
                "title": scenario.title,
                "units": {metric.name: metric.unit for metric in scenario.metrics},
                "failed": results[scenario.name].failed,
                "left out": results[scenario.name].left_out,
                "samples": {
                    contender: {metric: [float(f"{value:.5g}") for value in values] for metric, values in metrics.items()}
                    for contender, metrics in results[scenario.name].samples.items()
                },
            }
            for scenario in scenarios
        },
        "targets": [
            {
                "scenario": scenario.name,
                "asked": target.asked,
                "measured": None if (value := target.value(results)) is None else float(f"{value:.5g}"),
                "holds": target.holds(results),
            }
            for scenario in scenarios
            for target in scenario.targets
        ],
    }


def markdown(
    scenarios: Sequence[Scenario], results: Results, about: Mapping[str, str], drawn: Mapping[str, Sequence[str]]
) -> str:
    """RESULTS.md."""
    failed = [f"- **{name} failed**: {result.failed.splitlines()[0]}" for name, result in results.items() if result.failed]
    lines = [
        "# Results",
        "",
        "Written by `make bench`; [README.md](README.md) says how to read it. All contenders of a table ran on this one machine ",
        "in this one run, in turns; each figure is the median of its samples, and ratios are of medians.",
        "",
        *failed,
        *([""] if failed else []),
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in about.items()),
        "",
        "## What was asked",
        "",
        *_targets(scenarios, results),
        "",
    ]
    for scenario in scenarios:
        lines += [f"## {scenario.title}", "", scenario.about, "", *_table(scenario, results[scenario.name]), ""]
        for path in drawn.get(scenario.name, ()):
            lines += [f"![{scenario.title}]({path})", ""]
    return "\n".join(lines)


def _targets(scenarios: Sequence[Scenario], results: Results) -> list[str]:
    lines = ["| | asked | measured | holds |", "|---|---|---|---|"]
    for scenario in scenarios:
        for target in scenario.targets:
            value, holds = target.value(results), target.holds(results)
            shown = "–" if value is None else f"{figure(value)} {target.unit}"
            verdict = {True: "yes", False: "**no**", None: "not measured"}[holds]
            lines.append(f"| {scenario.title} | {target.asked} | {shown} | {verdict} |")
    return lines


def _table(scenario: Scenario, measured: Measured) -> list[str]:
    if measured.failed is not None:
        return [f"**Failed**: {measured.failed.splitlines()[0]}"]
    compared = next((metric for metric in scenario.metrics if metric.compared), None)
    heads = [f"{metric.name}, {metric.unit}" for metric in scenario.metrics]
    lines = [
        "| | " + " | ".join([*heads, *([] if compared is None else [f"{OURS} is"])]) + " |",
        "|---|" + "---:|" * (len(heads) + (compared is not None)),
    ]
    for contender in scenario.contenders:
        if contender in measured.samples:
            cells = [_cell(measured.median(contender, metric.name)) for metric in scenario.metrics]
            if compared is not None:
                cells.append(_ratio(measured, contender, compared))
            name = f"**{contender}**" if contender.startswith(OURS) else contender
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [f"\nNot measured: {name} ({reason})." for name, reason in measured.left_out.items()]
    return lines


def _cell(value: float | None) -> str:
    return "–" if value is None else figure(value)


def _ratio(measured: Measured, contender: str, metric: Metric) -> str:
    ours, theirs = measured.median(OURS, metric.name), measured.median(contender, metric.name)
    if contender.startswith(OURS) or not ours or not theirs:
        return ""
    return f"{ours / theirs:.2f} ×"
