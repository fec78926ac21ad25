"""The page about a prepared data set: its samples, and the document around all sections."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from data_prep.browse.pictures import FigureDrawer, caption
from data_prep.browse.survey import Survey
from data_prep.browse.templates import render
from data_prep.prepared import PreparedDataset

_FOLDER = Path(__file__).parent


def _facts(prepared: PreparedDataset, survey: Survey) -> list[tuple[str, str]]:
    """The largest figures."""
    num_images = sum(split.num_images for split in survey.splits.values())
    num_instances = sum(split.num_instances for split in survey.splits.values())
    used = sum(1 for row in survey.areas.table if row.any())
    return [
        (f"{num_images:,}", "photos"),
        (f"{num_instances:,}", "instances"),
        (f"{used:,}", f"of {len(prepared.category_names):,} categories"),
        (f"{num_instances / max(num_images, 1):.1f}", "instances a photo"),
        (f"{max(survey.instances_per_image, default=0):,}", "at most in one photo"),
    ]


def samples_html(survey: Survey, drawer: FigureDrawer, shown: list[int]) -> Markup:
    """A grid for each category of photos that hash by chance, with everything drawn on them."""
    has_sources = len(survey.sources) > 1
    categories = []
    for category_id in shown:
        counts = ", ".join(
            f"{split.instances[category_id - 1]:,} {split_name}"
            for split_name, split in survey.splits.items()
            if split.instances[category_id - 1]
        )
        if not counts:
            continue
        figures = [
            drawer.draw(sample.facts, caption(sample, has_sources), category_id)
            for sample in survey.samples[category_id]
        ]
        name = drawer.category_names[category_id - 1]
        categories.append((category_id, name, counts, figures))
    if survey.samples[0]:
        figures = [
            drawer.draw(sample.facts, caption(sample, has_sources)) for sample in survey.samples[0]
        ]
        categories.append((0, "without instances", "", figures))
    return render("samples", categories=categories)


def whole_page(
    prepared: PreparedDataset, survey: Survey, report: dict, sections: Sequence[Markup]
) -> str:
    """The document around the sections; it refers to nothing outside of itself."""
    options = report.get("options", {})
    raw_files = report.get("raw_files", [])
    page = render(
        "page",
        name=prepared.name,
        version=prepared.path.name,
        facts=_facts(prepared, survey),
        sections=sections,
        options=", ".join(f"{key} {value}" for key, value in options.items() if value is not None),
        raw_files=", ".join(f"{f['name']} ({f['num_bytes']:,} bytes)" for f in raw_files),
        fingerprint=report["fingerprint"],
        style=(_FOLDER / "page.css").read_text(encoding="utf-8"),
        script=(_FOLDER / "page.js").read_text(encoding="utf-8"),
    )
    # A name may hold half a surrogate pair, which UTF-8 cannot: it shows as \\udcff.
    return page.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"
