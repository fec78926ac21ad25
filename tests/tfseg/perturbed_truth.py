"""COCO ground truth of ellipses, and detections that go wrong in every way a model's do."""

import numpy as np
from pycocotools import mask as coco_mask

SIZE_HW = (320, 240)


def rle_of_ellipse(centre_yx, radius_yx, size_hw=SIZE_HW):
    y, x = np.ogrid[: size_hw[0], : size_hw[1]]
    inside = ((y - centre_yx[0]) / radius_yx[0]) ** 2 + ((x - centre_yx[1]) / radius_yx[1]) ** 2 < 1
    rle = coco_mask.encode(np.asfortranarray(inside, np.uint8))
    return {"size": list(size_hw), "counts": rle["counts"].decode()}


def bbox_of(rle):
    return [float(value) for value in coco_mask.toBbox(rle)]


def make(num_images, num_categories, seed, crowds=False, per_image=6, size_hw=SIZE_HW):
    """Returns a COCO ground truth (dict) and COCO results, the same for the same seed."""
    rng = np.random.default_rng(seed)
    names = [f"kind {number}" for number in range(1, num_categories + 1)]
    content = {
        "images": [
            {"id": 100 + i, "width": size_hw[1], "height": size_hw[0], "file_name": f"{i}.jpg"}
            for i in range(num_images)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, start=1)],
        "annotations": [],
    }
    results = []
    for image in content["images"]:
        for _ in range(rng.integers(0, per_image)):
            centre = rng.uniform(0.15, 0.85, 2) * size_hw
            radius = np.exp(rng.uniform(np.log(4), np.log(0.4 * min(size_hw)), 2))
            rle = rle_of_ellipse(centre, radius, size_hw)
            if not coco_mask.area(rle):
                continue
            category_id = int(rng.integers(1, num_categories + 1))
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": image["id"],
                    "category_id": category_id,
                    "bbox": bbox_of(rle),
                    "area": float(coco_mask.area(rle)),
                    "iscrowd": int(crowds and rng.random() < 0.1),
                    "segmentation": rle,
                }
            )
            for _ in range(rng.choice([0, 1, 2], p=[0.2, 0.6, 0.2])):
                shift = rng.normal(0, 0.15, 2) * radius
                found = rle_of_ellipse(
                    centre + shift, radius * np.exp(rng.normal(0, 0.15, 2)), size_hw
                )
                wrong = rng.random() < 0.15
                results.append(
                    _result(
                        image["id"],
                        int(rng.integers(1, num_categories + 1)) if wrong else category_id,
                        found,
                        rng.beta(4, 2),
                    )
                )
        for _ in range(rng.integers(0, 3)):
            found = rle_of_ellipse(rng.uniform(0, 1, 2) * size_hw, rng.uniform(5, 40, 2), size_hw)
            category_id = int(rng.integers(1, num_categories + 1))
            results.append(_result(image["id"], category_id, found, rng.beta(2, 4)))
    return content, [result for result in results if result["bbox"][2] > 0]


def _result(image_id, category_id, rle, score):
    return {
        "image_id": image_id,
        "category_id": category_id,
        "bbox": bbox_of(rle),
        "score": round(float(score), 4),
        "segmentation": rle,
    }
