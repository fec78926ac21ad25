"""What was kept, put right and left out, by reason: prep_report.json and the table."""

import bisect
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from data_prep.examples import PreparedExample
from data_prep.raw_dataset import Note, RawSource

_NUM_EXAMPLE_IDS = 10


@dataclass
class Tally:
    """Counts by reason, with the smallest few ids: the same whatever the order of the work."""

    counts: dict[str, int] = field(default_factory=dict)
    ids: dict[str, list[int]] = field(default_factory=dict)

    def add(self, entries: Iterable[Note]) -> None:
        """Counts them."""
        for reason, record_id in entries:
            self.counts[reason] = self.counts.get(reason, 0) + 1
            ids = self.ids.setdefault(reason, [])
            bisect.insort(ids, record_id)
            del ids[_NUM_EXAMPLE_IDS:]

    @property
    def total(self) -> int:
        """Of all reasons."""
        return sum(self.counts.values())

    def commonest(self, number: int) -> list[tuple[str, int]]:
        """The reasons that occur most, first by count, then by name."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:number]

    def as_json(self) -> dict:
        """{reason: {"count": int, "example_ids": [int, ...]}}, commonest first."""
        return {
            reason: {"count": count, "example_ids": self.ids[reason]}
            for reason, count in self.commonest(len(self.counts))
        }


@dataclass
class SourceReport:
    """Of one raw file."""

    name: str
    num_photos: int
    num_annotations: int
    kept_photos: int = 0
    kept_annotations: int = 0
    left_out: Tally = field(default_factory=Tally)
    dropped: Tally = field(default_factory=Tally)
    repairs: Tally = field(default_factory=Tally)

    @classmethod
    def of(cls, source: RawSource) -> "SourceReport":
        """Starts with what is known before any photo is read."""
        report = cls(source.name, source.num_photos, source.num_annotations)
        report.left_out.add(source.left_out)
        report.dropped.add(source.dropped)
        return report

    def add(self, example: PreparedExample, image_id: int) -> None:
        """Counts one record's outcome."""
        conversion = example.conversion
        if conversion.left_out_reason is not None:
            self.left_out.add([Note(conversion.left_out_reason, image_id)])
        else:
            self.kept_photos += 1
            self.kept_annotations += len(example.annotation_jsons)
        self.dropped.add(conversion.dropped)
        self.repairs.add(conversion.repairs)

    def as_json(self) -> dict:
        """The report's entry; in_json = kept + the sum over left_out (dropped)."""
        return {
            "name": self.name,
            "photos": {
                "in_json": self.num_photos,
                "kept": self.kept_photos,
                "left_out": self.left_out.as_json(),
            },
            "annotations": {
                "in_json": self.num_annotations,
                "kept": self.kept_annotations,
                "dropped": self.dropped.as_json(),
            },
            "repairs": self.repairs.as_json(),
        }

    def check_sums(self) -> None:
        """Finds a photo or annotation that was neither kept nor counted: our bug."""
        assert self.kept_photos + self.left_out.total == self.num_photos, self.as_json()
        assert self.kept_annotations + self.dropped.total == self.num_annotations, self.as_json()


class SplitReport:
    """Of one split of the prepared data set."""

    def __init__(self, category_names: tuple[str, ...]):
        self.num_examples = 0
        self.num_instances = 0
        self.max_num_instances = 0
        self._category_names = category_names
        self._category_counts = [0] * len(category_names)
        self._digest = hashlib.sha256()

    def add(self, example: PreparedExample) -> None:
        """Counts one kept example; the order matters for the digest."""
        self.num_examples += 1
        num_instances = len(example.annotation_jsons)
        self.num_instances += num_instances
        self.max_num_instances = max(self.max_num_instances, num_instances)
        for category_id, count in example.category_counts.items():
            self._category_counts[category_id - 1] += count
        self._digest.update(example.digest)

    def as_json(self) -> dict:
        """The report's entry."""
        return {
            "num_examples": self.num_examples,
            "num_instances": self.num_instances,
            "max_num_instances": self.max_num_instances,
            "instances_by_category": dict(
                zip(self._category_names, self._category_counts, strict=True)
            ),
            "sha256": self._digest.hexdigest(),
        }


def fingerprint(category_names: tuple[str, ...], splits: dict[str, dict]) -> str:
    """The prepared data set's own sha256, from the splits' entries."""
    digest = hashlib.sha256("\n".join(category_names).encode())
    for split in sorted(splits):
        digest.update(f"\n{split} {splits[split]['sha256']}".encode())
    return digest.hexdigest()


def table(report: dict) -> str:
    """The report as a small table for the terminal."""
    lines = []
    for source in report["sources"]:
        lines.append(source["name"])
        for what, gone in (("photos", "left_out"), ("annotations", "dropped")):
            entry = source[what]
            lines.append(_row(f"{what} in json", entry["in_json"]))
            lines.append(_row("kept", entry["kept"], indent=4))
            lines += _tally_rows(f"{gone.replace('_', ' ')}: ", entry[gone])
        if source["repairs"]:
            lines.append("  put right or noticed")
            lines += _tally_rows("", source["repairs"])
    lines.append("splits")
    for name, split in report["splits"].items():
        row = _row(f"{name} photos", split["num_examples"])
        lines.append(f"{row}   instances {split['num_instances']:,}")
    return "\n".join(lines)


def _row(label: str, count: int, indent: int = 2) -> str:
    return f"{' ' * indent}{label:<{44 - indent}}{count:>10,}"


def _tally_rows(prefix: str, tally: dict) -> list[str]:
    rows = []
    for reason, entry in tally.items():
        ids = ", ".join(map(str, entry["example_ids"][:3]))
        more = ", ..." if entry["count"] > 3 else ""
        row = _row(prefix + reason.replace("_", " "), entry["count"], indent=4)
        rows.append(f"{row}   e.g. {ids}{more}")
    return rows
