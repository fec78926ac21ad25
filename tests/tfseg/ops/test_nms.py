import numpy as np
import pytest
import tensorflow as tf
from official.vision.modeling.layers import roi_generator
from official.vision.ops import anchor

from tfseg.modeling.roi_generator import Float32ROIGenerator
from tfseg.ops.nms import best_of_classes, propose
from tfseg.structures import thresholds

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

    found = Float32ROIGenerator(quick=True, **config)(*raw, IMAGE_SHAPE, training=training)

    theirs = roi_generator.MultilevelROIGenerator(**config)
    expected = theirs(*raw, IMAGE_SHAPE, training=training)
    assert found[0].shape == expected[0].shape
    assert_same_regions(*found, *expected, least=10)


def best_by_definition(boxes, scores, num_detections, pre_nms_top_k, nms_iou, score_threshold):
    """Class ids, scores and boxes of what is kept."""
    boxes = np.broadcast_to(boxes, (*scores.shape, 4))
    scores = np.where(boxes[..., 2] > boxes[..., 0], scores, -1)
    rank = (-scores).argsort(axis=0).argsort(axis=0)
    index, category = np.nonzero((scores >= max(score_threshold, 0)) & (rank < pre_nms_top_k))
    boxes, scores = boxes[index, category], scores[index, category]
    kept = thresholds.nms(boxes, scores, category, nms_iou)
    order = np.argsort(-scores[kept])[:num_detections]
    return category[kept][order] + 1, scores[kept][order], boxes[kept][order]


@pytest.mark.parametrize("boxes_per_class", [True, False])
@pytest.mark.parametrize(
    ("num_detections", "pre_nms_top_k", "score_threshold"),
    [(70, 5000, 0.3), (20, 5000, 0.3), (50, 15, 0.3), (90, 5000, -1.0)],
)
def test_best_of_classes(boxes_per_class, num_detections, pre_nms_top_k, score_threshold):
    rng = np.random.default_rng(2)
    low = rng.uniform(0, 60, (2, 40, 3 if boxes_per_class else 1, 2))
    boxes = np.concatenate([low, low + rng.uniform(5, 30, low.shape)], -1).astype(np.float32)
    boxes[:, 30:] = 0  # padding, with scores
    scores = rng.uniform(0, 1, (2, 40, 3)).astype(np.float32)
    limits = {
        "num_detections": num_detections,
        "pre_nms_top_k": pre_nms_top_k,
        "nms_iou": 0.4,
        "score_threshold": score_threshold,
    }

    found = best_of_classes(tf.constant(boxes), tf.constant(scores), **limits)

    found_boxes, found_scores, class_ids = (values.numpy() for values in found)
    assert class_ids.shape == found_scores.shape == (2, num_detections)
    for index in range(2):
        expected = best_by_definition(boxes[index], scores[index], **limits)
        count = len(expected[0])
        assert num_detections == count or 30 < count < num_detections
        np.testing.assert_array_equal(class_ids[index, :count], expected[0])
        np.testing.assert_allclose(found_scores[index, :count], expected[1])
        np.testing.assert_allclose(found_boxes[index, :count], expected[2])
        assert not class_ids[index, count:].any()
