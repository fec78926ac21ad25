"""The page's sections of figures: splits, sources, categories, sizes, attributes."""

import numpy as np
from markupsafe import Markup

from data_prep.browse import charts
from data_prep.browse.survey import SHARE_ENDS, Survey
from data_prep.browse.templates import render
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


def counts_html(survey: Survey, report: dict) -> Markup:
    """Photos and instances by split and, where there are several, by source."""
    names = list(survey.splits)
    colors = dict(zip(names, charts.part_colors(names), strict=True))
    by_source = {name: report["splits"][name].get("by_source", {}) for name in names}
    sources = [_source(name, by_source, colors) for name in _source_names(by_source)]
    return render(
        "splits",
        splits=survey.splits,
        colors=colors,
        total=sum(split.num_images for split in survey.splits.values()),
        sources=sources,
        longest=max((source["num_photos"] for source in sources), default=0) or 1,
    )


def _source_names(by_source: dict) -> list[str]:
    return list(dict.fromkeys(source for found in by_source.values() for source in found))


def _source(name: str, by_source: dict, colors: dict[str, str]) -> dict:
    """A source's row: its photos by split, as parts of a bar."""
    found = {split: sources[name] for split, sources in by_source.items() if name in sources}
    return {
        "name": name,
        "num_photos": sum(part["num_examples"] for part in found.values()),
        "num_instances": sum(part["num_instances"] for part in found.values()),
        "parts": [(split, part["num_examples"], colors[split]) for split, part in found.items()],
    }


def categories_html(prepared: PreparedDataset, survey: Survey, shown: list[int]) -> Markup:
    """A row for each category: how many, where, how large, of which shape."""
    names = list(survey.splits)
    colors = charts.part_colors(names)
    counts = np.stack([split.instances for split in survey.splits.values()])
    binned = (
        (survey.shares, charts.bin_labels(SHARE_ENDS, _SHARE_TEXTS)),
        (survey.aspects, _ASPECT_LABELS),
        (survey.areas, _AREA_LABELS),
    )
    rows = [
        {
            "category_id": category_id,
            "name": prepared.category_names[category_id - 1],
            "num_instances": int(counts[:, category_id - 1].sum()),
            "num_images": sum(int(s.images[category_id - 1]) for s in survey.splits.values()),
            "parts": list(zip(names, counts[:, category_id - 1].tolist(), colors, strict=True)),
            "strips": [(bins.table[category_id - 1].tolist(), labels) for bins, labels in binned],
        }
        for category_id in shown
    ]
    return render(
        "categories",
        splits=list(zip(names, colors, strict=True)),
        rows=rows,
        longest=int(counts.sum(0).max(initial=1)) or 1,
        total=int(counts.sum()),
        num_more=len(prepared.category_names) - len(shown),
    )


def sizes_html(survey: Survey, report: dict) -> Markup:
    """Histograms over all categories, the photos' sizes, the attributes."""
    numbers = [survey.instances_per_image[n] for n in range(_MAX_INSTANCES_SHOWN)]
    numbers.append(sum(survey.instances_per_image.values()) - sum(numbers))
    number_labels = [*map(str, range(_MAX_INSTANCES_SHOWN)), f"{_MAX_INSTANCES_SHOWN} or more"]
    share_labels = charts.bin_labels(SHARE_ENDS, _SHARE_TEXTS)
    shares, aspects = survey.shares.table.sum(0).tolist(), survey.aspects.table.sum(0).tolist()
    histograms = (
        (shares, share_labels, "Size of instances", "% of the photo that the mask covers"),
        (aspects, _ASPECT_LABELS, "Shape of instances", "width to height of boxes"),
        (numbers, number_labels, "Instances in a photo", "photos"),
        (*_photo_sizes(survey), "Size of photos", "pixels, width x height"),
    )
    attribute_names = report.get("attribute_names", {})
    common = sorted(survey.attributes.items(), key=lambda item: (-item[1], item[0]))
    attributes = [
        (str(attribute_names.get(attribute, attribute)), count)
        for attribute, count in common[:_NUM_ATTRIBUTES_SHOWN]
    ]
    return render("sizes", histograms=histograms, num_attributes=len(common), attributes=attributes)


def _photo_sizes(survey: Survey) -> tuple[list[int], list[str]]:
    """Photos by size: counts and labels of the commonest, the others together."""
    sizes = sorted(survey.sizes.items(), key=lambda item: (-item[1], item[0]))
    common, others = sizes[:_NUM_SIZES_SHOWN], sizes[_NUM_SIZES_SHOWN:]
    labels = [f"{width} x {height}" for (width, height), _ in common]
    counts = [count for _, count in common]
    if others:
        labels.append(f"{len(others):,} others")
        counts.append(sum(count for _, count in others))
    return counts, labels
