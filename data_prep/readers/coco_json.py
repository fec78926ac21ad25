"""COCO json files: an index that stays small, and the way from a record to an AnnotatedImage.

Format: https://cocodataset.org/#format-data
"""

import json
from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_prep.annotations.annotated_image import MAX_IMAGE_ID
from data_prep.annotations.mask_confidence import GOOD
from data_prep.readers.json_streaming import list_elements
from data_prep.readers.photo_conversion import RawInstance, RawPhoto
from data_prep.readers.raw_dataset import REJECTED, UNSURE_MASK, Note
from tfseg.structures.coco_values import is_crowd, known_whole_number, whole_number

_LFS_POINTER = b"version https://git-lfs"


class CocoImage(NamedTuple):
    """One entry of a COCO json's `images`; sizes in pixels, None where the json has none."""

    image_id: int
    file_name: str
    height: int | None
    width: int | None
    review: str | None = None  # our own field, such as "rejected"
    confidence: float | None = None  # of the mask, auto_mask's own field

    @property
    def size_hw(self) -> tuple[int, int] | None:
        """Height and width; None where the json has none."""
        if self.height is None or self.width is None:
            return None
        return self.height, self.width

    @property
    def is_rejected(self) -> bool:
        """Whether whoever looked at the photo rejected it."""
        return self.review == "rejected"

    @property
    def is_unsure(self) -> bool:
        """Whether the mask's confidence is low and nobody has accepted it."""
        is_low = self.confidence is not None and self.confidence < GOOD
        return is_low and self.review != "accepted"


class CocoRecord(NamedTuple):
    """One photo and its annotations as json texts, parsed only where they are worked on.

    Attributes:
        image: the photo's entry.
        annotation_texts: as the file has them.
        annotation_ids: of those that have none of their own; may be shorter.
    """

    image: CocoImage
    annotation_texts: tuple[str, ...]
    annotation_ids: tuple[int, ...] = ()

    def raw_photo(self) -> RawPhoto:
        """Parses the texts."""
        image = self.image
        annotations = [
            {"id": annotation_id, **json.loads(text)}
            for annotation_id, text in zip_longest(self.annotation_ids, self.annotation_texts)
        ]
        return RawPhoto(
            image.image_id,
            image.file_name,
            annotated_hw=image.size_hw,
            instances=tuple(_raw_instance(a) for a in annotations if not _is_rejected(a)),
            dropped=tuple(
                Note(REJECTED, a["id"], image.file_name) for a in annotations if _is_rejected(a)
            ),
            repairs=(Note(UNSURE_MASK, image.image_id, image.file_name),) * image.is_unsure,
        )


def _is_rejected(entry: dict) -> bool:
    return entry.get("review") == "rejected"


