import math

import numpy as np
import pytest

from tests.tfseg import matches
from tfseg.evaluation.confusion import calibrate, confusion_matrix

IMAGE = matches.image(
    iou=[
        [0.9, 0.6, 0.0],  # a bag, found
        [0.0, 0.7, 0.0],  # a belt, called a bag
        [0.0, 0.6, 0.0],  # the same belt, called boots: the belt is taken already
        [0.0, 0.0, 0.4],  # too little of the second belt
    ],
    scores=[0.9, 0.8, 0.7, 0.6],
    category_ids=[1, 1, 3, 2],
    truth_category_ids=[1, 2, 2],
)


def test_confusion_matrix_by_hand():
    confusion = confusion_matrix([IMAGE], [1, 2, 3])

    assert confusion.counts.tolist() == [
        [1, 0, 0, 0],
        [1, 0, 0, 1],
        [0, 0, 0, 0],
        [0, 1, 1, 0],
    ]


def test_confusion_prefers_the_right_category_to_a_larger_overlap():
    image = matches.image([[0.9, 0.6]], [0.9], [2], [1, 2])

    assert confusion_matrix([image], [1, 2]).counts.tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_confusion_leaves_crowds_out():
    image = matches.image([[0.9]], [0.9], [1], [1], crowd=[0])

    assert confusion_matrix([image], [1]).counts.sum() == 0


def test_precision_recall_f1_by_hand():
    rates = confusion_matrix([IMAGE], [1, 2, 3]).precision_recall_f1()

    np.testing.assert_allclose(rates[0], [1 / 2, 1, 2 / 3])
    np.testing.assert_allclose(rates[1], [0, 0, 0])
    np.testing.assert_allclose(rates[-1], [1 / 4, 1 / 3, 2 / 7])
    assert math.isnan(rates[2, 1])  # no boots there


def test_calibration_by_hand():
    calibration = calibrate([IMAGE], num_bins=5)

    assert calibration.counts.tolist() == [0, 0, 0, 2, 2]
    assert calibration.precision[3:].tolist() == [0, 0.5]
    assert calibration.mean_scores[3:] == pytest.approx([0.65, 0.85])
    assert calibration.expected_error == pytest.approx((0.65 * 2 + 0.35 * 2) / 4)


def test_calibration_puts_a_score_of_one_in_the_last_bin():
    image = matches.image([[0.9]], [1.0], [1], [1])

    assert calibrate([image]).counts.tolist() == [0] * 9 + [1]
    assert math.isnan(calibrate([]).expected_error)
