"""The page's sections of figures: splits, sources, categories, sizes, attributes."""

from html import escape

import numpy as np

from data_prep.browse import charts
from data_prep.browse.pictures import category_color
from data_prep.browse.survey import SHARE_ENDS, SplitCounts, Survey
from data_prep.prepared import PreparedDataset

_SHARE_TEXTS = ("0.03", "0.1", "0.3", "1", "3", "10", "30")
_ASPECT_LABELS = (
    *("under 1:6", "1:6 to 1:3", "1:3 to 1:1.4", "about square"),
    *("1.4:1 to 3:1", "3:1 to 6:1", "over 6:1"),
)
_AREA_LABELS = ("small, under 32 x 32", "medium", "large, over 96 x 96")
_MAX_INSTANCES_SHOWN = 12
_NUM_SIZES_SHOWN = 7
_NUM_ATTRIBUTES_SHOWN = 60


def counts_html(survey: Survey, report: dict) -> str:
    """Photos and instances by split and, where there are several, by source."""
    names = list(survey.splits)
    colors = dict(zip(names, charts.part_colors(names), strict=True))
    total = sum(split.num_images for split in survey.splits.values())
    rows = []
    for name, split in survey.splits.items():
        bar = charts.stacked_bar([(name, split.num_images)], total or 1, [colors[name]])
        rows.append(
            f"<tr><td>{charts.dot(colors[name])}{escape(name)}</td>{_numbers(split, total)}"
            f'<td class="wide">{bar}</td></tr>'
        )
    parts = [
        '<h2 id="splits">Splits</h2>',
        charts.table(("split", "photos", "", "instances", "a photo", ""), rows),
    ]
    by_source = {name: report["splits"][name].get("by_source", {}) for name in names}
    sources = list(dict.fromkeys(source for found in by_source.values() for source in found))
    if len(sources) > 1:
        parts += ['<h2 id="sources">Sources</h2>', _sources_table(sources, by_source, colors)]
    return "".join(parts)


def _numbers(split: SplitCounts, total: int) -> str:
    average = split.num_instances / max(split.num_images, 1)
    share = charts.share_text(split.num_images, total)
    return (
        f"<td>{split.num_images:,}</td><td><small>{share}</small></td>"
        f"<td>{split.num_instances:,}</td><td>{average:.1f}</td>"
    )


def _sources_table(sources: list[str], by_source: dict, colors: dict[str, str]) -> str:
    photos = {
        source: [
            (n, found.get(source, {}).get("num_examples", 0)) for n, found in by_source.items()
        ]
        for source in sources
    }
    longest = max(sum(count for _, count in parts) for parts in photos.values()) or 1
    rows = []
    for source in sources:
        found = [split[source] for split in by_source.values() if source in split]
        num_photos = sum(count for _, count in photos[source])
        bar = charts.stacked_bar(photos[source], longest, list(colors.values()))
        rows.append(
            f"<tr><td>{escape(source)}</td><td>{num_photos:,}</td>"
            f"<td>{sum(part['num_instances'] for part in found):,}</td>"
            f'<td class="wide">{bar}</td></tr>'
        )
    return charts.table(("source", "photos", "instances", ""), rows)


def categories_html(prepared: PreparedDataset, survey: Survey, shown: list[int]) -> str:
    """A row for each category: how many, where, how large, of which shape."""
    names = list(survey.splits)
    colors = charts.part_colors(names)
    counts = np.stack([split.instances for split in survey.splits.values()])
    longest, total = int(counts.sum(0).max(initial=1)) or 1, int(counts.sum())
    share_labels = charts.bin_labels(SHARE_ENDS, _SHARE_TEXTS)
    rows = []
    for category_id in shown:
        row = category_id - 1
        number = int(counts[:, row].sum())
        images = sum(int(split.images[row]) for split in survey.splits.values())
        bar = charts.stacked_bar(
            list(zip(names, counts[:, row].tolist(), strict=True)), longest, colors
        )
        shares, aspects, areas = (
            binned.table[row].tolist() for binned in (survey.shares, survey.aspects, survey.areas)
        )
        rows.append(
            f'<tr><td><a href="#c{category_id}">{charts.dot(category_color(category_id))}'
            f"{escape(prepared.category_names[row])}</a></td><td>{number:,}</td>"
            f"<td><small>{charts.share_text(number, total)}</small></td><td>{images:,}</td>"
            f'<td class="wide">{bar}</td>'
            f'<td class="strips">{charts.shade_strip(shares, share_labels)}</td>'
            f'<td class="strips">{charts.shade_strip(aspects, _ASPECT_LABELS)}</td>'
            f'<td class="strips">{charts.shade_strip(areas, _AREA_LABELS)}</td></tr>'
        )
    heads = ("category", "instances", "", "photos", charts.legend(names, colors))
    heads += ("small to large part of the photo", "tall to wide box", "COCO's small, medium, large")
    more = len(prepared.category_names) - len(shown)
    note = f"<p class=soft>and {more:,} more categories, rarer or absent.</p>" if more else ""
    return f'<h2 id="categories">Categories</h2>{charts.table(heads, rows)}{note}'


def sizes_html(survey: Survey, report: dict) -> str:
    """Histograms over all categories, the photos' sizes, the attributes."""
    shares = survey.shares.table.sum(0).tolist()
    aspects = survey.aspects.table.sum(0).tolist()
    numbers = [survey.instances_per_image[n] for n in range(_MAX_INSTANCES_SHOWN)]
    rest = sum(survey.instances_per_image.values()) - sum(numbers)
    number_labels = [*map(str, range(_MAX_INSTANCES_SHOWN)), f"{_MAX_INSTANCES_SHOWN} or more"]
    sizes = sorted(survey.sizes.items(), key=lambda item: (-item[1], item[0]))
    common = sizes[:_NUM_SIZES_SHOWN]
    size_labels = [f"{width} x {height}" for (width, height), _ in common]
    size_counts = [count for _, count in common]
    if len(sizes) > len(common):
        size_labels.append(f"{len(sizes) - len(common):,} others")
        size_counts.append(sum(count for _, count in sizes[_NUM_SIZES_SHOWN:]))
    figures = (
        charts.histogram(
            shares,
            charts.bin_labels(SHARE_ENDS, _SHARE_TEXTS),
            "Size of instances",
            "% of the photo that the mask covers",
        ),
        charts.histogram(aspects, _ASPECT_LABELS, "Shape of instances", "width to height of boxes"),
        charts.histogram([*numbers, rest], number_labels, "Instances in a photo", "photos"),
        charts.histogram(size_counts, size_labels, "Size of photos", "pixels, width x height"),
    )
    return (
        f'<h2 id="sizes">Sizes</h2><div class="histograms">{"".join(figures)}</div>'
        f"{_attributes_html(survey, report)}"
    )


def _attributes_html(survey: Survey, report: dict) -> str:
    if not survey.attributes:
        return ""
    names = report.get("attribute_names", {})
    common = sorted(survey.attributes.items(), key=lambda item: (-item[1], item[0]))
    chips = "".join(
        f"<span>{escape(str(names.get(attribute, attribute)))} <b>{count:,}</b></span>"
        for attribute, count in common[:_NUM_ATTRIBUTES_SHOWN]
    )
    return (
        f'<h2 id="attributes">Attributes</h2><p>{len(common):,} attributes occur; the commonest, '
        f'with the number of instances that have them:</p><div class="chips">{chips}</div>'
    )
