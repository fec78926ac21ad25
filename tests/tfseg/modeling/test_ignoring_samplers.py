import numpy as np
import pytest

pytestmark = pytest.mark.slow

# Two of an instance, two in the region, one elsewhere.
ROIS = [[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30], [20, 20, 28, 30], [50, 50, 60, 60]]
REGION = [[20, 20, 40, 40]]


def roi_sampler(num_sampled):
    from tfseg.modeling import model_garden_compat
    from tfseg.modeling.box_sampler import SeededBoxSampler
    from tfseg.modeling.ignoring_samplers import IgnoringROISampler

    layer = IgnoringROISampler(
        num_sampled_rois=num_sampled, foreground_fraction=0.5, mix_gt_boxes=False
    )
    sampler = SeededBoxSampler(num_samples=num_sampled, foreground_fraction=0.5)
    sampler.set_seeds(np.array([[1, 2]], np.int32))
    model_garden_compat.replace_box_sampler(layer, sampler)
    return layer


def sampled(layer):
    import tensorflow as tf

    rois, boxes, classes, indices = layer(
        tf.constant([ROIS], tf.float32),
        tf.constant([[[0, 0, 10, 10], [-1, -1, -1, -1]]], tf.float32),
        tf.constant([[2, -1]], tf.int64),
    )
    return [tuple(map(int, roi)) for roi in rois[0].numpy()], classes[0].numpy().tolist()


def test_rois_in_a_region_are_drawn_last_and_without_a_class():
    import tensorflow as tf

    layer = roi_sampler(5)
    layer.set_regions(tf.constant([REGION], tf.float32))

    rois, classes = sampled(layer)

    assert dict(zip(rois, classes, strict=True)) == {
        (0, 0, 10, 10): 2,
        (0, 0, 10, 9): 2,
        (20, 20, 30, 30): -1,
        (20, 20, 28, 30): -1,
        (50, 50, 60, 60): 0,
    }
    few = roi_sampler(2)
    few.set_regions(tf.constant([REGION], tf.float32))
    assert sorted(sampled(few)[1]) == [0, 2]


def test_a_roi_of_an_instance_stays_one_in_a_region():
    import tensorflow as tf

    layer = roi_sampler(5)
    layer.set_regions(tf.constant([[[0, 0, 100, 100]]], tf.float32))

    assert sorted(sampled(layer)[1]) == [-1, -1, -1, 2, 2]


def test_without_regions_all_others_are_background():
    layer = roi_sampler(5)
    layer.set_regions(None)

    assert sorted(sampled(layer)[1]) == [0, 0, 0, 2, 2]


def test_mask_targets_know_nothing_where_something_unsure_may_be():
    import tensorflow as tf

    from tfseg.modeling.ignoring_samplers import IgnoringMaskSampler

    layer = IgnoringMaskSampler(mask_target_size=4, num_sampled_masks=2)
    boxes = tf.constant([[[0, 0, 8, 8], [0, 0, 4, 8]]], tf.float32)
    half = np.zeros((1, 1, 8, 8), np.float32)
    half[..., :4] = 1
    unknown = np.zeros_like(half)
    unknown[..., 6:] = 1
    layer.set_unknown_pixels(tf.constant(unknown))

    _, classes, targets = layer(
        boxes, boxes, tf.constant([[3, -1]]), tf.constant([[0, -1]]), tf.constant(half)
    )

    assert classes.numpy().tolist() == [[3, 0]]
    assert targets[0, 0, 1].numpy().tolist() == [1, 1, 0, -1]
    layer.set_unknown_pixels(None)
    plain = layer(boxes, boxes, tf.constant([[3, 0]]), tf.constant([[0, -1]]), tf.constant(half))
    assert plain[2][0, 0, 1].numpy().tolist() == [1, 1, 0, 0]
