"""Detections at another size, and without overlaps."""

import dataclasses

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from tfseg.structures.detections import Detections, mask_from_rle

OVERLAP_ORDERS = ("smaller_first", "score")


def resize_detections(detections: Detections, size_hw: tuple[int, int]) -> Detections:
    """Returns the same detections on a photo of another size.

    A pixel belongs to a mask where the mask covers at least half of it.

    Args:
        detections: At their photo's size.
        size_hw: Height and width wanted; the aspect may change.
    """
    height, width = detections.image_size_hw
    if (height, width) == tuple(size_hw):
        return detections
    scale_yx = size_hw[0] / height, size_hw[1] / width
    interpolation = cv2.INTER_AREA if min(scale_yx) < 1 else cv2.INTER_LINEAR
    masks = []
    for rle in detections.rles:
        covered = cv2.resize(255 * mask_from_rle(rle), size_hw[::-1], interpolation=interpolation)
        masks.append(_encode(covered >= 128))
    return dataclasses.replace(
        detections,
        boxes_yxyx=detections.boxes_yxyx * np.array([*scale_yx, *scale_yx], np.float32),
        rles=tuple(masks),
        image_size_hw=(size_hw[0], size_hw[1]),
    )


def fit_within(image_rgb: np.ndarray, detections: Detections, max_side: int):
    """Returns a photo and its detections, made smaller where a side is above max_side pixels."""
    height, width = image_rgb.shape[:2]
    scale = max_side / max(height, width)
    if scale >= 1:
        return image_rgb, detections
    size_hw = max(1, round(height * scale)), max(1, round(width * scale))
    smaller = cv2.resize(image_rgb, size_hw[::-1], interpolation=cv2.INTER_AREA)
    return smaller, resize_detections(detections, size_hw)


def with_pixels(detections: Detections) -> Detections:
    """Returns the detections whose mask has a pixel: a doubtful one can be below 0.5 everywhere."""
    if not len(detections):
        return detections
    return detections.select(coco_mask.area(list(detections.rles)) > 0)


def remove_overlaps(detections: Detections, order: str) -> Detections:
    """Gives every pixel to one detection.

    Args:
        detections: Masks may overlap.
        order: "smaller_first": the mask of smaller area keeps a contested pixel, so that a belt
            stays on its dress (the original's refine_masks does so); "score": the better scored.

    Returns:
        What is left of each, boxes drawn around it; those of which nothing is left are gone.

    Raises:
        ValueError: An unknown order.
    """
    if order not in OVERLAP_ORDERS:
        raise ValueError(f"overlaps: got {order!r}, expected one of {', '.join(OVERLAP_ORDERS)}.")
    if not len(detections):
        return detections
    areas = coco_mask.area(list(detections.rles)).astype(np.float64)
    ranks = areas if order == "smaller_first" else -detections.scores.astype(np.float64)
    taken = np.zeros(detections.image_size_hw, bool)
    masks, boxes = list(detections.rles), detections.boxes_yxyx.copy()
    kept = np.zeros(len(detections), bool)
    for index in np.argsort(ranks, kind="stable"):
        own = mask_from_rle(masks[index]).astype(bool)
        if (own & taken).any():
            own &= ~taken
            masks[index] = _encode(own)
            x, y, width, height = coco_mask.toBbox(masks[index])
            boxes[index] = (y, x, y + height, x + width)
        taken |= own
        kept[index] = own.any()
    return dataclasses.replace(detections, boxes_yxyx=boxes, rles=tuple(masks)).select(kept)


def _encode(mask: np.ndarray) -> dict:
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": rle["size"], "counts": rle["counts"].decode("ascii")}
