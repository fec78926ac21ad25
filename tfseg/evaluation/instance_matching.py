"""Which detection is which instance: the overlaps of one image's detections with its truth.

All figures beside COCO's own (competition metrics, error analysis, confusion, calibration, tuned
thresholds) and the report's pictures are read off these, so that they tell of the same matches.
"""

import dataclasses
from collections import defaultdict

import numpy as np
from pycocotools import mask as coco_mask

MAX_DETECTIONS = 100  # an image and category, as COCO's
UNMATCHED, CROWD = -1, -2


@dataclasses.dataclass(frozen=True, eq=False)
class ImageMatches:
    """One image's detections, best score first, beside its true instances.

    Attributes:
        image_id: Of the ground truth.
        iou: float64 [num_detections, num_instances], 0..1, categories disregarded; with a crowd it
            is the share of the detection inside the crowd, as COCO's.
        scores: float64 [num_detections], descending.
        category_ids: int64 [num_detections].
        result_indices: int64 [num_detections], each detection's place in the COCO results.
        truth_category_ids: int64 [num_instances].
        truth_is_crowd: bool [num_instances].
        annotation_ids: int64 [num_instances], of the ground truth.
    """

    image_id: int
    iou: np.ndarray
    scores: np.ndarray
    category_ids: np.ndarray
    result_indices: np.ndarray
    truth_category_ids: np.ndarray
    truth_is_crowd: np.ndarray
    annotation_ids: np.ndarray

    def select(self, kept: np.ndarray) -> "ImageMatches":
        """Returns the same image with the kept detections (bool [num_detections]) only."""
        return dataclasses.replace(
            self,
            iou=self.iou[kept],
            scores=self.scores[kept],
            category_ids=self.category_ids[kept],
            result_indices=self.result_indices[kept],
        )

    def same_category(self) -> np.ndarray:
        """Returns bool [num_detections, num_instances]."""
        return self.category_ids[:, None] == self.truth_category_ids[None, :]

    def match(self, iou_threshold: float) -> np.ndarray:
        """Matches within categories as COCO does (cocoeval.py, evaluateImg).

        The best scored detection takes the free instance it overlaps most, by at least
        iou_threshold; one without such an instance may lie in a crowd, and then counts neither way.

        Returns:
            int64 [num_detections]: an instance's index, UNMATCHED or CROWD.
        """
        matched = np.full(len(self.scores), UNMATCHED)
        allowed = np.where(self.same_category(), self.iou, -1.0)
        free = np.where(self.truth_is_crowd[None, :], -1.0, allowed)
        in_crowd = np.where(self.truth_is_crowd[None, :], allowed, -1.0)
        candidates = np.nonzero((allowed >= iou_threshold).any(axis=1))[0]
        for index in candidates:
            best = free[index].max(initial=-1.0)
            if best >= iou_threshold:
                chosen = np.nonzero(free[index] == best)[0][-1]  # COCO's choice of equal ones
                matched[index] = chosen
                free[:, chosen] = -1.0
            elif in_crowd[index].max(initial=-1.0) >= iou_threshold:
                matched[index] = CROWD
        return matched


def match_images(ground_truth, coco_results: list[dict], iou_type: str = "mask"):
    """Computes the overlaps image by image.

    Args:
        ground_truth: From coco_metrics.load_ground_truth.
        coco_results: COCO results of its images.
        iou_type: "mask" or "box": what the overlap is of.

    Returns:
        A list of ImageMatches, one for each image of the ground truth, by ascending id.
    """
    by_image = defaultdict(list)
    for index, result in enumerate(coco_results):
        by_image[result["image_id"]].append(index)
    return [
        _match_image(ground_truth, image_id, coco_results, by_image[image_id], iou_type)
        for image_id in sorted(ground_truth.imgs)
    ]


def _match_image(ground_truth, image_id, coco_results, indices, iou_type) -> ImageMatches:
    annotations = ground_truth.imgToAnns.get(image_id, [])
    indices = _best_of_each_category(coco_results, indices)
    found: list[dict] | np.ndarray
    truth: list[dict] | np.ndarray
    if iou_type == "mask":
        image = ground_truth.imgs[image_id]
        found = [coco_results[index]["segmentation"] for index in indices]
        truth = [_rle(annotation, image) for annotation in annotations]
    else:
        found = np.array([coco_results[i]["bbox"] for i in indices], np.float64).reshape(-1, 4)
        truth = np.array([a["bbox"] for a in annotations], np.float64).reshape(-1, 4)
    is_crowd = [int(annotation["iscrowd"]) for annotation in annotations]
    iou = np.zeros((len(indices), len(annotations)))
    if len(indices) and len(annotations):
        iou = np.asarray(coco_mask.iou(found, truth, is_crowd), np.float64)
    return ImageMatches(
        image_id=image_id,
        iou=iou,
        scores=np.array([coco_results[index]["score"] for index in indices], np.float64),
        category_ids=np.array([coco_results[i]["category_id"] for i in indices], np.int64),
        result_indices=np.array(indices, np.int64),
        truth_category_ids=np.array([a["category_id"] for a in annotations], np.int64),
        truth_is_crowd=np.array(is_crowd, bool),
        annotation_ids=np.array([a["id"] for a in annotations], np.int64),
    )


def _best_of_each_category(coco_results: list[dict], indices: list[int]) -> list[int]:
    kept = []
    counts: defaultdict[int, int] = defaultdict(int)
    for index in sorted(indices, key=lambda index: -coco_results[index]["score"]):
        category_id = coco_results[index]["category_id"]
        counts[category_id] += 1
        if counts[category_id] <= MAX_DETECTIONS:
            kept.append(index)
    return kept


def _rle(annotation: dict, image: dict) -> dict:
    return rle_from_segmentation(annotation["segmentation"], image["height"], image["width"])


def rle_from_segmentation(segmentation, height: int, width: int) -> dict:
    """Turns any of COCO's mask forms (polygons, either RLE) into a compressed RLE."""
    if isinstance(segmentation, list):
        return coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return coco_mask.frPyObjects(segmentation, height, width)
    return segmentation