def _raw_instance(annotation: dict) -> RawInstance:
    found = annotation.get("attribute_ids")  # Fashionpedia's name for them
    attribute_ids = None
    if isinstance(found, list) and set(map(type, found)) <= {int}:
        attribute_ids = tuple(sorted(set(found)))
    return RawInstance(
        record_id=known_whole_number(annotation["id"]),
        raw_category_id=known_whole_number(annotation["category_id"]),
        segmentation=annotation.get("segmentation"),
        is_crowd=is_crowd(annotation),
        bbox_xywh=annotation.get("bbox"),
        attribute_ids=attribute_ids,
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
        supercategories: by category id, "none" where it has none.
        attribute_names: by attribute id, where it has Fashionpedia's list `attributes`.
        num_annotations_by_category: in the file, by category id.
        num_annotations: in the file.

    Raises:
        ValueError: The file is missing, a Git LFS pointer, not json or not COCO.
    """

    def __init__(self, path: Path, needs_annotations: bool = True, add_to_image_ids: int = 0):
        self.path = path
        self._add_to_image_ids = add_to_image_ids
        self.images: list[CocoImage] = []
        self.category_names: dict[int, str] = {}
        self.supercategories: dict[int, str] = {}
        self.attribute_names: dict[int, str] = {}
        self.num_annotations_by_category: Counter[int] = Counter()
        _check_is_there(path)
        spans = array("q")  # image id, annotation id, first byte, bytes; one after the other
        found = set()
        lists = ("images", "annotations", "categories")
        for key, index, value, start, num_bytes in list_elements(path, (*lists, "attributes")):
            found.add(key)
            if key == "images" and index is not None:
                self.images.append(self._image(index, value))
            elif key == "annotations" and index is not None:
                image_id, annotation_id, category_id = self._annotation_ids(index, value)
                spans.extend((image_id + add_to_image_ids, annotation_id, start, num_bytes))
                self.num_annotations_by_category[category_id] += 1
            elif key == "categories" and index is not None:
                self._add_category(index, value)
            elif key == "attributes" and index is not None:
                attribute_id, name = self._named(f"attributes[{index}]", value)
                self.attribute_names[attribute_id] = name
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

    def record(self, image: CocoImage, more_ids: Sequence[int] = ()) -> CocoRecord:
        """Cuts an image's annotations out of the file, and those of further image ids."""
        texts, ids = [], []
        with self.path.open("rb") as file:
            for image_id in (image.image_id, *more_ids):
                for _, annotation_id, start, num_bytes in self._rows(image_id).tolist():
                    file.seek(start)
                    texts.append(file.read(num_bytes).decode())
                    ids.append(annotation_id)
        return CocoRecord(image, tuple(texts), tuple(ids))

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
        image_id = _integer(self, where, value, "id")
        height, width = value.get("height"), value.get("width")
        if height is not None or width is not None:  # else the photo's own
            height, width = (_integer(self, where, value, key) for key in ("height", "width"))
            if min(height, width) < 1:
                raise self._error(f"{where} has size {width}x{height}, expected at least 1x1")
        file_name = str(value.get("file_name", image_id))
        confidence = value.get("confidence")
        return CocoImage(
            image_id + self._add_to_image_ids,
            file_name,
            height,
            width,
            value.get("review"),
            confidence if isinstance(confidence, int | float) else None,
        )

    def _annotation_ids(self, index: int, value: Any) -> tuple[int, int, int]:
        """The ids of its image, of itself (its place where it has none) and of its category."""
        where = f"annotations[{index}]"
        image_id, category_id = (
            _integer(self, where, value, key) for key in ("image_id", "category_id")
        )
        annotation_id = _integer(self, where, value, "id") if "id" in value else index + 1
        try:
            is_crowd(value)
        except ValueError as error:
            raise self._error(f"{where} {error}") from None
        return image_id, annotation_id, category_id

    def _add_category(self, index: int, value: Any) -> None:
        category_id, name = self._named(f"categories[{index}]", value)
        if self.category_names.get(category_id, name) != name:
            raise self._error(
                f"categories[{index}] has the id {category_id} of "
                f"{self.category_names[category_id]!r} again, for {name!r}"
            )
        self.category_names[category_id] = name
        self.supercategories[category_id] = str(value.get("supercategory") or "none")

    def _named(self, where: str, value: Any) -> tuple[int, str]:
        """The id and name of a category or attribute."""
        number = _integer(self, where, value, "id")
        if not isinstance(value.get("name"), str):
            raise self._error(f"{where} has no 'name'")
        name = value["name"]
        if not name.strip() or not name.isprintable():
            raise self._error(f"{where} has name {name[:40]!r}, expected words without line breaks")
        return number, name

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
    number = whole_number(got)
    if number is None:
        advice = "; number the images and let image_id have the same numbers"
        is_image_id = key == "image_id" or (key == "id" and where.startswith("images"))
        raise coco._error(
            f"{where} has {key} {str(got)[:40]!r}, expected a whole number"
            f"{advice if is_image_id and got is not None else ''}"
        )
    return number
