"""What was kept, put right and left out, by reason: prep_report.json and the table."""

import bisect
import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from data_prep.annotations.mask_confidence import GOOD
from data_prep.build.examples import PreparedExample
from data_prep.readers.raw_dataset import CROWD_IGNORED, NOT_BAD, UNSURE_MASK, Note, RawSource

_NUM_EXAMPLES = 10


@dataclass
class Tally:
    """Counts by reason, with the smallest few ids: the same whatever the order of the work.

    Attributes:
        counts: by reason.
        examples: (id, photo's file, what was got and expected) of the smallest ids, by reason.
    """

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)

    def add(self, notes: Iterable[Note]) -> None:
        """Counts them."""
        for note in notes:
            self.counts[note.reason] = self.counts.get(note.reason, 0) + 1
            examples = self.examples.setdefault(note.reason, [])
            bisect.insort(examples, (note.record_id, note.file_name, note.detail))
            del examples[_NUM_EXAMPLES:]

    @property
    def total(self) -> int:
        """Of all reasons."""
        return sum(self.counts.values())

    def commonest(self, number: int | None = None) -> list[tuple[str, int]]:
        """The reasons that occur most, or all of them, first by count, then by name."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:number]

    def as_json(self) -> dict:
        """{reason: {"count", "example_ids", "example_files"}}, commonest first.

        The examples are the smallest ids and the files of the photos that they are of or in.
        """
        return {
            reason: {
                "count": count,
                "example_ids": [record_id for record_id, _, _ in self.examples[reason]],
                "example_files": [file_name for _, file_name, _ in self.examples[reason]],
            }
            for reason, count in self.commonest()
        }


@dataclass
class SourceReport:
    """Of one raw file.

    Attributes:
        bad_by_category: annotations that cannot be used, by the raw file's id of their category.
    """

    name: str
    num_photos: int
    num_annotations: int
    kept_photos: int = 0
    kept_annotations: int = 0
    left_out: Tally = field(default_factory=Tally)
    dropped: Tally = field(default_factory=Tally)
    bad_by_category: dict[int, Tally] = field(default_factory=dict)
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
            file_name = conversion.file_name
            detail = conversion.left_out_detail
            self.left_out.add([Note(conversion.left_out_reason, image_id, file_name, detail)])
        else:
            self.kept_photos += 1
            self.kept_annotations += len(example.annotation_jsons)
        self.dropped.add(conversion.dropped)
        for note in conversion.dropped:
            if note.category is not None and note.reason not in NOT_BAD:
                self.bad_by_category.setdefault(note.category, Tally()).add([note])
        self.repairs.add(conversion.repairs)

    def as_json(self) -> dict:
        """The report's entry; in_raw = kept + the sum over left_out (dropped)."""
        return {
            "name": self.name,
            "photos": {
                "in_raw": self.num_photos,
                "kept": self.kept_photos,
                "left_out": self.left_out.as_json(),
            },
            "annotations": {
                "in_raw": self.num_annotations,
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
        self._max_num_instances = 0
        self._max_num_ignored = 0
        self._category_names = category_names
        self._sources: dict[str, _Contents] = {}
        self.category_attributes: set[tuple[int, int]] = set()  # pairs of ids that occur
        self._digest = hashlib.sha256()

    def add(self, example: PreparedExample, source_name: str) -> None:
        """Counts one kept example; the order matters for the digest."""
        self.num_examples += 1
        self._max_num_instances = max(self._max_num_instances, len(example.annotation_jsons))
        self._max_num_ignored = max(self._max_num_ignored, example.num_crowds)
        contents = self._sources.setdefault(source_name, _Contents())
        contents.num_examples += 1
        contents.category_counts += example.category_counts
        self.category_attributes |= example.category_attributes
        self._digest.update(example.digest)

    def as_json(self) -> dict:
        """The report's entry, with the same counts by source."""
        total = _Contents(
            self.num_examples, sum((c.category_counts for c in self._sources.values()), Counter())
        )
        return {
            **total.as_json(self._category_names),
            "max_num_instances": self._max_num_instances,
            "max_num_ignored": self._max_num_ignored,
            "by_source": {
                name: contents.as_json(self._category_names)
                for name, contents in self._sources.items()
            },
            "sha256": self._digest.hexdigest(),
        }


@dataclass
class _Contents:
    num_examples: int = 0
    category_counts: Counter = field(default_factory=Counter)

    def as_json(self, category_names: tuple[str, ...]) -> dict:
        counts = [self.category_counts[i] for i in range(1, len(category_names) + 1)]
        return {
            "num_examples": self.num_examples,
            "num_instances": sum(counts),
            "instances_by_category": dict(zip(category_names, counts, strict=True)),
        }


def category_attributes(splits: dict[str, SplitReport]) -> dict[str, list[int]]:
    """The attributes that a category may have: those that one of its instances has in train.

    Args:
        splits: by name; all of them count where none is train.

    Returns:
        Attribute ids, ascending, by category id as json's text; without categories that have none.
    """
    seen = [splits["train"]] if "train" in splits else list(splits.values())
    pairs = sorted(set[tuple[int, int]]().union(*(split.category_attributes for split in seen)))
    table: dict[str, list[int]] = {}
    for category_id, attribute_id in pairs:
        table.setdefault(str(category_id), []).append(attribute_id)
    return table


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
            lines.append(_row(f"{what} in raw files", entry["in_raw"]))
            lines.append(_row("kept", entry["kept"], indent=4))
            lines += _tally_rows(f"{gone.replace('_', ' ')}: ", entry[gone])
        if source["repairs"]:
            lines.append("  put right or noticed")
            lines += _tally_rows("", source["repairs"])
    lines.append("splits")
    for name, split in report["splits"].items():
        lines.append(_split_row(f"{name} photos", split))
        if len(split["by_source"]) > 1:
            lines += [_split_row(of, own, indent=4) for of, own in split["by_source"].items()]
    return "\n".join(lines)


def warnings(report: dict) -> list[str]:
    """What whoever made the data set should not overlook, a line each."""
    lines = []
    for source in report["sources"]:
        crowds = source["repairs"].get(CROWD_IGNORED)
        if crowds and "prediction_is_unsure" not in source["repairs"]:
            lines.append(
                f"warning: {source['name']}: {crowds['count']} of "
                f"{source['annotations']['in_raw']} annotations have iscrowd: 1, which training "
                "passes over. Drawing tools (CVAT, Datumaro, supervision) mark brush masks so; "
                "--crowds=instances trains on them."
            )
        unsure = source["repairs"].get(UNSURE_MASK)
        if unsure:
            lines.append(
                f"warning: {source['name']}: the masks of {unsure['count']} photos are unsure "
                f"(confidence under {GOOD}) and nobody has accepted them; look at them with "
                "data_prep.review, or leave them out with --only_good."
            )
    return lines


def _row(label: str, count: int, indent: int = 2) -> str:
    return f"{' ' * indent}{label:<{44 - indent}}{count:>10,}"


def _split_row(label: str, contents: dict, indent: int = 2) -> str:
    row = _row(label, contents["num_examples"], indent)
    return f"{row}   instances {contents['num_instances']:,}"


def _tally_rows(prefix: str, tally: dict) -> list[str]:
    rows = []
    for reason, entry in tally.items():
        ids = ", ".join(map(str, entry["example_ids"][:3]))
        more = ", ..." if entry["count"] > 3 else ""
        row = _row(prefix + reason.replace("_", " "), entry["count"], indent=4)
        rows.append(f"{row}   e.g. {ids}{more}")
    return rows
