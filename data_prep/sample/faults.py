"""The originals' faults, put into the sample so that readers meet them."""

from dataclasses import dataclass

import numpy as np

PAIR_SWAP_CHANCE = 0.4
STRAY_POLYGON_CHANCE = 0.03


@dataclass(frozen=True)
class Faults:
    """Which photos (by number, from 0) have what wrong with them.

    Attributes:
        missing: In the json and the SQLite table but not in the LMDB.
        grey: A grey-level JPEG.
        unannotated: Nobody in it and no annotations.
        line_only: Has an instance whose only polygon has two points.
    """

    missing: frozenset[int]
    grey: frozenset[int]
    unannotated: frozenset[int]
    line_only: frozenset[int]


def choose_faults(num_images: int, seed: int) -> Faults:
    """One photo of each fault per 400 photos, never the same photo twice."""
    of_each = 1 + num_images // 400
    order = np.random.default_rng((seed, 3)).permutation(num_images)
    parts = [frozenset(order[i * of_each : (i + 1) * of_each].tolist()) for i in range(4)]
    return Faults(*parts)


def swap_pair_bboxes(annotations: list[dict], rng: np.random.Generator) -> None:
    """Gives some shoes of pairs the x, y of the other shoe's bbox, as ModaNet does.

    Width and height stay right: bbox [200, 506, 27, 53] with its polygon at [109, 473, 27, 53].
    """
    for category_id in (3, 4):
        pair = [a for a in annotations if a["category_id"] == category_id]
        if len(pair) == 2 and rng.random() < PAIR_SWAP_CHANCE:
            first, second = pair[0]["bbox"], pair[1]["bbox"]
            pair[0]["bbox"] = [*second[:2], *first[2:]]
            pair[1]["bbox"] = [*first[:2], *second[2:]]


def add_stray_polygons(annotations: list[dict], rng: np.random.Generator) -> None:
    """Adds a polygon of two points to some segmentations."""
    for annotation in annotations:
        if rng.random() < STRAY_POLYGON_CHANCE:
            x, y = annotation["segmentation"][0][:2]
            annotation["segmentation"].append([x, y, x + 1, y + 2])


def line_only_annotation(image_id: int) -> dict:
    """An instance whose only polygon has two points."""
    return {
        "segmentation": [[12, 20, 15, 24]], "area": 12, "iscrowd": 0, "image_id": image_id,
        "bbox": [12, 20, 3, 4], "category_id": 1,
    }  # fmt: skip
