"""Files for the two challenges, and checks of them against the published rules.

iMaterialist (Fashion) 2019 at FGVC6: a csv with ImageId, EncodedPixels, ClassId, a row a mask
(kaggle.com/c/imaterialist-fashion-2019-FGVC6, Evaluation). ModaNet's challenge: a json in COCO's
results format, whose image ids are those of modanet2018_instances_val.json.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfseg.io.atomic_files import whole_file
from tfseg.structures.colour_terms import COLOUR_NAMES
from tfseg.structures.detections import Detections, mask_from_rle
from tfseg.structures.mask_geometry import remove_overlaps, resize_detections, with_pixels

FGVC6_SIDE = 512
FGVC6_NUM_ATTRIBUTES = 92
FGVC6_COLUMNS = ("ImageId", "EncodedPixels", "ClassId")
# Every image of the test set needs a row. sample_submission.csv fills one with a single pixel.
_FGVC6_FILLER = ("1 1", "23")


def fgvc6_class_ids(
    category_names: Sequence[str], label_descriptions_path: str | None = None
) -> dict[int, int]:
    """Returns the competition's ClassId, which counts from 0, by category id, which counts from 1.

    Args:
        category_names: Of the model, by category id - 1.
        label_descriptions_path: The competition's label_descriptions.json; categories are then
            found by their names. Without, the model has to know just the 46 in their order.

    Raises:
        ValueError: The model does not know the competition's categories.
    """
    if label_descriptions_path is None:
        if len(category_names) != 46:
            raise ValueError(
                f"the model knows {len(category_names)} categories, the FGVC6 competition has 46; "
                "give --label_descriptions_path to find them by their names, or a model trained on "
                "the fgvc6 data set."
            )
        return {category_id: category_id - 1 for category_id in range(1, 47)}
    by_name = _described_ids(label_descriptions_path, "categories")
    unknown = [name for name in category_names if name not in by_name]
    if len(unknown) == len(category_names):
        raise ValueError(
            f"{label_descriptions_path}: has none of the model's categories "
            f"({', '.join(unknown[:4])}, ...); expected a model trained on the fgvc6 data set."
        )
    return {i: by_name[name] for i, name in enumerate(category_names, 1) if name in by_name}


def _described_ids(path: str, kind: str) -> dict[str, int]:
    """Ids by name of label_descriptions.json's "categories" or "attributes"."""
    try:
        described = json.loads(Path(path).read_text(encoding="utf-8"))
        return {entry["name"]: int(entry["id"]) for entry in described[kind]}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: not the competition's label_descriptions.json ({error!r})."
        ) from None


def fgvc6_attribute_ids(
    attribute_names: Sequence[str], label_descriptions_path: str | None = None
) -> dict[str, int]:
    """Returns the competition's ids of attributes, 0 to 91, by name.

    Args:
        attribute_names: Of the model, in its order; colours are passed over, it has none.
        label_descriptions_path: As fgvc6_class_ids'; without, the model has to know just the 92 in
            their order.

    Raises:
        ValueError: The model does not know the competition's attributes.
    """
    attribute_names = [name for name in attribute_names if name not in COLOUR_NAMES]
    if not attribute_names:
        return {}
    if label_descriptions_path is None:
        if len(attribute_names) != FGVC6_NUM_ATTRIBUTES:
            raise ValueError(
                f"the model knows {len(attribute_names)} attributes, the FGVC6 competition has "
                f"{FGVC6_NUM_ATTRIBUTES}; give --label_descriptions_path to find them by their "
                "names, or --nosubmission_attributes."
            )
        return {name: number for number, name in enumerate(attribute_names)}
    by_name = _described_ids(label_descriptions_path, "attributes")
    known = {name: by_name[name] for name in attribute_names if name in by_name}
    if not known:
        raise ValueError(
            f"{label_descriptions_path}: has none of the model's attributes "
            f"({', '.join(attribute_names[:4])}, ...); give --nosubmission_attributes."
        )
    return known


def fgvc6_rows(
    image_id: str,
    detections: Detections,
    class_ids: Mapping[int, int],
    overlap_order: str,
    attribute_ids: Mapping[str, int] | None = None,
) -> list[tuple[str, str, str]]:
    """Returns the rows of one image: masks at 512 x 512, no two of which overlap.

    A row's ClassId is the category, or the category with the attributes that the garment is said to
    have, as 6_20_30: the ids ascend, as in train.csv.

    Args:
        image_id: The photo's file name.
        detections: At the photo's own size.
        class_ids: From fgvc6_class_ids; detections of other categories are left out.
        overlap_order: mask_geometry.remove_overlaps' order.
        attribute_ids: From fgvc6_attribute_ids; other attributes are left out. None: categories
            alone.
    """
    known = np.array([int(i) in class_ids for i in detections.category_ids], bool)
    resized = resize_detections(detections.select(known), (FGVC6_SIDE, FGVC6_SIDE))
    separate = remove_overlaps(resized, overlap_order)
    said = separate.attributes or [()] * len(separate)
    known_ids = attribute_ids or {}
    rows = []
    for rle, category_id, own in zip(separate.rles, separate.category_ids, said, strict=True):
        ids = {known_ids[name] for name, _ in own if name in known_ids}
        parts = [class_ids[int(category_id)], *sorted(ids)]
        rows.append((image_id, encoded_pixels(mask_from_rle(rle)), "_".join(map(str, parts))))
    return rows or [(image_id, *_FGVC6_FILLER)]


def encoded_pixels(mask: np.ndarray) -> str:
    """Encodes a mask as "start length start length ...": down columns, the first pixel is 1.

    Args:
        mask: [height, width], not 0 inside.
    """
    flat = np.concatenate([[0], (mask != 0).T.ravel(), [0]])
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.stack([edges[::2], edges[1::2] - edges[::2]], axis=1)
    return " ".join(map(str, runs.ravel().tolist()))


def write_fgvc6(path: str | Path, rows: Iterable[tuple[str, str, str]]) -> None:
    """Writes the csv as rows come, whole or not at all."""
    with (
        whole_file(path, "the submission") as partial,
        # A file name's stray byte is written as it is.
        partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FGVC6_COLUMNS)
        writer.writerows(rows)


def challenge_results(image_id: int, detections: Detections) -> list[dict]:
    """Returns one photo's entries of the ModaNet challenge's json, none without a pixel."""
    keys = ("image_id", "category_id", "segmentation", "bbox", "score")
    results = with_pixels(detections).to_coco_results(image_id)
    return [{key: result[key] for key in keys} for result in results]
