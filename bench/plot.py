"""The plot of latency against load, as SVG: logarithmic both ways, a line per server."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from bench.curve import Point

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 440, 70, 120, 40, 50
_COLOURS = {
    "weir": "#0b7a3b",
    "mlflow": "#0072b2",
    "tensorzero": "#d55e00",
    "litellm": "#cc79a7",
    "portkey": "#b8860b",
    "nginx": "#777777",
    "direct": "#bbbbbb",
}
_SLOWEST = 2.0
"""Seconds: the top of the plot."""


def svg(points: Sequence[Point]) -> str:
    """All but one in a hundred callers waited at most so long (the lines); half of them (dashed)."""
    across = _Scale([point.rate for point in points], _LEFT, _WIDTH - _RIGHT)
    up = _Scale([point.half for point in points] + [_SLOWEST], _HEIGHT - _BOTTOM, _TOP)
    parts = [*_axes(across, up), *_lines(points, across, up)]
    style = "text{font:12px sans-serif;fill:#333}line{stroke:#ddd}polyline{fill:none;stroke-width:2}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">\n'
        f"<title>Latency against load, whole chat answers, open loop</title>\n<style>{style}</style>\n"
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


class _Scale:
    """Values to pixels, by their logarithms."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self.low, self.high = min(values), max(values)
        self._start, self._by = start, (end - start) / math.log(self.high / self.low)

    def __call__(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        return round(self._start + self._by * math.log(value / self.low), 1)

    def marks(self) -> list[float]:
        """1, 2, 5, 10, 20, ... as far as the scale goes."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        return [mark for ten in decades for one in (1, 2, 5) if self.low <= (mark := one * 10.0**ten) <= self.high]


def _axes(across: _Scale, up: _Scale) -> list[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = [_text(_LEFT, 22, "Latency of whole chat answers: p99, and the median dashed")]
    for mark in across.marks():
        parts.append(f'<line x1="{across(mark)}" x2="{across(mark)}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(_text(across(mark), bottom + 18, f"{mark:,.0f}", "middle"))
    for mark in up.marks():
        parts.append(f'<line x1="{_LEFT}" x2="{right}" y1="{up(mark)}" y2="{up(mark)}"/>')
        parts.append(_text(_LEFT - 6, up(mark) + 4, f"{mark * 1000:g} ms", "end"))
    parts.append(_text((_LEFT + right) / 2, _HEIGHT - 10, "requests a second that arrive, independently", "middle"))
    return parts


def _lines(points: Sequence[Point], across: _Scale, up: _Scale) -> list[str]:
    parts, names = [], list(dict.fromkeys(point.subject for point in points))
    for number, name in enumerate(names):
        own, colour = [point for point in points if point.subject == name], _COLOURS.get(name, "black")
        for dash, height in (("", "p99"), ('stroke-dasharray="3 4" stroke-opacity=".6"', "half")):
            path = " ".join(f"{across(point.rate)},{up(getattr(point, height))}" for point in own)
            parts.append(f'<polyline points="{path}" stroke="{colour}" {dash}/>')
        y, x = _TOP + 14 + 20 * number, _WIDTH - _RIGHT + 12
        parts.append(f'<rect x="{x}" y="{y - 9}" width="14" height="10" fill="{colour}"/>')
        parts.append(_text(x + 20, y, name))
    return parts


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'
