"""What became of converted annotations."""

from collections import Counter
from dataclasses import dataclass, field

from data_prep.annotations.segmentations import NO_MASK
from data_prep.readers.raw_dataset import NOT_BAD, ON_PURPOSE, Note

_NUM_EXAMPLES = 3  # of a reason
EMPTY_OF_UNKNOWN_SIZE = "photo_without_garments_of_unknown_size"  # Label Studio says no size then
_ON_PURPOSE = ON_PURPOSE | {
    *("task_not_annotated", "task_skipped_by_its_annotator", EMPTY_OF_UNKNOWN_SIZE)
}


def is_no_mask(reason: str) -> bool:
    """Whether an annotation was left out as a box, a point or the like, which nobody damaged."""
    return reason == NO_MASK or reason.endswith("_is_no_mask")


@dataclass
class ConversionReport:
    """What became of the annotations.

    Attributes:
        num_photos: written.
        num_garments: written.
        left_out: photos and annotations that are not in the output, by reason.
        noted: photos and annotations that are, but changed or noticed, by reason.
        num_left_out: photos and annotations that are not in the output.
        bad: those of them that are nobody's purpose, by reason.
        examples: a few notes of each reason.
        polygon_ious: of the masks written as polygons, with these.
    """

    num_photos: int = 0
    num_garments: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    num_left_out: Counter[str] = field(default_factory=Counter)
    bad: dict[str, Counter[str]] = field(
        default_factory=lambda: {"photos": Counter(), "annotations": Counter()}
    )
    examples: dict[str, list[Note]] = field(default_factory=dict)
    polygon_ious: list[float] = field(default_factory=list)

    def leave_out(self, note: Note, kind: str = "annotations") -> None:
        """Counts what is not in the output; kind: "photos" or "annotations"."""
        self.left_out[note.reason] += 1
        self.num_left_out[kind] += 1
        accepted = _ON_PURPOSE if kind == "photos" else NOT_BAD
        if note.reason not in accepted and not is_no_mask(note.reason):
            self.bad[kind][note.reason] += 1
        self._show(note)

    def notice(self, note: Note) -> None:
        """Counts what is, but not as it was."""
        self.noted[note.reason] += 1
        self._show(note)

    def check_left_out(self, source: str, max_bad_percent: float) -> None:
        """Holds what cannot be used against a limit, as the build of a data set does.

        Args:
            source: what was read, for the message.
            max_bad_percent: of its photos, and of its annotations.

        Raises:
            ValueError: There is more of one.
        """
        for kind, written in (("photos", self.num_photos), ("annotations", self.num_garments)):
            number = written + self.num_left_out[kind]
            num_bad = self.bad[kind].total()
            if num_bad <= max_bad_percent / 100 * number:
                continue
            reasons = "; ".join(self._told(*item) for item in self.bad[kind].most_common(3))
            raise ValueError(
                f"{source}: {num_bad} of {number} {kind} cannot be used, more than "
                f"{max_bad_percent:g} %: {reasons}; mend them, or raise --max_bad_percent to "
                "convert the rest."
            )

    def lines(self) -> list[str]:
        """What was lost, a line a reason; empty where nothing was."""
        lines = [f"left out: {self._told(r, n)}" for r, n in self.left_out.most_common()]
        lines += [f"changed: {self._told(r, n)}" for r, n in self.noted.most_common()]
        if self.polygon_ious:
            mean = sum(self.polygon_ious) / len(self.polygon_ious)
            lines.append(
                f"polygons: {len(self.polygon_ious)} masks, IoU with the masks they are of: mean "
                f"{mean:.4f}, worst {min(self.polygon_ious):.4f}"
            )
        return lines

    def _told(self, reason: str, count: int) -> str:
        notes = [n for n in self.examples.get(reason, []) if n.file_name or n.detail]
        shown = ", ".join(
            f"{n.file_name} ({n.detail})" if n.file_name and n.detail else n.file_name or n.detail
            for n in notes
        )
        return f"{count} {reason}, such as of {shown}" if shown else f"{count} {reason}"

    def _show(self, note: Note) -> None:
        shown = self.examples.setdefault(note.reason, [])
        if len(shown) < _NUM_EXAMPLES:
            shown.append(note)
