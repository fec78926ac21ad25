"""The evaluation report: one page that needs no other file and no network."""

import dataclasses
import html
from collections.abc import Callable, Iterable
from pathlib import Path

from tfseg.evaluation.evaluation_run import EvaluationRun
from tfseg.reporting import comparison, sections
from tfseg.reporting.comparison import PhotoChange
from tfseg.reporting.pictures import data_uri, photo_row, render, sample_tile, truth_detections
from tfseg.reporting.samples import CategorySamples, Sample, choose_samples, rank_photos
from tfseg.reporting.tables import anchor, category_dot, percent

_FOLDER = Path(__file__).parent
_NUM_PHOTOS, _NUM_CHANGES = 12, 8
_STRIPS = {
    "wrong": "Wrong, though confident",
    "worst": "Missed, or covered worst",
    "best": "Covered best",
}

Photos = Callable[[], Iterable[tuple[int, bytes]]]


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        name: Its id, and its link at the top.
        heading: Plain text.
        body: HTML.
    """

    name: str
    heading: str
    body: str


@dataclasses.dataclass
class _Pictures:
    """The page's pictures, collected so that each photo is decoded once.

    Attributes:
        wanted: What draws on a photo, by image id.
        uris: Data URIs by what they show; "" until they are rendered.
    """

    wanted: dict[int, list] = dataclasses.field(default_factory=dict)
    uris: dict[tuple, str] = dataclasses.field(default_factory=dict)

    def want(self, key: tuple, image_id: int, draw: Callable) -> None:
        if key in self.uris:
            return
        self.uris[key] = ""

        def keep(image_rgb):
            self.uris[key] = data_uri(draw(image_rgb))

        self.wanted.setdefault(image_id, []).append(keep)

    def figure(self, key: tuple, words: str, size: str = "") -> str:
        image = f'<img alt="" decoding="async"{size} src="{self.uris[key]}">'
        return f"<figure>{image}<figcaption>{words}</figcaption></figure>"


def build_page(
    run: EvaluationRun,
    title: str,
    photos: Photos | None = None,
    before: EvaluationRun | None = None,
    extra_sections: Iterable[Section] = (),
) -> str:
    """Builds the page.

    Args:
        run: The detections judged.
        title: Its heading.
        photos: Gives (image id, encoded photo) of the ground truth's images; None: no pictures.
        before: Another run on the same ground truth, to compare with.
        extra_sections: Shown before the definitions.

    Raises:
        ValueError: A photo that is to be shown is missing or damaged.
    """
    pictures = _Pictures()
    samples = choose_samples(run) if photos else {}
    for chosen in samples.values():
        for sample in (*chosen.best, *chosen.worst, *chosen.wrong):
            _want_sample(pictures, run, sample)
    worst = rank_photos(run)[:_NUM_PHOTOS] if photos else []
    for image_id, _ in worst:
        _want_photo(pictures, "photo", image_id, [None, run])
    changes = comparison.photo_changes(before, run) if before else []
    better = [c for c in changes[:_NUM_CHANGES] if c.now > c.before and photos]
    worse = [c for c in changes[::-1][:_NUM_CHANGES] if c.now < c.before and photos]
    for change in (*better, *worse):
        _want_photo(pictures, "change", change.image_id, [None, before, run])
    if pictures.wanted:
        render(photos(), pictures.wanted)

    parts = []
    if before:
        body = sections.comparison_section(before, run, changes)
        body += _changes("Better now", better, pictures) + _changes("Worse now", worse, pictures)
        parts.append(Section("Compared", "Against the run before", body))
    parts += [
        Section("Categories", "Categories", sections.categories(run)),
        Section("Why", "Why it is not higher", sections.why(run)),
        Section("Curves", "Precision and recall", sections.curves(run)),
        Section("Confusion", "What is taken for what", sections.confusion(run)),
        Section("Calibration", "How far to trust a score", sections.calibration(run)),
    ]
    if photos:
        examples, photo_body = _examples(run, samples, pictures), _worst(run, worst, pictures)
        parts.append(Section("Examples", "Examples by category", examples))
        parts.append(Section("Photos", "Photos that went worst", photo_body))
    sentences = sections.definitions(run)
    definitions = Section("Figures", "Every figure in a sentence", sentences)
    return _layout(title, run, before, [*parts, *extra_sections, definitions])


def _sample_key(sample: Sample) -> tuple:
    return "sample", sample.image_id, sample.annotation_id, sample.result_index


def _want_sample(pictures: _Pictures, run: EvaluationRun, sample: Sample) -> None:
    def draw(image_rgb):
        return sample_tile(run, sample, image_rgb)

    pictures.want(_sample_key(sample), sample.image_id, draw)


def _want_photo(
    pictures: _Pictures, kind: str, image_id: int, runs: list[EvaluationRun | None]
) -> None:
    """Wants a photo drawn with each run's shown detections; None draws the truth."""

    def draw(image_rgb):
        versions = [
            run.shown_detections(image_id) if run else truth_detections(runs[-1], image_id)
            for run in runs
        ]
        return photo_row(image_rgb, versions, [run is not None for run in runs])

    pictures.want((kind, image_id), image_id, draw)


