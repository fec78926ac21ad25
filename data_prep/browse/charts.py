"""Colours, labels and percentages of the page's small charts, which charts.html.j2 lays out."""

import colorsys
from collections.abc import Sequence

_COLORS = ("#3b6fb6", "#e08e45", "#5fa777", "#9b6fb5", "#c9574f", "#7c8894")


def category_color(category_id: int) -> str:
    """A colour that differs from those of the neighbouring ids."""
    hue = category_id * 0.61803398875 % 1.0  # the golden ratio spreads any number of hues
    lightness = 0.55 + 0.08 * (category_id % 3 - 1)
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.72)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def part_colors(names: Sequence[str]) -> list[str]:
    """A colour for each of a few names, such as those of splits."""
    return [_COLORS[index % len(_COLORS)] for index in range(len(names))]


def share_text(part: float, whole: float) -> str:
    """A percentage with as many digits as tell something."""
    if not whole or not part:
        return "0 %"
    percent = 100 * part / whole
    if percent < 0.1:
        return "< 0.1 %"
    return f"{percent:.1f} %" if percent < 99.95 or part == whole else "99.9 %"


def column_text(count: int, total: int) -> str:
    """The percentage over a histogram's column; nothing over an empty one."""
    if not count:
        return ""
    percent = 100 * count / total
    return f"{percent:.0f}%" if percent >= 1 else "<1%"


def bin_labels(ends: Sequence[float], texts: Sequence[str]) -> list[str]:
    """Names the bins between ends: below the first, between two, above the last."""
    between = [f"{low} to {high}" for low, high in zip(texts, texts[1:], strict=False)]
    assert len(ends) == len(texts)
    return [f"under {texts[0]}", *between, f"over {texts[-1]}"]
