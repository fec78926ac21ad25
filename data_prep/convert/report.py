"""What became of converted annotations."""

from collections import Counter
from dataclasses import dataclass, field

from data_prep.readers.raw_dataset import Note


@dataclass
class ConversionReport:
    """What became of the annotations.

    Attributes:
        num_photos: written.
        num_garments: written.
        left_out: photos and annotations that are not in the output, by reason.
        noted: photos and annotations that are, but changed or noticed, by reason.
        examples: one note of each reason.
        polygon_ious: of the masks written as polygons, with these.
    """

    num_photos: int = 0
    num_garments: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Note] = field(default_factory=dict)
    polygon_ious: list[float] = field(default_factory=list)

    def leave_out(self, note: Note) -> None:
        """Counts what is not in the output."""
        self.left_out[note.reason] += 1
        self.examples.setdefault(note.reason, note)

    def notice(self, note: Note) -> None:
        """Counts what is, but not as it was."""
        self.noted[note.reason] += 1
        self.examples.setdefault(note.reason, note)

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
        note = self.examples.get(reason)
        of = f", such as of {note.file_name}" if note and note.file_name else ""
        detail = f" ({note.detail})" if note and note.detail else ""
        return f"{count} {reason}{of}{detail}"
