"""One run over a RawDataset: the examples of each split, with everything counted on the way."""

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import chain, repeat
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from data_prep.build.examples import ExampleMaker, PreparedExample
from data_prep.build.ground_truth import GroundTruthWriter
from data_prep.build.prep_report import (
    SourceReport,
    SplitReport,
    Tally,
    category_attributes,
    fingerprint,
)
from data_prep.build.splits import SplitPlan
from data_prep.ordered_pool import OrderedPool
from data_prep.prepared import ground_truth_name
from data_prep.readers.raw_dataset import NOT_BAD, ON_PURPOSE, ImageKey, RawDataset, RawSource

_FEW = 3  # annotations of a category that stop no build, however rare it is


@dataclass(frozen=True)
class PrepOptions:
    """What the caller may choose.

    Attributes:
        max_side: the longest side to keep, pixels; None keeps every photo's size.
        split_plan: how images are divided.
        max_bad_percent: more photos left out than this stop the build.
        num_shards: per split; None leaves it to TFDS.
        num_workers: processes; the output does not depend on it.
        raw_paths: places of raw files by the data set's own names, instead of the usual ones.
        choices: the data set's own choices by flag, where they are not the first of its values.
        colour_attributes: whether garments' colours become attributes (colour_attributes.py).
        beam_options: "name=value" for Apache Beam; None: the build runs in processes of its own.
    """

    max_side: int | None = None
    split_plan: SplitPlan = SplitPlan()
    max_bad_percent: float = 5.0
    num_shards: int | None = None
    num_workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    raw_paths: dict[str, Path] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)
    colour_attributes: bool = False
    beam_options: tuple[str, ...] | None = None

    def as_json(self) -> dict:
        """The choices that what is written depends on.

        max_bad_percent only stops a build; Beam cuts the same examples into other shards.
        """
        return {
            "max_side": self.max_side,
            **asdict(self.split_plan),
            "num_shards": self.num_shards,
            **self.choices,
            **({"colour_attributes": True} if self.colour_attributes else {}),
        }


class ExampleSource(Protocol):
    """Where the examples are made."""

    def made(self, source: RawSource, image_ids: list[int]) -> Iterator[PreparedExample]:
        """Yields what becomes of each photo of a raw source, in that order."""

    def close(self) -> None:
        """Ends what is underway."""


class LocalExamples:
    """Makes examples in this machine's processes."""

    def __init__(self, raw: RawDataset, num_workers: int):
        self._pool = OrderedPool(ExampleMaker.of(raw), num_workers)

    def made(self, source: RawSource, image_ids: list[int]) -> Iterator[PreparedExample]:
        """Yields what becomes of each photo of a raw source, in that order."""
        return self._pool.map(zip(repeat(source.name), source.records(image_ids)))

    def close(self) -> None:
        """Ends the processes."""
        self._pool.close()


