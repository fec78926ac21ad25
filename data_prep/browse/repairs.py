"""The page's section on what was put right and left out, with photos of the examples."""

import json
from pathlib import Path

from markupsafe import Markup

from data_prep.browse.pictures import FigureDrawer, caption
from data_prep.browse.reasons import EXPLANATIONS, in_words
from data_prep.browse.survey import Survey
from data_prep.browse.templates import render

_KEPT_COLOR, _GONE_COLOR = "#5fa777", "#c97b47"
_LEFT_OUT, _DROPPED = "photos left out", "annotations dropped"
_PUT_RIGHT = "put right or noticed"
_REPORT_FORM = {
    **{"sources": list, "splits": dict, "options": dict, "raw_files": list},
    **{"attribute_names": dict, "fingerprint": str},
}
_ENTRY_KEYS = {"count", "example_ids", "example_files"}
_MAX_PICTURES_OF_A_REASON = 6


def read_report(path: Path) -> dict:
    """Reads prep_report.json.

    Raises:
        ValueError: It is not what data_prep.build_tfrecords of this version writes.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        wrong = [key for key, kind in _REPORT_FORM.items() if not isinstance(report[key], kind)]
        wrong += [r for _, r, entry in _entries(report) if not entry.keys() >= _ENTRY_KEYS]
        if wrong:
            raise ValueError(f"its {', '.join(wrong)} has another form")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: damaged or of another version ({error!r}); run data_prep.build_tfrecords "
            "--overwrite."
        ) from error
    return report


def example_files(report: dict) -> set[str]:
    """The names of the photos that the report gives as examples."""
    return {name for *_, entry in _entries(report) for name in entry["example_files"] if name}


class ExamplePictures:
    """Which photos of examples are shown: those that are in the set, as many as there is room for.

    Attributes:
        num_pictures: of all reasons.
    """

    def __init__(self, report: dict, survey: Survey, room: int):
        self._survey = survey
        numbers = [len(self._found(entry)) for *_, entry in _entries(report)]
        shown = [number for number in numbers if number]
        self._per_entry = min(_MAX_PICTURES_OF_A_REASON, max(1, room // max(len(shown), 1)))
        self.num_pictures = min(room, sum(min(self._per_entry, number) for number in shown))
        self._room = room

    def draw(self, entry: dict, what: str, drawer: FigureDrawer) -> list[Markup]:
        """The figures of an entry, captioned with the ids of its examples."""
        chosen = self._found(entry)[: min(self._per_entry, self._room)]
        self._room -= len(chosen)
        figures = []
        for name, ids in chosen:
            sample = self._survey.found[name]
            text = caption(sample, len(self._survey.sources) > 1)
            label = "" if what == "photo" else f"annotation {', '.join(map(str, ids))} · "
            figures.append(drawer.draw(sample.facts, label + text))
        return figures

    def _found(self, entry: dict) -> list[tuple[str, list[int]]]:
        found: dict[str, list[int]] = {}
        for record_id, name in zip(entry["example_ids"], entry["example_files"], strict=True):
            if name in self._survey.found:
                found.setdefault(name, []).append(record_id)
        return list(found.items())


def repairs_html(report: dict, pictures: ExamplePictures, drawer: FigureDrawer) -> Markup:
    """Counts by reason and source; examples that are in the set are shown, others named."""
    sources = [
        {
            "name": source["name"],
            "kept": [_kept(source, "photos", "left_out"), _kept(source, "annotations", "dropped")],
            "reasons": [
                _reason(kind, reason, entry, pictures, drawer)
                for kind, reason, entry in _entries({"sources": [source]})
            ],
        }
        for source in report["sources"]
    ]
    return render("repairs", sources=sources, kept_color=_KEPT_COLOR, gone_color=_GONE_COLOR)


def _entries(report: dict):
    """(kind, reason, entry) of everything the report tells, sources in order."""
    for source in report["sources"]:
        tallies = (
            (_LEFT_OUT, source["photos"]["left_out"]),
            (_DROPPED, source["annotations"]["dropped"]),
            (_PUT_RIGHT, source["repairs"]),
        )
        for kind, tally in tallies:
            for reason, entry in tally.items():
                yield kind, reason, entry


def _kept(source: dict, what: str, gone_key: str) -> dict:
    gone = sum(entry["count"] for entry in source[what][gone_key].values())
    kept = source[what]["kept"]
    return {"what": what, "kept": kept, "gone": gone, "gone_words": in_words(gone_key)}


def _reason(
    kind: str, reason: str, entry: dict, pictures: ExamplePictures, drawer: FigureDrawer
) -> dict:
    is_of_photo = kind == _LEFT_OUT or (kind == _PUT_RIGHT and reason.startswith("photo_"))
    what = "photo" if is_of_photo else "annotation"
    return {
        "heading": in_words(reason),
        "kind": kind,
        "is_gone": kind != _PUT_RIGHT,
        "count": entry["count"],
        "explanation": EXPLANATIONS.get(reason, ""),
        "what": what,
        "examples": _examples_text(entry, what),
        "figures": pictures.draw(entry, what, drawer),
    }


def _examples_text(entry: dict, what: str) -> str:
    texts = []
    for record_id, name in zip(entry["example_ids"], entry["example_files"], strict=True):
        texts.append(f"{record_id} ({name})" if what == "photo" and name else f"{record_id}")
    if entry["count"] > len(texts):
        texts.append("...")
    return ", ".join(texts)
