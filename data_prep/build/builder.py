"""The TFDS builder that all data sets share: the feature schema, and what is written how.

A data set's own builder says what its raw files are; build_dataset.py runs either.
"""

import abc
import collections
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from data_prep.build import tfds_compat
from data_prep.build.colour_attributes import with_colour_attributes
from data_prep.build.journal import JournaledExamples
from data_prep.build.preparation import ExampleSource, LocalExamples, Preparation, PrepOptions
from data_prep.prepared import REPORT_NAME, TAGS_NAME, build_state
from data_prep.readers.raw_dataset import RawDataset


class PreparedDatasetBuilder(tfds_compat.Builder):
    """Writes a RawDataset as a prepared data set.

    A subclass gives VERSION, raw_files and open_raw. `prep_options` may be set before
    download_and_prepare, and `journal_path`, from where an interrupted build goes on; raw_dir is
    TFDS's manual_dir. The categories' names come from the raw files, and lie beside the shards from
    then on.
    """

    prep_options = PrepOptions()
    journal_path: Path | None = None
    _preparation: Preparation | None = None
    _photo_tags: Mapping[str, Sequence[str]] = {}

    @classmethod
    def make_raw_files(cls, raw_dir: Path, options: PrepOptions) -> None:
        """Comes first; only for a data set that can make its own raw files."""

    @classmethod
    def version_of(cls, raw_dir: Path, options: PrepOptions) -> str | None:
        """The version that the raw files as they are become; None: always VERSION.

        A builder that says one takes it as `version`.
        """
        return None

    @classmethod
    @abc.abstractmethod
    def raw_files(cls, raw_dir: Path, options: PrepOptions) -> list[Path]:
        """The files that the data set is made from.

        Raises:
            ValueError: One of them is missing.
        """

    @classmethod
    @abc.abstractmethod
    def open_raw(cls, raw_dir: Path, options: PrepOptions) -> RawDataset:
        """Opens and checks the raw files; no photo is read.

        Raises:
            ValueError: A file is missing or not what it should be.
        """

    @classmethod
    def open_described(cls, raw_dir: Path, options: PrepOptions) -> RawDataset:
        """open_raw, with the attributes that the options add."""
        raw = cls.open_raw(raw_dir, options)
        return with_colour_attributes(raw) if options.colour_attributes else raw

    def state(self, raw_dir: Path) -> dict:
        """What a complete prepared data set must have been made from to be up to date."""
        return build_state(self.prep_options.as_json(), self.raw_files(raw_dir, self.prep_options))

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(features=example_features())

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        tfds_compat.shuffle_in_little_memory()
        raw_dir = Path(dl_manager.manual_dir)
        self._state = self.state(raw_dir)
        raw = self.open_described(raw_dir, self.prep_options)
        self._photo_tags = raw.photo_tags
        labels = self.info.features["image"]["object"]["class"]["label"].feature
        labels.names = ["background", *raw.category_names]
        if self.prep_options.beam_options is None:
            return self._start(raw, self._local_examples(raw)).splits()
        from data_prep.build.beam_examples import BeamExamples  # Beam is not always installed

        open_raw = functools.partial(self.open_described, raw_dir, self.prep_options)
        examples = BeamExamples(raw, open_raw, Path(self.data_dir))
        return examples.transforms(self._start(raw, examples))

    def _local_examples(self, raw: RawDataset) -> ExampleSource:
        examples = LocalExamples(raw, self.prep_options.num_workers)
        if self.journal_path is None:
            return examples
        return JournaledExamples(examples, self.journal_path)

    def _start(self, raw: RawDataset, examples: ExampleSource) -> Preparation:
        preparation = Preparation(raw, self.prep_options, Path(self.data_dir), examples)
        self._preparation = preparation
        return preparation

    def _started(self) -> Preparation:
        if self._preparation is None:
            raise RuntimeError("TFDS wrote the shards without asking for the splits")
        return self._preparation

    def _generate_examples(self):
        raise NotImplementedError("the examples come from _split_generators")

    def write_all(self, write_shards: Callable[[], None]) -> None:
        """Has the shards written and the report beside them."""
        self._preparation = None
        try:
            write_shards()
            preparation = self._started()
            if self.prep_options.beam_options is not None:
                for examples in preparation.splits().values():
                    collections.deque(examples, maxlen=0)  # written, but not yet counted
        finally:
            if self._preparation is not None:
                self._preparation.close()
        report = {
            "dataset": self.name,
            "version": str(self.version),
            **preparation.report(),
            **self._state,
        }
        if self._photo_tags:
            tags = {name: list(tags) for name, tags in sorted(self._photo_tags.items())}
            text = json.dumps(tags, indent=1, ensure_ascii=False) + "\n"
            (Path(self.data_dir) / TAGS_NAME).write_text(text, encoding="utf-8")
        report_path = Path(self.data_dir) / REPORT_NAME
        report_path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def example_features() -> tfds.features.FeaturesDict:
    """The feature schema; its nested names join to Model Garden's TFExample keys.

    Ours are `source`, the raw file's name as in the report, and `attributes`, an instance's
    attribute ids as in FGVC6's csv, such as "20_30"; "none" of one that is annotated and has none,
    "" of one that is not annotated.
    """
    floats = tfds.features.Sequence(np.float32)
    labels = tfds.features.ClassLabel()
    masks = tfds.features.Image(shape=(None, None, 1), encoding_format="png")
    objects = {
        "bbox": {"xmin": floats, "xmax": floats, "ymin": floats, "ymax": floats},
        "class": {
            "label": tfds.features.Sequence(labels),
            "text": tfds.features.Sequence(tfds.features.Text()),
        },
        "area": floats,
        "is_crowd": tfds.features.Sequence(np.int64),
        "attributes": tfds.features.Sequence(tfds.features.Text()),
        "mask": tfds.features.Sequence(masks),
    }
    image = {
        "encoded": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
        "height": np.int64,
        "width": np.int64,
        "filename": tfds.features.Text(),
        "source_id": tfds.features.Text(),
        "source": tfds.features.Text(),
        "object": objects,
    }
    return tfds.features.FeaturesDict({"image": image})
