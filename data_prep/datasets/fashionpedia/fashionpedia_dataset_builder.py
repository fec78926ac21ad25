"""The prepared data set `fashionpedia`."""

from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.build.builder import PreparedDatasetBuilder
from data_prep.build.preparation import PrepOptions
from data_prep.convert.coco_layouts import Part
from data_prep.datasets.coco.reader import open_raw_dataset
from data_prep.readers.raw_dataset import RawDataset

_JSON = "instances_attributes_{}2020.json"


class Builder(PreparedDatasetBuilder):
    """Fashionpedia 2020: masks, categories and attributes of garments and their parts."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "The jsons and the photos of both zips, as in README.md."

    @classmethod
    def raw_files(cls, raw_dir: Path, options: PrepOptions) -> list[Path]:
        """The jsons and the photos' folders."""
        return list(dict.fromkeys(path for part in find_parts(raw_dir) for path in part[:2]))

    @classmethod
    def open_raw(cls, raw_dir: Path, options: PrepOptions) -> RawDataset:
        """Reads the jsons."""
        return open_raw_dataset(find_parts(raw_dir), options.max_side)


def find_parts(raw_dir: Path) -> list[Part]:
    """Finds train's json and photos, and val's where they are there.

    Raises:
        ValueError: train's are missing, or a json's photos are.
    """
    parts = []
    for split, photos in (("train", "train"), ("val", "test")):
        name = _JSON.format(split)
        found = [
            path for path in (raw_dir / name, raw_dir / "annotations" / name) if path.is_file()
        ]
        if not found and split == "train":
            raise ValueError(
                f"{raw_dir / name}: no such file; expected Fashionpedia's files in --raw_dir as in "
                "data_prep/datasets/fashionpedia/README.md."
            )
        if found and not (raw_dir / photos).is_dir():
            raise ValueError(
                f"{raw_dir / photos}: no such folder; unpack there the photos of {found[0].name}."
            )
        if found:
            parts.append(Part(found[0], raw_dir / photos, split))
    return parts
