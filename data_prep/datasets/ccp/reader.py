"""Clothing Co-Parsing as a raw data set: a label for every pixel -> instances."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import PIL.Image

from data_prep.datasets.ccp.raw_files import (
    CcpPaths,
    LabelRule,
    read_label_names,
    read_label_rules,
    read_mat,
)
from data_prep.datasets.modanet.reader import CATEGORY_NAMES as MODANET_CATEGORIES
from data_prep.readers.photo_conversion import (
    PhotoConverter,
    RawInstance,
    RawPhoto,
    RecordConverter,
)
from data_prep.readers.photo_folder import PhotoFolder
from data_prep.readers.raw_dataset import ImageKey, Note, RawDataset, RawSource

# Above all of ModaNet's and FGVC6's: a photo has the same id alone and in `combined`.
FIRST_ID = 2**23 + 2**22 + 2**20
_LEAST_PIXELS = 60  # of an instance: less is a slip of the labelling
_MAX_ASPECT_CHANGE = 0.02  # of a label picture that is of another size than its photo
_RECORDS_A_PHOTO = 1000  # a label's number is below it


class LabelledRecord(NamedTuple):
    """A photo with a label for every pixel; read where it is worked on.

    Attributes:
        image_id: FIRST_ID + the photo's number.
        photo_path: of the photo, for its size.
        labels_path: annotations/pixel-level/NNNN.mat.
        rules: by label.
    """

    image_id: int
    photo_path: Path
    labels_path: Path
    rules: tuple[LabelRule | None, ...]

    def raw_photo(self) -> RawPhoto:
        """Cuts the label picture into instances."""
        name = self.photo_path.name
        try:
            labels = read_mat(self.labels_path, "groundtruth")
        except ValueError:
            return RawPhoto(self.image_id, name, None, unusable_reason="labels_unreadable")
        if labels.ndim != 2 or not labels.size or labels.max() >= len(self.rules):
            return RawPhoto(self.image_id, name, None, unusable_reason="labels_malformed")
        labels, repairs = self._fitted(labels)
        instances, dropped = [], []
        for label, masks in label_masks(labels, self.rules):
            record_id = (self.image_id - FIRST_ID) * _RECORDS_A_PHOTO + label
            if not masks:
                dropped.append(Note("under_60_pixels", record_id, name))
            instances += [RawInstance(record_id, label, mask) for mask in masks]
        return RawPhoto(
            self.image_id, name, labels.shape, tuple(instances), tuple(dropped), repairs=repairs
        )

    def _fitted(self, labels: np.ndarray) -> tuple[np.ndarray, tuple[Note, ...]]:
        """The label picture at the photo's size, where only its scale differs."""
        try:
            with PIL.Image.open(self.photo_path) as photo:
                width, height = photo.size
        except OSError:  # told of where the photo is read
            return labels, ()
        change = labels.shape[1] * height / (labels.shape[0] * width)
        if labels.shape == (height, width) or abs(change - 1) > _MAX_ASPECT_CHANGE:
            return labels, ()
        fitted = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
        return fitted, (Note("label_picture_resized", self.image_id, self.photo_path.name),)


