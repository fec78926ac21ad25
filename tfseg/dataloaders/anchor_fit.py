"""How well the anchors of a recipe fit the boxes of a data set.

The region proposal network learns a box from the anchors whose IoU with it is from
rpn_match_threshold (0.7) on, or from its best one alone (Faster R-CNN, 3.1.2).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Anchors:
    """A recipe's choice of anchors, as official.vision.configs.maskrcnn.Anchor has it.

    Attributes:
        anchor_size: Side of the smallest anchor of a level, in strides of the level.
        num_scales: Sizes of a level, evenly spaced within a factor of two.
        aspect_ratios: Width over height.
        min_level: Of the pyramid; a level's stride is 2^level pixels.
        max_level: Likewise.
    """

    anchor_size: float
    num_scales: int
    aspect_ratios: tuple[float, ...]
    min_level: int
    max_level: int

    def num_in(self, input_size_hw: tuple[int, int]) -> int:
        """How many anchors an input of that size has."""
        places = sum(
            -(-input_size_hw[0] // 2**level) * -(-input_size_hw[1] // 2**level)
            for level in range(self.min_level, self.max_level + 1)
        )
        return places * self.num_scales * len(self.aspect_ratios)


@dataclass(frozen=True)
class Boxes:
    """The boxes of a split as the network sees them.

    Attributes:
        yxyx: float64 [num_boxes, 4], pixels of the network's input.
        category_ids: int64 [num_boxes], from 1.
    """

    yxyx: np.ndarray
    category_ids: np.ndarray


def read_boxes(ground_truth: Path, input_size_hw: tuple[int, int], max_photos: int) -> Boxes:
    """Reads a split's COCO ground truth; each photo is scaled into the input, as in validation.

    Args:
        ground_truth: instances_SPLIT.json of a prepared data set.
        input_size_hw: Of the network, pixels.
        max_photos: The first so many photos are enough.

    Raises:
        ValueError: There is no box.
    """
    truth = json.loads(ground_truth.read_text(encoding="utf-8"))
    scales = {
        image["id"]: min(input_size_hw[0] / image["height"], input_size_hw[1] / image["width"])
        for image in truth["images"][:max_photos]
    }
    kept = [one for one in truth["annotations"] if one["image_id"] in scales]
    kept = [one for one in kept if min(one["bbox"][2:]) > 0 and not one.get("iscrowd")]
    if not kept:
        raise ValueError(f"{ground_truth}: has no box; expected a split with garments.")
    x, y, width, height = np.array([one["bbox"] for one in kept], float).T
    yxyx = np.stack([y, x, y + height, x + width], axis=1)
    yxyx *= np.array([scales[one["image_id"]] for one in kept])[:, None]
    return Boxes(yxyx, np.array([one["category_id"] for one in kept]))


def best_iou(boxes: Boxes, anchors: Anchors, input_size_hw: tuple[int, int]) -> np.ndarray:
    """Finds each box's best anchor.

    Of one shape, the anchor with the nearest centre overlaps most.

    Returns:
        float64 [num_boxes], IoU, 0 to 1.
    """
    ymin, xmin, ymax, xmax = boxes.yxyx.T
    height, width = ymax - ymin, xmax - xmin
    best = np.zeros(len(boxes.yxyx))
    for level in range(anchors.min_level, anchors.max_level + 1):
        stride = 2.0**level
        offset_y = _to_nearest((ymin + ymax) / 2, stride, input_size_hw[0])
        offset_x = _to_nearest((xmin + xmax) / 2, stride, input_size_hw[1])
        for scale in range(anchors.num_scales):
            side = anchors.anchor_size * stride * 2 ** (scale / anchors.num_scales)
            for ratio in anchors.aspect_ratios:
                anchor_h, anchor_w = side / np.sqrt(ratio), side * np.sqrt(ratio)
                common = _overlap(height, anchor_h, offset_y) * _overlap(width, anchor_w, offset_x)
                union = height * width + anchor_h * anchor_w - common
                best = np.maximum(best, common / union)
    return best


def _to_nearest(centre: np.ndarray, stride: float, side: int) -> np.ndarray:
    """How far the nearest anchor centre is, pixels."""
    last = -(-side // int(stride)) - 1
    index = np.clip(np.round(centre / stride - 0.5), 0, last)
    return np.abs(centre - (index + 0.5) * stride)


def _overlap(side: np.ndarray, other: float, offset: np.ndarray) -> np.ndarray:
    """How much of two intervals is common whose middles are `offset` apart."""
    return np.clip((side + other) / 2 - offset, 0, np.minimum(side, other))
