"""The TFDS builder that all data sets share: AnnotatedImages -> shards, ground truth, report.

A data set is one folder with a class `Builder(PreparedDatasetBuilder)` that opens its raw data.
"""

import abc
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import shuffle as tfds_shuffle
from tqdm import tqdm

from data_prep.examples import ExampleMaker
from data_prep.ground_truth import GroundTruthWriter
from data_prep.ordered_pool import OrderedPool
from data_prep.prep_report import SourceReport, SplitReport, fingerprint
from data_prep.prepared import REPORT_NAME, ground_truth_name
from data_prep.raw_dataset import RawDataset, RawSource
from data_prep.splits import SplitPlan

# TFDS holds this many bytes before it turns to temporary files; its own 1 GB would make memory
# grow with the data set for long.
_SHUFFLE_BUFFER_BYTES = 64 << 20


@dataclass(frozen=True)
class PrepOptions:
    """What the caller may choose.

    Attributes:
        max_side: the longest side to keep, pixels; None keeps every photo's size.
        split_plan: how images are divided.
        max_bad_percent: more photos left out than this stop the build.
        num_workers: processes; the output does not depend on it.
        raw_paths: places of raw files by the data set's own names, instead of the usual ones.
    """

    max_side: int | None = None
    split_plan: SplitPlan = SplitPlan()
    max_bad_percent: float = 5.0
    num_workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    raw_paths: dict[str, Path] = field(default_factory=dict)

    def as_json(self) -> dict:
        """The choices that a prepared data set depends on."""
        return {
            "max_side": self.max_side,
            **asdict(self.split_plan),
            "max_bad_percent": self.max_bad_percent,
        }


class PreparedDatasetBuilder(tfds.core.GeneratorBasedBuilder):
    """Writes a RawDataset as a prepared data set.

    A subclass gives CATEGORY_NAMES, VERSION and open_raw. `prep_options` may be set before
    download_and_prepare; `tfds build` uses the defaults and its manual_dir as raw_dir.
    """

    CATEGORY_NAMES: tuple[str, ...] = ()
    prep_options = PrepOptions()

    @abc.abstractmethod
    def open_raw(self, raw_dir: Path, options: PrepOptions) -> RawDataset:
        """Opens and checks the raw files.

        Raises:
            ValueError: A file is missing or not what it should be.
        """

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=example_features(self.CATEGORY_NAMES), disable_shuffling=False
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        tfds_shuffle.MAX_MEM_BUFFER_SIZE = _SHUFFLE_BUFFER_BYTES
        raw = self.open_raw(Path(dl_manager.manual_dir), self.prep_options)
        self._preparation = _Preparation(raw, self.prep_options, Path(self.data_dir))
        return self._preparation.start()

    def _generate_examples(self):
        raise NotImplementedError("examples come from _split_generators")

    def _download_and_prepare(self, *args, **kwargs) -> None:
        # TFDS calls this inside its incomplete folder, which it renames when everything is there.
        self._preparation = None
        try:
            super()._download_and_prepare(*args, **kwargs)
        finally:
            if self._preparation is not None:
                self._preparation.close()
        report = {"dataset": self.name, "version": str(self.version), **self._preparation.report()}
        (Path(self.data_dir) / REPORT_NAME).write_text(json.dumps(report, indent=1) + "\n")


def example_features(category_names: tuple[str, ...]) -> tfds.features.FeaturesDict:
    """The feature schema; its nested names join to Model Garden's TFExample keys."""
    floats = tfds.features.Sequence(np.float32)
    return tfds.features.FeaturesDict(
        {
            "image": {
                "encoded": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
                "height": np.int64,
                "width": np.int64,
                "filename": tfds.features.Text(),
                "source_id": tfds.features.Text(),
                "object": {
                    "bbox": {"xmin": floats, "xmax": floats, "ymin": floats, "ymax": floats},
                    "class": {
                        "label": tfds.features.Sequence(
                            tfds.features.ClassLabel(names=["background", *category_names])
                        ),
                        "text": tfds.features.Sequence(tfds.features.Text()),
                    },
                    "area": floats,
                    "is_crowd": tfds.features.Sequence(np.int64),
                    "mask": tfds.features.Sequence(
                        tfds.features.Image(shape=(None, None, 1), encoding_format="png")
                    ),
                },
            }
        }
    )


