"""The figures other projects quote, which are not COCO's.

Each is read off instance_matching's overlaps of masks.
"""

from collections.abc import Sequence

import numpy as np

from tfseg.evaluation.instance_matching import ImageMatches

FGVC6_IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)


def matterport_map(images: Sequence[ImageMatches], iou_threshold: float = 0.5) -> float:
    """The "mAP @ IoU=50" of Matterport's Mask R-CNN: the mean of each image's own AP.

    An image's AP is the area under the precision-recall curve of all its detections together,
    whatever their category (which must be right all the same), precision made non-increasing and
    integrated over recall (matterport/Mask_RCNN, mrcnn/utils.py, compute_matches and compute_ap).
    Images without instances have none and are left out, as there.

    Returns:
        0..1; NaN where no image has an instance.
    """
    return _mean([_image_ap(image, iou_threshold) for image in images if _num_instances(image)])


def _image_ap(image: ImageMatches, iou_threshold: float) -> float:
    is_match = image.match(iou_threshold) >= 0
    matches = np.cumsum(is_match)
    precision = matches / (np.arange(len(is_match)) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    recall = matches / _num_instances(image)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def fgvc6_score(images: Sequence[ImageMatches]) -> float:
    """The metric of iMaterialist (Fashion) 2019 at FGVC6, attributes disregarded.

    The mean over images of the mean over IoU thresholds .50:.05:.95 of TP / (TP + FP + FN), where a
    detection is a TP when it overlaps an instance of its category by more than the threshold
    (kaggle.com/c/imaterialist-fashion-2019-FGVC6, Evaluation). Scores do not enter: detections that
    are not worth their risk have to be left out beforehand (tfseg.tune_thresholds). An image where
    there is nothing and nothing was found counts 1.

    Returns:
        0..1; NaN where there is no image.
    """
    return _mean([fgvc6_image_score(image) for image in images])


def fgvc6_image_score(image: ImageMatches) -> float:
    """Returns one image's part of fgvc6_score, 0..1."""
    scores = []
    for threshold in FGVC6_IOU_THRESHOLDS:
        matched = matches_above(image, threshold)
        true_positives = int((matched >= 0).sum())
        false_positives = int((matched == -1).sum())
        total = _num_instances(image) + false_positives  # TP + FN are the instances
        scores.append(true_positives / total if total else 1.0)
    return float(np.mean(scores))


def matches_above(image: ImageMatches, iou_threshold: float) -> np.ndarray:
    """Returns ImageMatches.match for overlaps above the threshold, where COCO's is at least it."""
    # The thresholds are rounded to what they are meant to be: linspace's 0.6 is 0.6000000000000001.
    return image.match(np.nextafter(round(float(iou_threshold), 2), 1.0))


def _num_instances(image: ImageMatches) -> int:
    return int((~image.truth_is_crowd).sum())


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
