"""Drawn photos with garments of every shape that formats stumble over, as a COCO json of RLE."""

import json
from pathlib import Path

import cv2
import numpy as np

from data_prep.annotations import masks
from tests.data_prep import drawn_products

CATEGORIES = ("bag", "dress", "footwear", "top & <more>")
SIZES_HW = {"dress/red one.jpg": (120, 90), "top/b.jpg": (80, 100), "top/plain.jpg": (50, 40)}


def garments() -> dict[str, list[tuple[str, np.ndarray]]]:
    """Categories and masks, uint8 [height, width] of 0 and 1, by the photo's name."""
    height, width = SIZES_HW["dress/red one.jpg"]
    pair = np.zeros((height, width), np.uint8)
    pair[100:112, 5:20] = pair[98:115, 60:80] = 1
    corner = np.zeros((height, width), np.uint8)
    corner[:13, :7] = 1
    whole_edge = np.zeros((80, 100), np.uint8)
    whole_edge[60:, 30:] = 1
    cv2.ellipse(whole_edge, (60, 30), (25, 17), 20, 0, 360, 1, -1)
    speckled = (np.random.default_rng(3).random((80, 100)) > 0.5).astype(np.uint8)
    return {
        "dress/red one.jpg": [
            ("dress", drawn_products.shirt((height, width), hole=True)),
            ("footwear", pair),
            ("bag", corner),
        ],
        "top/b.jpg": [("top & <more>", whole_edge), ("bag", speckled)],
        "top/plain.jpg": [],
    }


def write_photos(folder: Path) -> Path:
    """Draws the photos below a folder."""
    for name, (height, width) in SIZES_HW.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = drawn_products.photo("grey", drawn_products.shirt((height, width)))
        cv2.imwrite(str(path), picture)
    return folder


def write_coco(path: Path, without: tuple[str, ...] = ()) -> Path:
    """Writes the masks as RLE; without the garments of some categories."""
    images, annotations = [], []
    for image_id, (name, labels) in enumerate(garments().items(), start=1):
        height, width = SIZES_HW[name]
        images.append({"id": image_id, "file_name": name, "height": height, "width": width})
        for category, mask in labels:
            if category in without:
                continue
            rle = masks.rle_from_mask(mask)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": CATEGORIES.index(category) + 1,
                    "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()},
                    "iscrowd": 0,
                }
            )
    categories = [{"id": i, "name": name} for i, name in enumerate(CATEGORIES, start=1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content))
    return path


def coco_masks(path: Path) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Reads a COCO json with pycocotools: what `garments` gives."""
    from pycocotools.coco import COCO

    coco = COCO(str(path))
    found = {}
    for image_id, image in coco.imgs.items():
        annotations = coco.loadAnns(coco.getAnnIds(image_id))
        found[image["file_name"]] = [
            (coco.cats[a["category_id"]]["name"], coco.annToMask(a)) for a in annotations
        ]
    return found
