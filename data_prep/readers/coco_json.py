"""COCO json files: an index that stays small, and the way from a record to an AnnotatedImage.

Format: https://cocodataset.org/#format-data
"""

import json
from array import array
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_prep.annotations.annotated_image import MAX_IMAGE_ID
from data_prep.readers.json_streaming import list_elements
from data_prep.readers.photo_conversion import RawInstance, RawPhoto
from data_prep.readers.raw_dataset import REJECTED, Note

_LFS_POINTER = b"version https://git-lfs"


class CocoImage(NamedTuple):
    """One entry of a COCO json's `images`; sizes in pixels."""

    image_id: int
    file_name: str
    height: int
    width: int
    is_rejected: bool = False  # in a review: our own field, {"review": "rejected"}


class CocoRecord(NamedTuple):
    """One photo and its annotations as json texts, parsed only where they are worked on."""

    image: CocoImage
    annotation_texts: tuple[str, ...]

    def raw_photo(self) -> RawPhoto:
        """Parses the texts."""
        image = self.image
        annotations = [json.loads(text) for text in self.annotation_texts]
        return RawPhoto(
            image.image_id,
            image.file_name,
            annotated_hw=(image.height, image.width),
            instances=tuple(_raw_instance(a) for a in annotations if not _is_rejected(a)),
            dropped=tuple(
                Note(REJECTED, a["id"], image.file_name) for a in annotations if _is_rejected(a)
            ),
        )


def _is_rejected(entry: dict) -> bool:
    return entry.get("review") == "rejected"


def _raw_instance(annotation: dict) -> RawInstance:
    attribute_ids = annotation.get("attribute_ids")  # Fashionpedia's name for them
    if not isinstance(attribute_ids, list) or not set(map(type, attribute_ids)) <= {int}:
        attribute_ids = []
    return RawInstance(
        record_id=annotation["id"],
        raw_category_id=annotation["category_id"],
        segmentation=annotation["segmentation"],
        is_crowd=bool(annotation.get("iscrowd", 0)),
        bbox_xywh=annotation.get("bbox"),
        attribute_ids=tuple(sorted(set(attribute_ids))),
    )


class CocoJson:
    """A COCO json file, checked and indexed.

    Of the annotations, only where they lie is kept; they are read when asked for.

    Args:
        path: the file.
        needs_annotations: False accepts a file without the list `annotations`, as one of photos
            alone may be.
        add_to_image_ids: shifts all image ids, to keep those of several jsons apart.

    Attributes:
        images: in file order, ids may repeat.
        category_names: by category id.
        num_annotations: in the file.

    Raises:
        ValueError: The file is missing, a Git LFS pointer, not json or not COCO.
    """

    def __init__(self, path: Path, needs_annotations: bool = True, add_to_image_ids: int = 0):
        self.path = path
        self._add_to_image_ids = add_to_image_ids
        self.images: list[CocoImage] = []
        self.category_names: dict[int, str] = {}
        _check_is_there(path)
        spans = array("q")  # image id, annotation id, first byte, bytes; one after the other
        found = set()
        lists = ("images", "annotations", "categories")
        for key, index, value, start, num_bytes in list_elements(path, lists):
            found.add(key)
            if key == "images" and index is not None:
                self.images.append(self._image(index, value))
            elif key == "annotations" and index is not None:
                self._check_annotation(index, value)
                image_id = value["image_id"] + add_to_image_ids
                spans.extend((image_id, value["id"], start, num_bytes))
            elif key == "categories" and index is not None:
                self._add_category(index, value)
        optional = set() if needs_annotations else {"annotations"}
        for key in lists:
            if key not in found | optional:
                raise self._error(f"has no list '{key}'")
        table = np.array(spans, np.int64).reshape(-1, 4)
        self._spans = table[np.argsort(table[:, 0], kind="stable")]

    @property
    def num_annotations(self) -> int:
        """Of all images, unknown ones included."""
        return len(self._spans)

    def annotation_ids(self, image_id: int) -> list[int]:
        """The ids of an image's annotations, in file order."""
        return [int(row[1]) for row in self._rows(image_id)]

    def record(self, image: CocoImage) -> CocoRecord:
        """Cuts an image's annotations out of the file."""
        texts = []
        with self.path.open("rb") as file:
            for _, _, start, num_bytes in self._rows(image.image_id).tolist():
                file.seek(start)
                texts.append(file.read(num_bytes).decode())
        return CocoRecord(image, tuple(texts))

    def orphan_annotation_ids(self) -> list[int]:
        """The ids of annotations whose image is not in the file."""
        known = np.array([image.image_id for image in self.images], np.int64)
        return [int(i) for i in self._spans[~np.isin(self._spans[:, 0], known), 1]]

    def check_image_ids(self) -> None:
        """Finds ids that the prepared data set cannot keep.

        Raises:
            ValueError: An image's id is not in 0 .. 2^24 - 1.
        """
        for image in self.images:
            if not 0 <= image.image_id <= MAX_IMAGE_ID:
                raise ValueError(
                    f"{self.path}: got image id {image.image_id}, expected 0..{MAX_IMAGE_ID}: "
                    "larger ones lose digits in evaluation; give the images smaller ids."
                )

    def _rows(self, image_id: int) -> np.ndarray:
        first = np.searchsorted(self._spans[:, 0], image_id, "left")
        last = np.searchsorted(self._spans[:, 0], image_id, "right")
        return self._spans[first:last]

    def _image(self, index: int, value: Any) -> CocoImage:
        where = f"images[{index}]"
        fields = [_integer(self, where, value, key) for key in ("id", "height", "width")]
        if fields[1] < 1 or fields[2] < 1:
            raise self._error(f"{where} has size {fields[2]}x{fields[1]}, expected at least 1x1")
        file_name = str(value.get("file_name", fields[0]))
        image_id = fields[0] + self._add_to_image_ids
        return CocoImage(image_id, file_name, fields[1], fields[2], _is_rejected(value))

    def _check_annotation(self, index: int, value: Any) -> None:
        for key in ("id", "image_id", "category_id"):
            _integer(self, f"annotations[{index}]", value, key)
        if "segmentation" not in value:
            raise self._error(f"annotations[{index}] has no 'segmentation'")

    def _add_category(self, index: int, value: Any) -> None:
        category_id = _integer(self, f"categories[{index}]", value, "id")
        if not isinstance(value.get("name"), str):
            raise self._error(f"categories[{index}] has no 'name'")
        self.category_names[category_id] = value["name"]

    def _error(self, what: str) -> ValueError:
        return ValueError(f"{self.path}: not a COCO json: {what}.")


def _check_is_there(path: Path) -> None:
    if not path.is_file():
        raise ValueError(f"{path}: no such file; see the data set's README for where to get it.")
    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise ValueError(
                f"{path}: a Git LFS pointer, not the json itself; run `git lfs pull` in its clone."
            )


def _integer(coco: CocoJson, where: str, value: Any, key: str) -> int:
    if not isinstance(value, dict):
        raise coco._error(f"{where} is {str(value)[:40]!r}, expected an object")
    got = value.get(key)
    if isinstance(got, bool) or not isinstance(got, int) or not -(2**62) < got < 2**62:
        raise coco._error(f"{where} has {key} {str(got)[:40]}, expected an integer")
    return got
