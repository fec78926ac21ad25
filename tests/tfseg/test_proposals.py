import numpy as np
import pytest
import tensorflow as tf
from official.vision.modeling.layers import roi_generator
from official.vision.ops import anchor

from tfseg.proposals import propose


@pytest.mark.parametrize("num_proposals", [5, 40, 1000])
def test_propose_equals_model_garden(num_proposals):
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
    image_shape = tf.constant([[64.0, 96.0], [50.0, 70.0]])
    theirs = roi_generator.MultilevelROIGenerator(
        test_pre_nms_top_k=60, test_num_proposals=num_proposals, test_nms_iou_threshold=0.5
    )

    boxes, scores = propose(
        raw_boxes, raw_scores, batch_anchors, image_shape,
        num_proposals=num_proposals, pre_nms_top_k=60, nms_iou=0.5,
    )  # fmt: skip

    expected_boxes, expected_scores = theirs(
        raw_boxes, raw_scores, batch_anchors, image_shape, training=False
    )
    for index in range(2):
        (valid,) = np.nonzero(expected_scores[index].numpy() > 0)  # the rest is padding
        assert len(valid) >= min(num_proposals, 40)
        assert (scores[index].numpy() > 0).sum() == len(valid)
        for values, expected in ((scores, expected_scores), (boxes, expected_boxes)):
            np.testing.assert_allclose(
                values[index, : len(valid)], expected[index, : len(valid)], atol=1e-4
            )
