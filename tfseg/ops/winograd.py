"""Winograd's convolution on a CPU: 3x3 kernels with a quarter of the products.

F(4x4, 3x3) of Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (CVPR 2016,
arXiv 1509.09308), section 4.3: Y = A'[(G g G') * (B' d B)]A for every tile d of 6x6 cells, which
gives 4x4 cells of the result. TensorFlow's own kernels for CPUs multiply directly; those for GPUs
know the method.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

_TILE, _OUT = 6, 4
_B_T = np.array([
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
])  # fmt: skip
_G = np.array([
    [6, 0, 0],
    [-4, -4, -4],
    [-4, 4, -4],
    [1, 2, 4],
    [1, -2, 4],
    [0, 0, 24],
]) / 24  # fmt: skip
_A_T = np.array([
    [1, 1, 1, 1, 1, 0],
    [0, 1, -1, 2, -2, 0],
    [0, 1, 1, 4, 4, 0],
    [0, 1, -1, 8, -8, 1],
])  # fmt: skip

# With fewer, going through the tiles takes longer than the products that it saves.
MIN_CHANNELS = 192
MIN_CELLS = 4000


def is_quicker(convolution, size_hw: tuple[int, int]) -> bool:
    """Whether a Keras Conv2D layer gains from this module on a CPU.

    Args:
        convolution: The layer, built.
        size_hw: Of its features, at the network's full input.
    """
    channels = convolution.kernel.shape[2:]
    return (
        convolution.kernel_size == (3, 3)
        and convolution.strides == (1, 1)
        and convolution.dilation_rate == (1, 1)
        and convolution.padding == "same"
        and min(channels) >= MIN_CHANNELS
        and size_hw[0] * size_hw[1] >= MIN_CELLS
    )


def transform_kernel(kernel: tf.Tensor) -> tf.Tensor:
    """Returns what `convolve` wants of a kernel [3, 3, channels, filters]: G g G'.

    float32 [36, channels, filters], computed in float64.
    """
    transformed = tf.einsum("ia,jb,abcf->ijcf", _G, _G, tf.cast(kernel, tf.float64))
    return tf.cast(tf.reshape(transformed, [_TILE**2, *kernel.shape[2:]]), tf.float32)


def convolve(features: tf.Tensor, transformed_kernel: tf.Tensor) -> tf.Tensor:
    """Convolves as tf.nn.conv2d(features, kernel, 1, "SAME").

    The results differ by less than 2e-5 of the largest.

    Args:
        features: float32 [batch, rows, columns, channels]; only channels need be known beforehand.
        transformed_kernel: Of transform_kernel.

    Returns:
        float32 [batch, rows, columns, filters].
    """
    batch_size, rows, columns = tf.unstack(tf.shape(features)[:3])
    num_channels, num_filters = transformed_kernel.shape[1:]
    tiles_high, tiles_wide = -(-rows // _OUT), -(-columns // _OUT)
    num_tiles = batch_size * tiles_high * tiles_wide

    # Cell (i, j) of every tile: [36, num_tiles, channels].
    padded_rows, padded_columns = _OUT * tiles_high + 2, _OUT * tiles_wide + 2
    edges = [[0, 0], [1, padded_rows - rows - 1], [1, padded_columns - columns - 1], [0, 0]]
    padded = tf.reshape(tf.pad(features, edges), [-1, num_channels])
    cell = tf.range(_TILE)[:, None]
    row = (cell + _OUT * tf.range(tiles_high))[:, None, None, :, None]
    column = (cell + _OUT * tf.range(tiles_wide))[None, :, None, None, :]
    first = tf.range(batch_size)[:, None, None] * padded_rows * padded_columns
    tiles = tf.gather(padded, tf.reshape(first + row * padded_columns + column, [-1]))

    tiles = _multiply(_both_ways(_B_T), tf.reshape(tiles, [_TILE**2, -1]))
    tiles = tf.reshape(tiles, [_TILE**2, num_tiles, num_channels])
    tiles = _multiply(tiles, transformed_kernel)
    tiles = _multiply(_both_ways(_A_T), tf.reshape(tiles, [_TILE**2, -1]))

    row, column = tf.range(rows)[:, None], tf.range(columns)
    in_tile = row % _OUT * _OUT + column % _OUT
    first = tf.range(batch_size)[:, None, None] * tiles_high * tiles_wide
    of_tile = first + row // _OUT * tiles_wide + column // _OUT
    return tf.gather(tf.reshape(tiles, [-1, num_filters]), in_tile * num_tiles + of_tile)


def choose_by_device(cpu: Callable[[], tf.Tensor], other: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Returns the first function's result where the graph runs on a CPU, else the second's."""
    return tf.switch_case(tf.raw_ops.DeviceIndex(device_names=["CPU"]), [cpu, other])


def _both_ways(transform: np.ndarray) -> tf.Tensor:
    """The transform of rows and columns at once, as a matrix for flat tiles."""
    return tf.constant(np.kron(transform, transform), tf.float32)


def _multiply(left, right) -> tf.Tensor:
    # A product that TensorFlow never turns into bfloat16, which would be too coarse here.
    return tf.raw_ops.BatchMatMulV3(x=left, y=right, Tout=tf.float32)
