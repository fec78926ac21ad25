"""The page's section on what was put right and left out, with photos of the examples."""

from collections.abc import Iterable
from html import escape

from data_prep import browse_charts as charts
from data_prep.browse_pictures import FigureDrawer, caption
from data_prep.browse_reasons import EXPLANATIONS, in_words
from data_prep.browse_survey import Survey

_KEPT_COLOR, _GONE_COLOR = "#5fa777", "#c97b47"
_LEFT_OUT, _DROPPED = "photos left out", "annotations dropped"
_PUT_RIGHT = "put right or noticed"
_MAX_IDS = 10
_MAX_PICTURES_OF_A_REASON = 6


def example_files(report: dict) -> set[str]:
    """The names of the photos that the report gives as examples."""
    entries = (entry for *_, entry in _entries(report))
    return {name for entry in entries for name in entry.get("example_files", []) if name}


def repairs_html(report: dict, survey: Survey, drawer: FigureDrawer, max_pictures: int) -> str:
    """Counts by reason and source; examples that are in the set are shown, others named.

    Args:
        report: prep_report.json.
        survey: which found the examples.
        drawer: of the data set.
        max_pictures: in this section, shared by the reasons.
    """
    pictures = _Pictures(survey, drawer, max_pictures)
    pictures.share_among(entry for *_, entry in _entries(report))
    parts = ['<h2 id="repairs">Put right and left out</h2>']
    for source in report["sources"]:
        parts.append(f"<h3>{escape(source['name'])}</h3>{_kept_table(source)}")
        for kind, reason, entry in _entries({"sources": [source]}):
            parts.append(_reason_html(kind, reason, entry, pictures))
    return "".join(parts)


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


def _kept_table(source: dict) -> str:
    rows = []
    for what, gone_key in (("photos", "left_out"), ("annotations", "dropped")):
        kept = source[what]["kept"]
        gone = sum(entry["count"] for entry in source[what][gone_key].values())
        parts = [("kept", kept), (gone_key.replace("_", " "), gone)]
        bar = charts.stacked_bar(parts, max(kept + gone, 1), (_KEPT_COLOR, _GONE_COLOR))
        rows.append(
            f"<tr><td>{what}</td><td>{kept:,} kept</td><td>{gone:,} {gone_key.replace('_', ' ')}"
            f'</td><td class="wide">{bar}</td></tr>'
        )
    return f'<div class="table"><table><tbody>{"".join(rows)}</tbody></table></div>'


def _reason_html(kind: str, reason: str, entry: dict, pictures: "_Pictures") -> str:
    ids = ", ".join(map(str, entry["example_ids"][:_MAX_IDS]))
    more = ", ..." if entry["count"] > len(entry["example_ids"][:_MAX_IDS]) else ""
    is_of_photo = kind == _LEFT_OUT or (kind == _PUT_RIGHT and reason.startswith("photo_"))
    what = "photo" if is_of_photo else "annotation"
    figures = pictures.of(entry, what)
    grid = f'<div class="grid">{"".join(figures)}</div>' if figures else ""
    return (
        f'<div class="reason{"" if kind == _PUT_RIGHT else " gone"}">'
        f"<h4><span>{escape(in_words(reason))} <small class=soft>{kind}</small></span>"
        f"<b>{entry['count']:,}</b></h4><p>{escape(EXPLANATIONS.get(reason, ''))} "
        f"<span class=soft>Such as {what} {ids}{more}</span></p>{grid}</div>"
    )


class _Pictures:
    """Photos of examples, as many as there is room for."""

    def __init__(self, survey: Survey, drawer: FigureDrawer, room: int):
        self._survey = survey
        self._drawer = drawer
        self._room = room
        self._per_entry = _MAX_PICTURES_OF_A_REASON

    def share_among(self, entries: Iterable[dict]) -> None:
        """Divides the room among those that have something to show."""
        number = sum(1 for entry in entries if self._found(entry))
        self._per_entry = min(_MAX_PICTURES_OF_A_REASON, max(1, self._room // max(number, 1)))

    def of(self, entry: dict, what: str) -> list[str]:
        """The figures of an entry, captioned with the ids of its examples."""
        chosen = self._found(entry)[: min(self._per_entry, self._room)]
        self._room -= len(chosen)
        figures = []
        for name, ids in chosen:
            sample = self._survey.found[name]
            text = caption(sample, len(self._survey.sources) > 1)
            label = "" if what == "photo" else f"annotation {', '.join(map(str, ids))} &middot; "
            figures.append(self._drawer.draw(sample.facts, label + text))
        return figures

    def _found(self, entry: dict) -> list[tuple[str, list[int]]]:
        found: dict[str, list[int]] = {}
        pairs = zip(entry["example_ids"], entry.get("example_files", []), strict=False)
        for record_id, name in pairs:
            if name in self._survey.found:
                found.setdefault(name, []).append(record_id)
        return list(found.items())