class _Preparation:
    """One run over a RawDataset: the examples of each split, counted on the way."""

    def __init__(self, raw: RawDataset, options: PrepOptions, out_dir: Path):
        self._raw = raw
        self._options = options
        self._out_dir = out_dir
        maker = ExampleMaker(raw.converter, raw.category_names)
        self._pool = OrderedPool(maker, options.num_workers)
        self._source_reports = [SourceReport.of(source) for source in raw.sources]
        self._split_reports: dict[str, SplitReport] = {}
        num_photos = sum(len(source.keys) for source in raw.sources)
        self._progress = tqdm(total=num_photos, unit="photo", desc="preparing", mininterval=0.5)

    def start(self) -> dict[str, Iterator]:
        """Gives a generator of (key, example) for each split that is not empty.

        Raises:
            ValueError: A split that was asked for would be empty.
        """
        splits = [*self._options.split_plan.splits]
        splits += sorted({s.split for s in self._raw.sources if s.split} - set(splits))
        generators = {}
        for split in splits:
            # TFDS fails on an empty split, so look whether there is a first example.
            generator = self._examples(split)
            first = next(generator, None)
            if first is not None:
                generators[split] = chain([first], generator)
            elif split in self._options.split_plan.splits:
                raise ValueError(
                    f"the split '{split}' would be empty; use more photos or other percentages "
                    "(--val_percent, --test_percent, --num_folds)."
                )
        return generators

    def _examples(self, split: str) -> Iterator[tuple[int, dict]]:
        split_report = SplitReport(self._raw.category_names)
        truth_path = self._out_dir / ground_truth_name(split)
        truth = GroundTruthWriter(truth_path, self._raw.category_names)
        with truth:
            for source, source_report in zip(self._raw.sources, self._source_reports, strict=True):
                image_ids = self._image_ids(source, split)
                records = source.records(set(image_ids))
                examples = self._pool.map(records)
                for image_id, example in zip(image_ids, examples, strict=True):
                    self._progress.update()
                    source_report.add(example, image_id)
                    self._check_left_out(source, source_report)
                    if example.image_id is not None:
                        split_report.add(example)
                        truth.add(example.image_json, example.annotation_jsons)
                        yield image_id, example.features
        if split_report.num_examples:
            self._split_reports[split] = split_report
        else:
            truth_path.unlink()

    def _image_ids(self, source: RawSource, split: str) -> list[int]:
        plan = self._options.split_plan
        return [
            key.image_id
            for key in source.keys
            if (source.split or plan.split_of(key.split_key)) == split
        ]

    def _check_left_out(self, source: RawSource, report: SourceReport) -> None:
        allowed = self._options.max_bad_percent / 100 * report.num_photos
        if source.split is not None or report.left_out.total <= allowed:
            return
        reasons = ", ".join(
            f"{reason.replace('_', ' ')}: {count} (e.g. {report.left_out.ids[reason][0]})"
            for reason, count in report.left_out.commonest(3)
        )
        raise ValueError(
            f"{source.name}: {report.left_out.total} of {report.num_photos} photos cannot be used, "
            f"more than {self._options.max_bad_percent:g} %; {reasons}; check the raw files or "
            "raise --max_bad_percent."
        )

    def report(self) -> dict:
        """The contents of prep_report.json but for the data set's name and version."""
        for source_report in self._source_reports:
            source_report.check_sums()
        splits = {name: split.as_json() for name, split in self._split_reports.items()}
        return {
            "category_names": list(self._raw.category_names),
            "options": self._options.as_json(),
            "raw_files": raw_files_state(self._raw.raw_paths),
            "sources": [source_report.as_json() for source_report in self._source_reports],
            "splits": splits,
            "fingerprint": fingerprint(self._raw.category_names, splits),
        }

    def close(self) -> None:
        """Ends the workers and the progress bar."""
        self._progress.close()
        self._pool.close()


def raw_files_state(paths: list[Path]) -> list[dict]:
    """What tells a changed raw file: name, size in bytes and time of change in ns."""
    states = [(path.name, path.stat()) for path in paths]
    return [{"name": n, "num_bytes": s.st_size, "mtime_ns": s.st_mtime_ns} for n, s in states]
