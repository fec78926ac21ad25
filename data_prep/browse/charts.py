"""Small charts as HTML: tables, bars, strips of shades, histograms."""

from collections.abc import Sequence
from html import escape

_COLORS = ("#3b6fb6", "#e08e45", "#5fa777", "#9b6fb5", "#c9574f", "#7c8894")


def part_colors(names: Sequence[str]) -> list[str]:
    """A colour for each of a few names, such as those of splits."""
    return [_COLORS[index % len(_COLORS)] for index in range(len(names))]


def share_text(part: float, whole: float) -> str:
    """A percentage with as many digits as tell something."""
    if not whole or not part:
        return "0 %"
    percent = 100 * part / whole
    if percent < 0.1:
        return "&lt; 0.1 %"
    return f"{percent:.1f} %" if percent < 99.95 or part == whole else "99.9 %"


def stacked_bar(parts: Sequence[tuple[str, int]], longest: int, colors: Sequence[str]) -> str:
    """A bar of named parts; `longest` fills the whole width."""
    segments = "".join(
        f'<i style="width:{100 * count / longest:.3f}%;background:{color}" '
        f'title="{escape(name)}: {count:,}"></i>'
        for (name, count), color in zip(parts, colors, strict=True)
        if count
    )
    return f'<span class="bar">{segments}</span>'


def legend(names: Sequence[str], colors: Sequence[str]) -> str:
    """Dots with names."""
    dots = (
        f"<span>{dot(color)}{escape(name)}</span>"
        for name, color in zip(names, colors, strict=True)
    )
    return f'<p class="legend">{"".join(dots)}</p>'


def shade_strip(counts: Sequence[int], labels: Sequence[str]) -> str:
    """One cell a bin, the darker the larger its part."""
    total = sum(counts) or 1
    cells = "".join(
        f'<i style="opacity:{0.06 + 0.94 * (count / total) ** 0.6 if count else 0:.2f}" '
        f'title="{escape(label)}: {count:,} ({share_text(count, total)})"></i>'
        for count, label in zip(counts, labels, strict=True)
    )
    return f'<span class="strip">{cells}</span>'


def histogram(counts: Sequence[int], labels: Sequence[str], title: str, note: str) -> str:
    """Columns with their labels and percentages, as a figure."""
    total, highest = sum(counts) or 1, max(counts, default=0) or 1
    columns = "".join(
        f'<div title="{escape(label)}: {count:,}"><span>{_column_text(count, total)}</span>'
        f'<i style="height:{100 * count / highest:.1f}%"></i><b>{escape(label)}</b></div>'
        for count, label in zip(counts, labels, strict=True)
    )
    return (
        f'<figure class="histogram"><figcaption><b>{escape(title)}</b> {escape(note)}'
        f'</figcaption><div class="columns">{columns}</div></figure>'
    )


def _column_text(count: int, total: int) -> str:
    if not count:
        return ""
    percent = 100 * count / total
    return f"{percent:.0f}%" if percent >= 1 else "&lt;1%"


def bin_labels(ends: Sequence[float], texts: Sequence[str]) -> list[str]:
    """Names the bins between ends: below the first, between two, above the last."""
    between = [f"{low} to {high}" for low, high in zip(texts, texts[1:], strict=False)]
    assert len(ends) == len(texts)
    return [f"under {texts[0]}", *between, f"over {texts[-1]}"]


def dot(color: str) -> str:
    """A round mark before a name."""
    return f'<b class="dot" style="background:{color}"></b>'


def table(heads: Sequence[str], rows: Sequence[str]) -> str:
    """Rows below heads, all HTML; scrolls where the window is narrow."""
    cells = "".join(f"<th>{head}</th>" for head in heads)
    body = "".join(rows)
    return (
        f'<div class="table"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>'
        "</div>"
    )
