"""Makes ImageMatches from what is to be seen on one page."""

import numpy as np

from tfseg.evaluation.instance_matching import ImageMatches


def image(iou, scores, category_ids, truth_category_ids, crowd=(), image_id=1):
    """iou has a row for each detection, best score first, and a column for each instance."""
    num_instances = len(truth_category_ids)
    is_crowd = np.zeros(num_instances, bool)
    is_crowd[list(crowd)] = True
    return ImageMatches(
        image_id=image_id,
        iou=np.array(iou, float).reshape(len(scores), num_instances),
        scores=np.array(scores, float),
        category_ids=np.array(category_ids, int),
        result_indices=np.arange(len(scores)),
        truth_category_ids=np.array(truth_category_ids, int),
        truth_is_crowd=is_crowd,
        annotation_ids=np.arange(num_instances) + 1,
    )
