import numpy as np
import pytest

from tests.tfseg.drawn_examples import mask


def smooth(height, width):
    """A photo whose values change by at most 4 a pixel."""
    y, x = np.mgrid[:height, :width]
    waves = 128 + 60 * np.sin(y / 17) + 50 * np.cos(x / 13)
    return np.repeat(waves.astype(np.uint8)[..., None], 3, axis=2)


def interpolated(image, rows, columns):
    """Bilinear values at rows x columns, edges repeated; float64."""
    rows, columns = (
        np.clip(v, 0, n - 1) for v, n in zip((rows, columns), image.shape, strict=False)
    )
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    below = np.minimum(top + 1, image.shape[0] - 1)
    right = np.minimum(left + 1, image.shape[1] - 1)
    y, x = (rows - top)[:, None, None], (columns - left)[None, :, None]
    image = image.astype(float)
    upper = image[top][:, left] * (1 - x) + image[top][:, right] * x
    lower = image[below][:, left] * (1 - x) + image[below][:, right] * x
    return upper * (1 - y) + lower * y


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("scale", [0.21, 0.5, 0.77, 1.0, 1.0003, 1.37, 1.9, 3.1])
@pytest.mark.parametrize("offset", [(0, 0), (3, 1), (11, 20), (40, 33)])
def test_sample_evenly_is_bilinear_at_the_wanted_places(scale, offset, flipped):
    import tensorflow as tf

    from tfseg.ops.resampling import sample_evenly

    image = smooth(211, 173)
    scaled = np.round(np.array([211, 173]) * scale)
    step = np.array([211, 173]) / scaled
    offset = np.minimum(offset, scaled - 2)
    size = np.minimum(scaled - offset, [90, 70]).astype(int)
    first = (offset + 0.5) * step - 0.5
    last = (offset + size - 0.5) * step - 0.5

    sampled = tf.function(sample_evenly)(
        tf.constant(image), tf.constant(first, tf.float32), tf.constant(last, tf.float32),
        tf.constant(size, tf.int32), tf.constant(flipped),
    ).numpy()  # fmt: skip

    expected = interpolated(image, *(np.linspace(first[k], last[k], size[k]) for k in (0, 1)))
    expected = expected[:, ::-1] if flipped else expected
    # A 64th of a pixel each way, of at most 4 a pixel.
    np.testing.assert_allclose(sampled, expected, atol=0.2)


def test_sample_evenly_repeats_the_edges():
    import tensorflow as tf

    from tfseg.ops.resampling import sample_evenly

    image = tf.constant([[[10], [20]], [[30], [40]]], tf.uint8)

    far = sample_evenly(image, tf.constant([-3.0, 0.5]), tf.constant([9.0, 7.0]), [2, 2])
    one = sample_evenly(image, tf.constant([0.5, 0.5]), tf.constant([0.5, 0.5]), [1, 1])

    assert far.numpy()[..., 0].tolist() == [[15, 20], [35, 40]]
    assert one.numpy().tolist() == [[[25]]]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 8), (254, 9), (255, 16), (600, 41)])
def test_column_counts_and_rows_with_ones(height, width):
    import tensorflow as tf

    from tfseg.ops.resampling import column_counts, rows_with_ones

    stack = np.random.default_rng(height).integers(0, 2, (3, height, width), np.uint8)
    stack[1] = 1
    stack[2] = 0

    assert column_counts(tf.constant(stack)).numpy().tolist() == stack.sum(1, int).tolist()
    assert rows_with_ones(tf.constant(stack)).numpy().tolist() == stack.any(2).tolist()


def test_column_counts_of_no_mask_are_empty():
    import tensorflow as tf

    from tfseg.ops.resampling import column_counts

    assert column_counts(tf.zeros([0, 20, 30], tf.uint8)).shape == (0, 30)


@pytest.mark.parametrize("num", [0, 1, 8, 11])
def test_place_masks_takes_the_nearest_pixel(num):
    import tensorflow as tf

    from tfseg.ops.resampling import place_masks

    stack = np.random.default_rng(num).integers(0, 2, (num, 30, 20), np.uint8)
    scale, offset, region = 1.3, np.array([-4.2, 6.1]), (3, 0, 45, 33)

    placed = place_masks(
        tf.constant(stack), tf.constant(scale), tf.constant(offset, tf.float32), tf.constant(region)
    ).numpy()

    expected = np.zeros((num, 42, 33), np.uint8)
    for y in range(42):
        for x in range(33):
            at = np.floor((np.array([y + 3, x]) + 0.5 - offset) / scale).astype(int)
            if (at >= 0).all() and at[0] < 30 and at[1] < 20:
                expected[:, y, x] = stack[:, at[0], at[1]]
    np.testing.assert_array_equal(placed, expected)


def test_place_masks_outside_of_the_region_is_empty():
    import tensorflow as tf

    from tfseg.ops.resampling import place_masks

    drawn = tf.constant(mask((10, 10), 0, 0, 10, 10)[None])
    region = tf.constant([50, 50, 52, 53])
    placed = place_masks(drawn, tf.constant(1.0), tf.zeros([2]), region)

    assert placed.numpy().tolist() == np.zeros((1, 2, 3)).tolist()