def _changes(heading: str, changes: list[PhotoChange], pictures: _Pictures) -> str:
    figures = "".join(
        pictures.figure(
            ("change", change.image_id),
            f"<b>image {change.image_id}</b> · FGVC6 score {percent(change.before)} → "
            f"{percent(change.now)} · truth, before, now",
        )
        for change in changes
    )
    if not figures:
        return ""
    return (
        f'<div class="card large"><h3>{heading}</h3><div class="strip tall">{figures}</div></div>'
    )


def _examples(run: EvaluationRun, samples: dict[int, CategorySamples], pictures: _Pictures) -> str:
    blocks = []
    for position, (category_id, chosen) in enumerate(samples.items()):
        name = run.ground_truth.cats[category_id]["name"]
        strips = "".join(
            _strip(heading, getattr(chosen, strip), pictures) for strip, heading in _STRIPS.items()
        )
        is_open = " open" if position < 3 else ""
        blocks.append(
            f'<details class="card large" id="{anchor(name)}"{is_open}><summary><h3>'
            f"{category_dot(category_id)}{html.escape(name)}</h3></summary>{strips}</details>"
        )
    lead = '<p class="lead">Left the truth, right what was found. Click a category to open it.</p>'
    return lead + "".join(blocks)


def _strip(heading: str, samples: tuple[Sample, ...], pictures: _Pictures) -> str:
    if not samples:
        return ""
    figures = "".join(
        pictures.figure(
            _sample_key(sample),
            f"<b>{html.escape(sample.words)}</b><br>image {sample.image_id}",
            ' height="200" width="304"',
        )
        for sample in samples
    )
    return f'<h3>{heading}</h3><div class="strip">{figures}</div>'


def _worst(run: EvaluationRun, ranked: list[tuple[int, float]], pictures: _Pictures) -> str:
    figures = "".join(
        pictures.figure(
            ("photo", image_id), f"<b>image {image_id}</b> · FGVC6 score {percent(score)}"
        )
        for image_id, score in ranked
    )
    return (
        f'<p class="lead">The {len(ranked)} of {len(run.images)} photos with the lowest score. '
        "Left the truth, right what is shown.</p>"
        f'<div class="card large"><div class="photos">{figures}</div></div>'
    )


def _layout(
    title: str, run: EvaluationRun, before: EvaluationRun | None, parts: list[Section]
) -> str:
    links = "".join(f'<a href="#{s.name}">{s.name}</a>' for s in parts)
    bodies = "".join(
        f'<section id="{s.name}"><h2>{html.escape(s.heading)}</h2>{s.body}</section>' for s in parts
    )
    num_instances = sum(not a["iscrowd"] for a in run.ground_truth.anns.values())
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{style}</style></head><body>"
        f"<header><div><h1>{html.escape(title)}</h1>"
        f'<p class="lead"><code>{html.escape(run.name)}</code><br>{len(run.images):,} photos, '
        f"{num_instances:,} instances, {len(run.coco_results):,} detections · "
        f"<code>{html.escape(run.truth_name)}</code></p>"
        f"{sections.figure_cards(run, before)}</div></header>"
        f"<nav><div>{links}</div></nav><main>{bodies}</main>"
        "<footer><main>Written by <code>tfseg.report</code>.</main></footer>"
        f"<script>{script}</script></body></html>\n"
    )