class Preparation:
    """Counts the examples of a RawDataset and writes their ground truth; close it at the end.

    Args:
        raw: the opened raw data set.
        options: the caller's choices.
        out_dir: where the ground truth goes.
        example_source: makes them.

    Raises:
        ValueError: More photos than allowed are known to be unusable from the start.
    """

    def __init__(
        self, raw: RawDataset, options: PrepOptions, out_dir: Path, example_source: ExampleSource
    ):
        self._raw = raw
        self._example_source = example_source
        self._options = options
        self._out_dir = out_dir
        self._source_reports = [SourceReport.of(source) for source in raw.sources]
        self._split_reports: dict[str, SplitReport] = {}
        for source, report in zip(raw.sources, self._source_reports, strict=True):
            self._check_left_out(source, report)
        free = [source for source in raw.sources if source.split is None]
        self._moved = options.split_plan.with_none_empty(
            (key.split_key for source in free for key in source.keys),
            {source.split for source in raw.sources if source.split and source.keys},
        )
        for key, split in self._moved.items():
            print(f"{key}: goes to {split}, which would be empty", file=sys.stderr)
        self._progress = tqdm(
            total=sum(len(source.keys) for source in raw.sources),
            unit="photo",
            desc="preparing",
            mininterval=0.5 if sys.stderr.isatty() else 10,
        )

    @property
    def split_names(self) -> tuple[str, ...]:
        """The splits that may come to be: those asked for, then those a raw source names."""
        fixed = {source.split for source in self._raw.sources if source.split}
        return tuple(dict.fromkeys((*self._options.split_plan.splits, *sorted(fixed))))

    @property
    def _required_splits(self) -> tuple[str, ...]:
        required = self._raw.required_splits
        return self._options.split_plan.splits if required is None else required

    def splits(self) -> dict[str, Iterator[tuple[int, dict]]]:
        """Gives (image id, feature values) of each split that is not empty.

        Raises:
            ValueError: A split that was asked for would be empty; while iterating: more photos
                than allowed cannot be used.
        """
        generators: dict[str, Iterator[tuple[int, dict]]] = {}
        for split in self.split_names:
            # TFDS fails on an empty split, so look whether there is a first example.
            generator = self._examples(split)
            first = next(generator, None)
            if first is not None:
                generators[split] = chain([first], generator)
            elif split in self._required_splits:
                raise ValueError(
                    f"the split '{split}' would be empty; expected at least one usable photo: "
                    "use more photos or other percentages (--val_percent, --test_percent, "
                    "--num_folds)."
                )
        return generators

    def _examples(self, split: str) -> Iterator[tuple[int, dict]]:
        split_report = SplitReport(self._raw.category_names)
        truth_path = self._out_dir / ground_truth_name(split)
        names = (self._raw.category_names, self._raw.attribute_names)
        with GroundTruthWriter(truth_path, *names) as truth:
            for source, report in zip(self._raw.sources, self._source_reports, strict=True):
                image_ids = self.image_ids(source, split)
                examples = self._example_source.made(source, image_ids)
                for image_id, example in zip(image_ids, examples, strict=True):
                    self._progress.update()
                    report.add(example, image_id)
                    if example.conversion.dropped or example.image_id is None:
                        self._check_left_out(source, report)
                    if example.image_id is not None:
                        split_report.add(example, source.name)
                        truth.add(example.image_json, example.annotation_jsons)
                        yield image_id, example.features
        if split_report.num_examples:
            self._split_reports[split] = split_report
        else:
            truth_path.unlink()

    def image_ids(self, source: RawSource, split: str) -> list[int]:
        """The photos of a raw source that belong to a split, usable or not."""
        return [key.image_id for key in source.keys if self._split_of(source, key) == split]

    def _split_of(self, source: RawSource, key: ImageKey) -> str:
        if source.split:
            return source.split
        plan = self._options.split_plan
        return self._moved.get(key.split_key) or plan.split_of(key.split_key)

    def _check_left_out(self, source: RawSource, report: SourceReport) -> None:
        if source.split not in (None, "train", "val", "test"):
            return
        self._check_limit(report, "photos", report.num_photos, report.left_out, ON_PURPOSE)
        self._check_limit(report, "annotations", report.num_annotations, report.dropped, NOT_BAD)
        for category, tally in report.bad_by_category.items():
            number = source.num_annotations_by_category.get(category, 0)
            if tally.total > _FEW and number:
                what = f"annotations of the category with id {category}"
                self._check_limit(report, what, number, tally, NOT_BAD)

    def _check_limit(
        self, report: SourceReport, what: str, number: int, tally: Tally, accepted: frozenset[str]
    ) -> None:
        """Stops the build where more than the allowed share of something cannot be used."""
        bad = [item for item in tally.commonest() if item[0] not in accepted]
        num_bad = sum(count for _, count in bad)
        if num_bad <= self._options.max_bad_percent / 100 * number:
            return
        reasons = "; ".join(
            f"{reason.replace('_', ' ')}: {count} ({_example(tally, reason)})"
            for reason, count in bad[:3]
        )
        raise ValueError(
            f"{report.name}: {num_bad} of {number} {what} cannot be used so far, more than "
            f"{self._options.max_bad_percent:g} %; {reasons}; check the raw files or raise "
            "--max_bad_percent."
        )

    def report(self) -> dict:
        """What prep_report.json says of the contents; only after all splits were iterated."""
        for source_report in self._source_reports:
            source_report.check_sums()
        splits = {name: split.as_json() for name, split in self._split_reports.items()}
        return {
            "category_names": list(self._raw.category_names),
            "attribute_names": {
                str(i): name for i, name in sorted(self._raw.attribute_names.items())
            },
            "category_attributes": category_attributes(self._split_reports),
            "sources": [source_report.as_json() for source_report in self._source_reports],
            "splits": splits,
            "fingerprint": fingerprint(self._raw.category_names, splits),
        }

    def close(self) -> None:
        """Ends the progress bar and what is underway."""
        self._progress.close()
        self._example_source.close()


def _example(tally: Tally, reason: str) -> str:
    record_id, file_name, detail = tally.examples[reason][0]
    example = f"e.g. {record_id}, {file_name}" if file_name else f"e.g. {record_id}"
    return f"{example}: {detail}" if detail else example
