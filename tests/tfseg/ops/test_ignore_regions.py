import numpy as np
import pytest

pytestmark = pytest.mark.slow


def test_a_box_lies_in_a_region_by_more_than_half_of_itself():
    import tensorflow as tf

    from tfseg.ops.ignore_regions import lie_in_regions

    boxes = tf.constant(
        [[0, 0, 10, 10], [0, 4, 10, 14], [0, 5, 10, 15], [0, 0, 100, 100], [3, 3, 3, 9]], tf.float32
    )
    regions = tf.constant([[0, 0, 10, 10], [-1, -1, -1, -1]], tf.float32)

    assert lie_in_regions(boxes, regions).numpy().tolist() == [True, True, False, False, False]
    batch = lie_in_regions(tf.stack([boxes, boxes]), tf.stack([regions, 0 * regions - 1]))
    assert batch.numpy().sum(axis=1).tolist() == [2, 0]


def test_without_regions_no_box_lies_in_one():
    import tensorflow as tf

    from tfseg.ops.ignore_regions import lie_in_regions

    assert lie_in_regions(tf.ones([3, 4]), tf.zeros([0, 4])).numpy().tolist() == [False] * 3


def test_anchors_in_a_region_are_no_negatives_and_those_of_an_instance_stay_positive():
    import tensorflow as tf
    from official.vision.configs import maskrcnn

    from tfseg.ops.sampling import rpn_targets

    anchors = np.array(
        [[0, 0, 8, 8], [0, 8, 8, 16], [8, 0, 16, 8], [8, 8, 16, 16], [30, 30, 38, 38]], np.float32
    )
    instance = tf.constant([[0, 0, 8, 8]], tf.float32)
    region = tf.constant([[0, 0, 8, 16]], tf.float32)
    parser = maskrcnn.Parser(rpn_batch_size_per_im=5)

    grids, seed = [(2, 2, 1), (1, 1, 1)], tf.constant([1, 2])
    labels, moves = rpn_targets(anchors, grids, instance, parser, seed, region)
    without, _ = rpn_targets(anchors, grids, instance, parser, seed)

    assert labels.numpy().tolist() == [1, -1, 0, 0, 0]
    assert without.numpy().tolist() == [1, 0, 0, 0, 0]
    assert np.isfinite(moves).all()
