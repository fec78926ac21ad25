"""The evaluation report: one page that needs no other file and no network."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from markupsafe import Markup

from tfseg.evaluation.evaluation_run import EvaluationRun
from tfseg.reporting import comparison, sections
from tfseg.reporting.pictures import (
    Picture,
    draw_wanted,
    encode_picture,
    photo_row,
    sample_tile,
    truth_detections,
)
from tfseg.reporting.samples import (
    CategorySamples,
    Sample,
    choose_attribute_samples,
    choose_samples,
    rank_photos,
)
from tfseg.reporting.templates import render

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
        body: HTML; a plain str would be shown as text.
    """

    name: str
    heading: str
    body: Markup


@dataclasses.dataclass
class _Pictures:
    """The page's pictures, collected so that each photo is decoded once.

    Attributes:
        wanted: What draws on a photo, by image id.
        asked: What the wanted pictures show.
        drawn: Pictures by what they show, once they are drawn.
    """

    wanted: dict[int, list] = dataclasses.field(default_factory=dict)
    asked: set[tuple] = dataclasses.field(default_factory=set)
    drawn: dict[tuple, Picture] = dataclasses.field(default_factory=dict)

    def want(self, key: tuple, image_id: int, draw: Callable) -> None:
        """Has a picture drawn of a photo: key names it, draw gets the photo's pixels."""
        if key in self.asked:
            return
        self.asked.add(key)

        def keep(image_rgb):
            self.drawn[key] = encode_picture(draw(image_rgb))

        self.wanted.setdefault(image_id, []).append(keep)


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
    attributed = choose_attribute_samples(run) if photos else ()
    worst = rank_photos(run)[:_NUM_PHOTOS] if photos else []
    changes = comparison.photo_changes(before, run) if before else []
    better = [c for c in changes[:_NUM_CHANGES] if c.now > c.before and photos]
    worse = [c for c in changes[::-1][:_NUM_CHANGES] if c.now < c.before and photos]
    for chosen in samples.values():
        for sample in (*chosen.best, *chosen.worst, *chosen.wrong):
            _want_sample(pictures, run, sample)
    for sample in attributed:
        _want_sample(pictures, run, sample)
    for image_id, _ in worst:
        _want_photo(pictures, "photo", image_id, [run])
    if before:
        for change in (*better, *worse):
            _want_photo(pictures, "change", change.image_id, [before, run])
    if photos and pictures.wanted:
        draw_wanted(photos(), pictures.wanted)

    parts = []
    if before:
        shown = [
            [(c, pictures.drawn["change", c.image_id]) for c in some] for some in (better, worse)
        ]
        body = sections.compared(before, run, changes, *shown)
        parts.append(Section("Compared", "Against the run before", body))
    parts += _figure_sections(run)
    if run.has_attributes:
        garments = [(sample, pictures.drawn[_sample_key(sample)]) for sample in attributed]
        body = sections.attributes(run, garments)
        parts.append(Section("Attributes", "Attributes", body))
    if photos:
        examples, photo_body = _examples(run, samples, pictures), _worst(run, worst, pictures)
        parts.append(Section("Examples", "Examples by category", examples))
        parts.append(Section("Photos", "Photos that went worst", photo_body))
    definitions = Section("Figures", "Every figure in a sentence", sections.definitions(run))
    return _layout(title, run, before, [*parts, *extra_sections, definitions])


def _figure_sections(run: EvaluationRun) -> list[Section]:
    return [
        Section("Categories", "Categories", sections.categories(run)),
        Section("Why", "Why it is not higher", sections.why(run)),
        Section("Curves", "Precision and recall", sections.curves(run)),
        Section("Confusion", "What is taken for what", sections.confusion(run)),
        Section("Calibration", "How far to trust a score", sections.calibration(run)),
    ]


def _sample_key(sample: Sample) -> tuple:
    return "sample", sample.image_id, sample.annotation_id, sample.result_index


def _want_sample(pictures: _Pictures, run: EvaluationRun, sample: Sample) -> None:
    def draw(image_rgb):
        return sample_tile(run, sample, image_rgb)

    pictures.want(_sample_key(sample), sample.image_id, draw)


def _want_photo(
    pictures: _Pictures, kind: str, image_id: int, runs: Sequence[EvaluationRun]
) -> None:
    """Wants a photo drawn with the truth, and beside it with each run's shown detections."""

    def draw(image_rgb):
        found = [run.shown_detections(image_id) for run in runs]
        versions = [truth_detections(runs[-1], image_id), *found]
        return photo_row(image_rgb, versions, [False] + [True] * len(found))

    pictures.want((kind, image_id), image_id, draw)


def _examples(
    run: EvaluationRun, samples: dict[int, CategorySamples], pictures: _Pictures
) -> Markup:
    categories = []
    for category_id, chosen in samples.items():
        strips = [
            (heading, [(s, pictures.drawn[_sample_key(s)]) for s in getattr(chosen, strip)])
            for strip, heading in _STRIPS.items()
        ]
        categories.append((category_id, run.ground_truth.cats[category_id]["name"], strips))
    return render("examples", categories=categories)


def _worst(run: EvaluationRun, ranked: list[tuple[int, float]], pictures: _Pictures) -> Markup:
    photos = [(i, score, pictures.drawn["photo", i]) for i, score in ranked]
    return render("photos", photos=photos, num_photos=len(run.images))


def _layout(
    title: str, run: EvaluationRun, before: EvaluationRun | None, parts: list[Section]
) -> str:
    page = render(
        "page",
        title=title,
        run=run,
        num_instances=sum(not a["iscrowd"] for a in run.ground_truth.anns.values()),
        figure_cards=sections.figure_cards(run, before),
        sections=parts,
        style=(_FOLDER / "page.css").read_text(encoding="utf-8"),
        script=(_FOLDER / "page.js").read_text(encoding="utf-8"),
    )
    # A name may hold half a surrogate pair, which UTF-8 cannot: it shows as \\udcff.
    return page.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"
