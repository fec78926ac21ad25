import numpy as np
import pytest
import tensorflow as tf
from official.vision.modeling.layers import roi_generator
from official.vision.ops import anchor

from tfseg.proposals import QuickROIGenerator, propose

IMAGE_SHAPE = tf.constant([[64.0, 96.0], [50.0, 70.0]])


@pytest.fixture(scope="module")
def raw():
    """Random boxes and scores of three levels of two images, and their anchors."""
    anchors = anchor.Anchor(
        min_level=3, max_level=5, num_scales=1, aspect_ratios=[0.5, 1.0, 2.0], anchor_size=4.0,
        image_size=(64, 96),
    ).multilevel_boxes  # fmt: skip
    rng = np.random.default_rng(1)
    raw_boxes, raw_scores, batch_anchors = {}, {}, {}
    for level, boxes in anchors.items():
        rows, columns = boxes.shape[:2]
        shape = (2, rows, columns, 3)
        raw_scores[level] = tf.constant(rng.normal(size=shape), tf.float32)
        deltas = rng.normal(scale=0.3, size=(*shape[:3], 12))
        raw_boxes[level] = tf.constant(deltas, tf.float32)
        batch_anchors[level] = tf.tile(tf.cast(boxes, tf.float32)[None], [2, 1, 1, 1])
    return raw_boxes, raw_scores, batch_anchors


def assert_same_regions(boxes, scores, expected_boxes, expected_scores, least):
    for index in range(2):
        (valid,) = np.nonzero(expected_scores[index].numpy() > 0)  # the rest is padding
        assert len(valid) >= least
        assert (scores[index].numpy() > 0).sum() == len(valid)
        for values, expected in ((scores, expected_scores), (boxes, expected_boxes)):
            np.testing.assert_allclose(
                values[index, : len(valid)], expected[index, : len(valid)], atol=1e-4
            )


@pytest.mark.parametrize("num_proposals", [5, 40, 1000])
def test_propose_equals_model_garden(raw, num_proposals):
    theirs = roi_generator.MultilevelROIGenerator(
        test_pre_nms_top_k=60, test_num_proposals=num_proposals, test_nms_iou_threshold=0.5
    )

    boxes, scores = propose(
        *raw, IMAGE_SHAPE, num_proposals=num_proposals, pre_nms_top_k=60, nms_iou=0.5
    )

    expected = theirs(*raw, IMAGE_SHAPE, training=False)
    assert_same_regions(boxes, scores, *expected, least=min(num_proposals, 40))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"pre_nms_score_threshold": 0.7, "test_pre_nms_score_threshold": 0.7},
        {"pre_nms_min_size_threshold": 9.0, "test_pre_nms_min_size_threshold": 9.0},
        {"nms_iou_threshold": 0.0, "test_nms_iou_threshold": 0.0},
    ],
)
def test_the_quick_layer_does_what_model_gardens_does(raw, training, settings):
    config = {
        "pre_nms_top_k": 60, "num_proposals": 30, "nms_iou_threshold": 0.6,
        "test_pre_nms_top_k": 40, "test_num_proposals": 20, "test_nms_iou_threshold": 0.5,
        **settings,
    }  # fmt: skip

    found = QuickROIGenerator(**config)(*raw, IMAGE_SHAPE, training=training)

    theirs = roi_generator.MultilevelROIGenerator(**config)
    expected = theirs(*raw, IMAGE_SHAPE, training=training)
    assert found[0].shape == expected[0].shape
    assert_same_regions(*found, *expected, least=10)
