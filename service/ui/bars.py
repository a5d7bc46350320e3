"""Bars with axes by pygal, as files: an image sees neither the page's tokens nor its width, so theme and width are asked for."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import pygal
from pygal.style import Style

# pygal puts itself among the process's importers, for charts of its plugins, in a way that Python warns of. We use none.
sys.meta_path[:] = [one for one in sys.meta_path if type(one).__module__ != "pygal"]

WIDTHS = {"wide": (680, 200), "narrow": (328, 190)}
"""Width and height of the files, by name."""
COLOURS = {
    "light": {"ink": "#14222b", "mass": "#2a3b45", "quiet": "#4e5d66", "rule": "#d6dfe1", "edge": "#78858c"},
    "dark": {"ink": "#e4ebee", "mass": "#c6d1d6", "quiet": "#9dadb5", "rule": "#2a363d", "edge": "#65757d"},
}
"""The tokens of style.css that a chart needs, by theme."""
MOST_LABELS = {"wide": 10, "narrow": 5}


@dataclass(frozen=True, slots=True)
class BarSeries:
    """A named row of bars."""

    name: str
    values: tuple[float, ...]


def labels_of(texts: Sequence[str], width: str) -> list[str]:
    """Return the labels of which so many are left that they do not run into one another."""
    step = -(-len(texts) // MOST_LABELS[width]) or 1
    return [text if at % step == 0 else "" for at, text in enumerate(texts)]


@lru_cache(maxsize=64)
def bars(labels: tuple[str, ...], series: tuple[BarSeries, ...], theme: str, width: str) -> str:
    """Return a chart as SVG: bars of one series, or stacked ones with a legend. Raises KeyError of an unknown theme or width."""
    wide, high = WIDTHS[width]
    kind = pygal.StackedBar if len(series) > 1 else pygal.Bar
    chart = kind(
        style=_style(theme),
        js=(),
        no_prefix=True,
        width=wide,
        height=high,
        margin=2,
        spacing=6,
        show_legend=len(series) > 1,
        legend_at_bottom=True,
        legend_box_size=10,
        print_values=False,
        show_x_guides=False,
        show_y_guides=True,
        truncate_label=-1,
        value_formatter=lambda value: f"{value:g}",
        y_labels_major_count=3,
        no_data_text="Nothing yet",
    )
    chart.x_labels = labels_of(labels, width)
    for one in series:
        chart.add(one.name, list(one.values))
    return _plain(chart.render(disable_xml_declaration=True))


def _style(theme: str) -> Style:
    colours = COLOURS[theme]
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground=colours["quiet"],
        foreground_strong=colours["ink"],
        foreground_subtle=colours["rule"],
        guide_stroke_color=colours["rule"],
        guide_stroke_dasharray="0",
        major_guide_stroke_color=colours["rule"],
        major_guide_stroke_dasharray="0",
        colors=(colours["mass"], colours["edge"], colours["quiet"]),
        opacity="1",
        opacity_hover="1",
        transition="0s",
        stroke_opacity="1",
        font_family="system-ui, Cantarell, sans-serif",
        label_font_size=13,
        major_label_font_size=13,
        legend_font_size=13,
        no_data_font_size=15,
    )


def _plain(svg: str) -> str:
    """Return the file without scripts and comments: it is shown as an image, in which none would run."""
    svg = re.sub(r"<script.*?</script>|<!--.*?-->", "", svg, flags=re.DOTALL)
    return re.sub(r"\s{2,}", " ", svg)
