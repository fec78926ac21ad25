import math

import numpy as np
import pytest

from tests.tfseg import matches
from tfseg.evaluation.competition_metrics import fgvc6_image_score, fgvc6_score, matterport_map

# Two bags and a belt; a bag found, a belt found as a bag, the belt found with a lower score.
WORKED = matches.image(
    iou=[[0.9, 0.0, 0.0], [0.0, 0.0, 0.7], [0.0, 0.0, 0.62]],
    scores=[0.9, 0.8, 0.7],
    category_ids=[1, 1, 2],
    truth_category_ids=[1, 1, 2],
)


def test_matterport_map_of_a_worked_example():
    # Right, wrong, right of three instances: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3; made
    # non-increasing 1, 2/3, 2/3, integrated 1/3 * 1 + 1/3 * 2/3.
    assert matterport_map([WORKED]) == pytest.approx(1 / 3 + 2 / 9)


def test_matterport_map_is_the_mean_over_images_not_over_categories():
    perfect = matches.image([[0.8]], [0.3], [1], [1])
    nothing_found = matches.image([], [], [], [1, 1, 1])

    assert matterport_map([perfect, nothing_found]) == pytest.approx(0.5)


def test_matterport_map_leaves_out_images_without_instances():
    empty = matches.image([[]], [0.9], [1], [])

    assert matterport_map([WORKED, empty]) == matterport_map([WORKED])
    assert math.isnan(matterport_map([empty]))


def test_matterport_map_equals_its_own_procedure():
    """The steps of compute_matches and compute_ap, written down from their description."""
    rng = np.random.default_rng(4)
    for _ in range(50):
        num_found, num_true = rng.integers(0, 7), rng.integers(1, 6)
        image = matches.image(
            rng.uniform(0, 1, (num_found, num_true)),
            np.sort(rng.uniform(0, 1, num_found))[::-1],
            rng.integers(1, 3, num_found),
            rng.integers(1, 3, num_true),
        )
        taken, hits = set(), []
        for row in range(num_found):
            hits.append(0)
            for column in np.argsort(-image.iou[row]):
                if image.iou[row, column] < 0.5:
                    break
                same = image.category_ids[row] == image.truth_category_ids[column]
                if same and column not in taken:
                    taken.add(column)
                    hits[-1] = 1
                    break
        precision = [0, *(sum(hits[: i + 1]) / (i + 1) for i in range(num_found)), 0]
        recall = [0, *(sum(hits[: i + 1]) / num_true for i in range(num_found)), 1]
        for i in range(len(precision) - 2, -1, -1):
            precision[i] = max(precision[i], precision[i + 1])
        area = sum((recall[i] - recall[i - 1]) * precision[i] for i in range(1, len(recall)))

        assert matterport_map([image]) == pytest.approx(area)


def test_fgvc6_image_score_of_a_worked_example():
    # IoU .9 counts at eight thresholds (.50 to .85), .62 at three (.50 .55 .60); two or more of
    # three detections are wrong. TP / (TP + FP + FN): .50-.60: 2 / (2 + 1 + 1), .65-.85: 1 / 5,
    # .90 and .95: 0 / 6.
    assert fgvc6_image_score(WORKED) == pytest.approx((3 * 2 / 4 + 5 * 1 / 5 + 0) / 10)


def test_fgvc6_needs_more_than_the_threshold():
    exact = matches.image([[0.6]], [0.9], [1], [1])

    assert fgvc6_image_score(exact) == pytest.approx(0.2)  # .50 and .55


def test_fgvc6_score_is_the_mean_over_images():
    perfect = matches.image([[1.0]], [0.9], [1], [1])
    nothing_there = matches.image([], [], [], [])
    false_alarm = matches.image([[]], [0.9], [1], [])

    assert fgvc6_score([perfect, nothing_there, false_alarm]) == pytest.approx(2 / 3)
    assert math.isnan(fgvc6_score([]))
