"""The page about a prepared data set: its head, samples and foot, and the document around all."""

from html import escape
from pathlib import Path

from data_prep.browse import charts
from data_prep.browse.pictures import FigureDrawer, caption, category_color
from data_prep.browse.survey import Survey
from data_prep.prepared import PreparedDataset

_FOLDER = Path(__file__).parent


def head_html(prepared: PreparedDataset, survey: Survey) -> str:
    """The title and the largest figures."""
    num_images = sum(split.num_images for split in survey.splits.values())
    num_instances = sum(split.num_instances for split in survey.splits.values())
    used = sum(1 for row in survey.areas.table if row.any())
    facts = [
        (f"{num_images:,}", "photos"),
        (f"{num_instances:,}", "instances"),
        (f"{used:,}", f"of {len(prepared.category_names):,} categories"),
        (f"{num_instances / max(num_images, 1):.1f}", "instances a photo"),
        (f"{max(survey.instances_per_image, default=0):,}", "at most in one photo"),
    ]
    cells = "".join(f"<div><b>{value}</b><span>{text}</span></div>" for value, text in facts)
    return (
        f'<header><h1>{escape(prepared.name)}</h1><p class="soft">A prepared data set, version '
        f'{escape(prepared.path.name)}</p><div class="facts">{cells}</div></header>'
    )


def samples_html(survey: Survey, drawer: FigureDrawer, shown: list[int]) -> str:
    """A grid for each category of photos that hash by chance, with everything drawn on them."""
    parts = [
        '<h2 id="samples">Samples</h2><p>Photos taken by chance, the same ones each time. The '
        "category of the row is drawn strongly, what else is in the photo faintly. Point at an "
        "instance for its size, click a photo to see it large.</p>"
    ]
    for category_id in shown:
        name = drawer.category_names[category_id - 1]
        counts = ", ".join(
            f"{split.instances[category_id - 1]:,} {escape(split_name)}"
            for split_name, split in survey.splits.items()
            if split.instances[category_id - 1]
        )
        if not counts:
            continue
        figures = [
            drawer.draw(sample.facts, caption(sample, len(survey.sources) > 1), category_id)
            for sample in survey.samples[category_id]
        ]
        parts.append(
            f'<section class="category" id="c{category_id}"><h3>'
            f"<span>{charts.dot(category_color(category_id))}{escape(name)}</span>"
            f'<small>{counts}</small></h3><div class="grid">{"".join(figures)}</div></section>'
        )
    if survey.samples[0]:
        figures = [
            drawer.draw(sample.facts, caption(sample, len(survey.sources) > 1))
            for sample in survey.samples[0]
        ]
        parts.append(
            '<section class="category" id="c0"><h3>without instances</h3>'
            f'<div class="grid">{"".join(figures)}</div></section>'
        )
    return "".join(parts)


def foot_html(report: dict) -> str:
    """What the data set was made from, and how."""
    options = report.get("options", {})
    chosen = ", ".join(f"{key} {value}" for key, value in options.items() if value is not None)
    files = ", ".join(
        f"{f['name']} ({f['num_bytes']:,} bytes)" for f in report.get("raw_files", [])
    )
    return (
        f"<footer><p>Made with {escape(chosen or 'no options')}, from {escape(files)}.</p>"
        f"<p>Fingerprint <code>{escape(report['fingerprint'])}</code></p></footer>"
    )


def whole_page(title: str, sections: list[str]) -> str:
    """The document around the sections; it refers to nothing outside of itself."""
    anchors = "".join(
        f'<a href="#{name}">{name.capitalize()}</a>'
        for name in ("splits", "categories", "sizes", "samples", "repairs")
    )
    toggles = "".join(
        f'<label><input type="checkbox" name="{name}" checked><span>{name}</span></label>'
        for name in ("masks", "boxes", "names")
    )
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    head, *rest = sections
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>{head}"
        f'<nav><div>{anchors}<span class="toggles">{toggles}</span></div></nav>'
        f"<main>{''.join(rest)}</main><dialog></dialog><script>{script}</script></body></html>\n"
    )
