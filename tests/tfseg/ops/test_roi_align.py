import numpy as np
import pytest
import tensorflow as tf
from official.vision.ops import spatial_transform_ops

from tfseg.ops.roi_align import crop_features


@pytest.fixture(scope="module")
def pyramid():
    """Three levels of a 64 x 96 input, two images."""
    rng = np.random.default_rng(1)
    sizes = {"3": (8, 12), "4": (4, 6), "5": (2, 3)}
    return {
        level: tf.constant(rng.normal(size=(2, *size, 5)), tf.float32)
        for level, size in sizes.items()
    }


# Of every level, at the edges, past them, and without area.
BOXES = np.array(
    [[0, 0, 64, 96], [3, 5, 20, 31], [50, 80, 64, 96], [-4, -7, 9, 12], [40, 60, 80, 120],
     [0, 0, 900, 900], [0, 0, 500, 260], [7, 7, 7, 7]],
    np.float32,
)  # fmt: skip


@pytest.mark.parametrize("crop_size", [7, 14])
def test_crop_features_equals_model_garden(pyramid, crop_size):
    boxes = tf.constant(np.stack([BOXES, BOXES[::-1] + 0.3]))

    crops = crop_features(pyramid, boxes, crop_size=crop_size, sample_offset=0.5)

    expected = spatial_transform_ops.multilevel_crop_and_resize(
        pyramid, boxes, output_size=crop_size, sample_offset=0.5
    )
    assert crops.shape == (2, 8, crop_size, crop_size, 5)
    np.testing.assert_allclose(crops, expected, atol=1e-5)


def test_crop_features_of_a_size_known_only_when_it_runs(pyramid):
    specs = {level: tf.TensorSpec([None, None, None, 5]) for level in pyramid}

    @tf.function(input_signature=[specs])
    def crop(features):
        return crop_features(features, tf.constant(BOXES[None]), crop_size=7, sample_offset=0.5)

    for rows in (slice(0, 1), slice(1, 2)):
        narrow = {level: v[rows, :, : 2 ** (5 - int(level))] for level, v in pyramid.items()}
        expected = spatial_transform_ops.multilevel_crop_and_resize(
            narrow, tf.constant(BOXES[None]), output_size=7
        )
        np.testing.assert_allclose(crop(narrow), expected, atol=1e-5)
