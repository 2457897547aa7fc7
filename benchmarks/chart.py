"""Charts as small SVG texts, readable on a light page and on a dark one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

__all__ = ["bars", "figure", "lines"]

WIDTH = 760
LABELS = 230
FIGURES = 110
BAR = 18
STEP = 26
TOP = 56

STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 15px; font-weight: 600; }
.unit { fill: #59636e; }
.bar { fill: #9aa4af; }
.ours { fill: #0969da; }
.grid { stroke: #d1d9e0; fill: none; }
.line { fill: none; stroke-width: 2; }
.s0 { stroke: #0969da; } .s1 { stroke: #9a6700; } .s2 { stroke: #8250df; } .s3 { stroke: #1a7f37; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .unit { fill: #9198a1; } .bar { fill: #656c76; } .ours { fill: #4493f8; } .grid { stroke: #3d444d; }
.s0 { stroke: #4493f8; } .s1 { stroke: #d29922; } .s2 { stroke: #ab7df8; } .s3 { stroke: #3fb950; }
}
</style>"""


def figure(value: float) -> str:
    """Three digits that matter, with thousands set apart."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}" if digits else f"{round(value, 2 - math.floor(math.log10(abs(value)))):,.0f}"


def bars(title: str, unit: str, values: Sequence[tuple[str, float]], *, ours: str) -> str:
    """One bar for each name, the longest first, ours in another colour."""
    ordered = sorted(values, key=lambda value: -value[1])
    longest = max((value for _, value in ordered), default=1.0) or 1.0
    room = WIDTH - LABELS - FIGURES
    parts = []
    for place, (name, value) in enumerate(ordered):
        y = TOP + place * STEP
        width = max(1.0, room * value / longest)
        kind = "ours" if name.startswith(ours) else "bar"
        parts += [
            f'<text x="{LABELS - 10}" y="{y + 14}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>',
            f'<text x="{LABELS + width + 8:.1f}" y="{y + 14}">{figure(value)}</text>',
        ]
    return _svg(title, unit, TOP + len(ordered) * STEP + 8, parts)


def lines(title: str, unit: str, across: str, series: Mapping[str, Sequence[tuple[float, float]]], *, height: int = 300) -> str:
    """Growth curves: ``across`` names what grows, on a logarithmic axis; the other axis begins at 0."""
    points = [point for curve in series.values() for point in curve]
    if not points:
        return ""
    left, right, top, bottom = 70.0, WIDTH - 20.0, float(TOP), height - 46.0
    logs = [math.log10(x) for x, _ in points]
    low, high = min(logs), max(max(logs), min(logs) + 1)
    most = max(y for _, y in points) * 1.1 or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (right - left) * (math.log10(x) - low) / (high - low), bottom - (bottom - top) * y / most

    parts = []
    for part in range(5):
        y = most * part / 4
        _, line = at(10**low, y)
        parts.append(f'<path class="grid" d="M{left},{line:.1f}H{right}"/>')
        parts.append(f'<text class="unit" x="{left - 8}" y="{line + 4:.1f}" text-anchor="end">{figure(y)}</text>')
    for x in sorted({x for x, _ in points}):
        column, _ = at(x, 0)
        anchor = "end" if column > right - 40 else "middle"
        parts.append(f'<text class="unit" x="{column:.1f}" y="{bottom + 18}" text-anchor="{anchor}">{x:,.0f}</text>')
    parts.append(f'<text class="unit" x="{(left + right) / 2}" y="{height - 8}" text-anchor="middle">{escape(across)}</text>')
    for number, (name, curve) in enumerate(series.items()):
        path = "L".join("{:.1f},{:.1f}".format(*at(x, y)) for x, y in sorted(curve))
        parts.append(f'<path class="line s{number % 4}" d="M{path}"/>')
        x, y = at(*max(curve))
        parts.append(f'<text x="{x:.1f}" y="{y - 6:.1f}" text-anchor="end">{escape(name)}</text>')
    return _svg(title, unit, height, parts)


def _svg(title: str, unit: str, height: int, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">'
    )
    titles = f'<text class="title" x="10" y="22">{escape(title)}</text><text class="unit" x="10" y="42">{escape(unit)}</text>'
    return "\n".join([head, STYLE, titles, *parts, "</svg>"]) + "\n"