def label_masks(
    labels: np.ndarray, rules: tuple[LabelRule | None, ...]
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yields the labels of a label picture, those of one category as one, with their masks.

    Where a photo has a blazer and a sweater, nobody can tell whether the wearer's outer garment is
    one or two: they are one instance.

    Args:
        labels: uint8 [height, width].
        rules: by label; None for "null".

    Yields:
        The smallest label of a category (a label that is left out stands alone), and masks as
        instance_masks'.
    """
    groups: dict[str | int, list[int]] = {}
    for label in np.flatnonzero(np.bincount(labels.ravel(), minlength=len(rules))).tolist():
        rule = rules[label]
        if rule is not None:
            groups.setdefault(rule.category or label, []).append(label)
    for group in groups.values():
        rule = rules[group[0]]
        assert rule is not None
        yield group[0], instance_masks(np.isin(labels, group), rule.num_instances)


def instance_masks(mask: np.ndarray, num_instances: int) -> list[np.ndarray]:
    """Cuts a label's pixels into instances.

    Args:
        mask: bool [height, width].
        num_instances: 1: all pixels are one. More: so many of the largest connected pieces.

    Returns:
        uint8 [height, width] each, the largest first; those under 60 pixels are left out.
    """
    mask = mask.astype(np.uint8)
    if num_instances == 1:
        return [mask] if np.count_nonzero(mask) >= _LEAST_PIXELS else []
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    largest = np.argsort(-areas, kind="stable")[:num_instances]
    return [
        (pieces == index + 1).astype(np.uint8) for index in largest if areas[index] >= _LEAST_PIXELS
    ]


class UnlabelledRecord(NamedTuple):
    """A photo without labels."""

    image_id: int
    file_name: str

    def raw_photo(self) -> RawPhoto:
        """The photo; its size is not known before it is read."""
        return RawPhoto(self.image_id, self.file_name, annotated_hw=None)


@dataclass
class LabelledSource(RawSource):
    """The photos of annotations/pixel-level."""

    paths: CcpPaths | None = None
    rules: tuple[LabelRule | None, ...] = ()

    def records(self, image_ids: list[int]) -> Iterator[LabelledRecord]:
        """Yields each photo with where its labels lie."""
        assert self.paths is not None
        for image_id in image_ids:
            name = f"{image_id - FIRST_ID:04d}"
            yield LabelledRecord(
                image_id,
                self.paths.photos_dir / f"{name}.jpg",
                self.paths.pixel_dir / f"{name}.mat",
                self.rules,
            )


@dataclass
class UnlabelledSource(RawSource):
    """The photos that have no labels of pixels."""

    numbers: list[int] = field(default_factory=list)

    def records(self, image_ids: list[int]) -> Iterator[UnlabelledRecord]:
        """Yields each photo."""
        return (UnlabelledRecord(i, f"{i - FIRST_ID:04d}.jpg") for i in image_ids)


def open_raw_dataset(
    paths: CcpPaths, max_side: int | None, categories: str = "modanet"
) -> RawDataset:
    """Lists the photos; none is read.

    Args:
        paths: from find_raw_files.
        max_side: the longest side to keep, pixels; None keeps the size.
        categories: "modanet" for ModaNet's 13, "own" for the garment labels of its own.

    Raises:
        ValueError: A file is not what it should be, or has a label that labels.csv does not know.
    """
    label_names = read_label_names(paths.label_list)
    by_name = read_label_rules(categories)
    unknown = sorted(set(label_names[1:]) - set(by_name))
    if unknown:
        raise ValueError(
            f"{paths.label_list}: got the label {unknown[0]!r}, which labels.csv does not know; "
            "add a line for it there."
        )
    rules = (None, *(by_name[name] for name in label_names[1:]))
    names = tuple(rule.category for rule in rules if rule and rule.category)
    names = MODANET_CATEGORIES if categories == "modanet" else tuple(dict.fromkeys(names))
    ids = {name: index for index, name in enumerate(names, start=1)}
    category_ids = {
        label: ids[rule.category] if rule.category else None
        for label, rule in enumerate(rules)
        if rule
    }
    converter = RecordConverter(
        PhotoFolder(paths.photos_dir), PhotoConverter(category_ids, max_side)
    )
    numbers = _numbers(paths.pixel_dir, ".mat")
    labelled = LabelledSource(
        "pixel-level", len(numbers), 0, converter, keys=_keys(numbers), paths=paths, rules=rules
    )
    labelled.num_annotations = sum(
        _num_annotations(paths.pixel_dir / f"{number:04d}.mat", rules) for number in numbers
    )
    others = sorted(set(_numbers(paths.photos_dir, ".jpg")) - set(numbers))
    unlabelled = UnlabelledSource(
        "image-level", len(others), 0, converter, keys=_keys(others), split="unlabelled"
    )
    return RawDataset(
        names,
        [labelled, *([unlabelled] if others else [])],
        photo_tags=_photo_tags(paths.tags_dir, others, rules),
    )


def _photo_tags(
    tags_dir: Path | None, numbers: list[int], rules: tuple[LabelRule | None, ...]
) -> dict[str, tuple[str, ...]]:
    """The categories of photos without pixels, by file name; tells of those that have none."""
    tags: dict[str, tuple[str, ...]] = {}
    if tags_dir is None:
        return tags
    faults = []
    for number in numbers:
        try:
            labels = read_mat(tags_dir / f"{number:04d}.mat", "tags").ravel().tolist()
            found = [rules[label] for label in labels]
        except (ValueError, IndexError, TypeError) as error:
            faults.append(str(error))
            continue
        names = {rule.category for rule in found if rule and rule.category}
        tags[f"{number:04d}.jpg"] = tuple(sorted(names))
    if faults:
        print(f"{len(faults)} photos without usable tags, e.g. {faults[0]}", file=sys.stderr)
    return tags


def _numbers(folder: Path, suffix: str) -> list[int]:
    stems = (path.stem for path in folder.iterdir() if path.suffix == suffix)
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())


def _num_annotations(path: Path, rules: tuple[LabelRule | None, ...]) -> int:
    """How many annotations a photo's labels are: instances, and labels too small to be one."""
    try:
        labels = read_mat(path, "groundtruth")
    except ValueError:
        return 0  # told of with its photo
    if labels.ndim != 2 or not labels.size or labels.max() >= len(rules):
        return 0
    return sum(max(1, len(masks)) for _, masks in label_masks(labels, rules))


def _keys(numbers: list[int]) -> list[ImageKey]:
    return [ImageKey(FIRST_ID + number, f"photo {number:04d}.jpg") for number in numbers]
