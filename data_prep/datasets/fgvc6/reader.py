"""FGVC6's raw files as a raw data set."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from data_prep.datasets.fgvc6.raw_files import Fgvc6Paths, read_labels
from data_prep.datasets.fgvc6.train_csv import CsvRecord, TrainCsv
from data_prep.readers.photo_conversion import PhotoConverter, RawPhoto, RecordConverter
from data_prep.readers.photo_folder import PhotoFolder
from data_prep.readers.photo_names import other_names
from data_prep.readers.raw_dataset import ImageKey, Note, RawDataset, RawSource
from tfseg.io.photo_files import find_files

# FGVC6 names its photos by 32 hex digits; evaluation wants whole numbers below 2^24. Ours follow
# the names' order, above all of ModaNet's: a photo has the same id alone and in `combined`.
FIRST_TRAIN_ID = 2**23
FIRST_TEST_ID = FIRST_TRAIN_ID + 2**22


@dataclass
class TrainSource(RawSource):
    """The photos of train.csv."""

    csv: TrainCsv = field(kw_only=True)

    def records(self, image_ids: list[int]) -> Iterator[CsvRecord]:
        """Yields each photo with its rows."""
        ranks = [image_id - FIRST_TRAIN_ID for image_id in image_ids]
        for rank, rows in zip(ranks, self.csv.texts(ranks), strict=True):
            name = self.csv.file_names[rank]
            yield CsvRecord(FIRST_TRAIN_ID + rank, name, rows, self.csv.columns)


class PhotoRecord(NamedTuple):
    """A photo without annotations."""

    image_id: int
    file_name: str

    def raw_photo(self) -> RawPhoto:
        """The photo; its size is not known before it is read."""
        return RawPhoto(self.image_id, self.file_name, annotated_hw=None)


@dataclass
class TestSource(RawSource):
    """The photos of test/."""

    file_names: dict[int, str] = field(default_factory=dict)

    def records(self, image_ids: list[int]) -> Iterator[PhotoRecord]:
        """Yields each photo."""
        return (PhotoRecord(image_id, self.file_names[image_id]) for image_id in image_ids)


def open_raw_dataset(
    paths: Fgvc6Paths,
    max_side: int | None,
    category_ids: Mapping[int, int | None] | None = None,
) -> RawDataset:
    """Indexes train.csv and lists test/; no photos yet.

    Args:
        paths: from find_raw_files.
        max_side: the longest side to keep, pixels; None keeps the size.
        category_ids: FGVC6's id -> another data set's, None where it leaves one out; unless given,
            FGVC6's ids plus 1.

    Raises:
        ValueError: A file is not what it should be.
    """
    labels = read_labels(paths.label_descriptions)
    if category_ids is None:
        category_ids = {i: i + 1 for i in range(len(labels.category_names))}
    photo_converter = PhotoConverter(category_ids, max_side)
    csv = TrainCsv(paths.train_csv)
    converter = RecordConverter(
        PhotoFolder(paths.train_dir), photo_converter, other_names(paths.train_dir, csv.file_names)
    )
    sources: list[RawSource] = [_train_source(csv, converter)]
    if paths.test_dir is not None:
        converter = RecordConverter(PhotoFolder(paths.test_dir), photo_converter)
        sources.append(_test_source(paths.test_dir, set(csv.file_names), converter))
    return RawDataset(labels.category_names, sources, labels.attribute_names)


def _train_source(csv: TrainCsv, converter: RecordConverter) -> TrainSource:
    source = TrainSource("train.csv", len(csv.file_names), csv.num_rows, converter, csv=csv)
    source.dropped = [Note("malformed_row", line, "") for line in csv.lines_without_image]
    source.keys = [
        ImageKey(FIRST_TRAIN_ID + rank, f"photo {name}") for rank, name in enumerate(csv.file_names)
    ]
    return source


def _test_source(test_dir: Path, train_names: set[str], converter: RecordConverter) -> TestSource:
    found = find_files(test_dir, below=False)
    found.tell_others()
    names = [path.name for path in found.photos]
    source = TestSource("test/", len(names), 0, converter, split="challenge")
    for image_id, name in enumerate(names, start=FIRST_TEST_ID):
        if name in train_names:
            source.left_out.append(Note("also_in_train_csv", image_id, name))
        else:
            source.file_names[image_id] = name
            source.keys.append(ImageKey(image_id, ""))
    return source
