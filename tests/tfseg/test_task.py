import numpy as np
import pytest


@pytest.mark.parametrize("crop_size", [28, 56, 112])
def test_centre_gt_masks_leaves_edges_in_their_place(crop_size):
    import tensorflow as tf
    from official.vision.ops import spatial_transform_ops

    from tfseg.task import centre_gt_masks

    box = tf.constant([[[0.0, 0.0, 100.0, 100.0]]])
    cell = crop_size / 28
    biases = []
    # Edges on a target's border, so that no target is half covered.
    for edge in range(crop_size // 4, crop_size // 2, crop_size // 28):
        mask = np.zeros((1, 1, crop_size, crop_size), np.float32)
        mask[..., :edge] = 1
        targets = spatial_transform_ops.crop_mask_in_target_box(
            centre_gt_masks(tf.constant(mask), 28), box, box, 28
        )
        biases.append(float(tf.reduce_sum(targets[0, 0, 14])) * cell - edge)

    assert biases == pytest.approx([0.0] * len(biases))


def test_centre_gt_masks_moves_up_and_left():
    import tensorflow as tf

    from tfseg.task import centre_gt_masks

    masks = np.zeros((1, 4, 4), np.float32)
    masks[0, 2, 3] = 1

    moved = centre_gt_masks(tf.constant(masks), 2).numpy()  # by half a cell

    assert moved[0].tolist() == [
        [0, 0, 0, 0],
        [0, 0, 0.25, 0.25],
        [0, 0, 0.25, 0.25],
        [0, 0, 0, 0],
    ]
