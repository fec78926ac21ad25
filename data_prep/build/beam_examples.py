"""Examples made on Apache Beam's workers; counted by the process that started the build.

All workers need raw_dir and data_dir under the same paths, on a shared file system.
"""

import pickle
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import tensorflow as tf

from data_prep.build.examples import ExampleMaker, PreparedExample
from data_prep.build.preparation import Preparation
from data_prep.readers.raw_dataset import RawDataset, RawSource

_BATCH_SIZE = 16  # photos whose records are looked up together


class BeamExamples:
    """The pipelines of a data set, and afterwards what they left to be counted.

    A worker opens the raw files for itself: the pipeline holds image ids, not records. What is
    counted, everything but the photo and its masks, goes through files below data_dir.

    Args:
        raw: the opened raw data set.
        open_raw: opens it on a worker; picklable.
        data_dir: of the data set, while it is being built.
    """

    def __init__(self, raw: RawDataset, open_raw: Callable[[], RawDataset], data_dir: Path):
        self._raw = raw
        self._open_raw = open_raw
        self._outcomes_dir = data_dir / "beam_outcomes"
        # An empty name: a temporary file, which SQLite removes.
        self._outcomes = sqlite3.connect("")
        self._outcomes.execute("CREATE TABLE outcomes (image_id INTEGER PRIMARY KEY, pickled BLOB)")
        self._is_read = False

    def transforms(self, preparation: Preparation) -> dict[str, beam.PTransform]:
        """The pipelines by split: from image ids to (image id, feature values).

        TFDS fails on an empty split, so one without a usable photo has none.
        """
        self._outcomes_dir.mkdir()
        transforms = {}
        for split in preparation.split_names:
            ids = {s.name: preparation.image_ids(s, split) for s in self._raw.sources}
            if self._has_usable_photo(ids):
                batches = [
                    (source_name, image_ids[start : start + _BATCH_SIZE])
                    for source_name, image_ids in ids.items()
                    for start in range(0, len(image_ids), _BATCH_SIZE)
                ]
                outcomes_prefix = str(self._outcomes_dir / split)
                transforms[split] = _MakeExamples(batches, self._open_raw, outcomes_prefix)
        return transforms

    def made(self, source: RawSource, image_ids: list[int]) -> Iterator[PreparedExample]:
        """Yields what became of each photo, without its features, once the pipelines have run."""
        if not self._is_read:
            self._read_outcomes()
            self._is_read = True
        select = "SELECT pickled FROM outcomes WHERE image_id = ?"
        for image_id in image_ids:
            ((pickled,),) = self._outcomes.execute(select, (image_id,))
            yield pickle.loads(pickled)

    def close(self) -> None:
        """Removes the files."""
        self._outcomes.close()
        shutil.rmtree(self._outcomes_dir, ignore_errors=True)

    def _has_usable_photo(self, ids: dict[str, list[int]]) -> bool:
        maker = ExampleMaker.of(self._raw)
        for source in self._raw.sources:
            image_ids = ids[source.name]
            for image_id, record in zip(image_ids, source.records(image_ids), strict=True):
                example = maker((source.name, record))
                if example.image_id is not None:
                    return True
                self._keep([_outcome(image_id, example)])  # no pipeline may come to this one
        return False

    def _read_outcomes(self) -> None:
        paths = sorted(str(path) for path in self._outcomes_dir.iterdir())
        self._keep(tf.data.TFRecordDataset(paths).as_numpy_iterator())

    def _keep(self, outcomes: Iterable[bytes]) -> None:
        rows = (pickle.loads(outcome) for outcome in outcomes)
        self._outcomes.executemany("INSERT OR REPLACE INTO outcomes VALUES (?, ?)", rows)


class _MakeExamples(beam.PTransform):
    def __init__(
        self,
        batches: list[tuple[str, list[int]]],
        open_raw: Callable[[], RawDataset],
        outcomes_prefix: str,
    ):
        super().__init__()
        self._batches = batches
        self._open_raw = open_raw
        self._outcomes_prefix = outcomes_prefix

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Makes the examples once, and both writes and returns them."""
        made = (
            pipeline
            | beam.Create(self._batches)
            | beam.Reshuffle()
            | beam.ParDo(_MakeBatch(self._open_raw))
        )
        _ = (
            made
            | "Outcomes" >> beam.MapTuple(_outcome)
            | beam.io.WriteToTFRecord(self._outcomes_prefix)
        )
        return (
            made
            | "Usable" >> beam.Filter(lambda id_and_example: id_and_example[1].features)
            | "Features" >> beam.MapTuple(lambda image_id, example: (image_id, example.features))
        )


class _MakeBatch(beam.DoFn):
    def __init__(self, open_raw: Callable[[], RawDataset]):
        self._open_raw = open_raw

    def setup(self) -> None:
        """Opens the raw files on this worker."""
        raw = self._open_raw()
        self._sources = {source.name: source for source in raw.sources}
        self._maker = ExampleMaker.of(raw)

    def process(self, batch: tuple[str, list[int]]) -> Iterator[tuple[int, PreparedExample]]:
        """Makes the examples of some photos of a source."""
        source_name, image_ids = batch
        records = self._sources[source_name].records(image_ids)
        for image_id, record in zip(image_ids, records, strict=True):
            yield image_id, self._maker((source_name, record))


def _outcome(image_id: int, example: PreparedExample) -> bytes:
    return pickle.dumps((image_id, pickle.dumps(replace(example, features={}))))
