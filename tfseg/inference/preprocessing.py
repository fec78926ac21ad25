"""Encoded images of any size to one batch of network inputs, in graph; a bad image harms no other.

Only TensorFlow operations, so that it can be exported. The result equals Model Garden's evaluation
input (official/vision/dataloaders/maskrcnn_input.py, _parse_eval_data); the image is resized before
it is normalised, which gives the same pixels for a fifth of the time on a large photo.
"""

import math
from typing import NamedTuple

import tensorflow as tf
from official.vision.ops import preprocess_ops

from tfseg.ops.image_headers import read_headers

# Strings, loops over headers and data sets have no kernels on a GPU; each would be copied there
# and back.
_HEAD_DEVICE = "cpu:0"
_MAX_SCANS = 100  # of a JPEG; encoders write about ten


class InputLayout(NamedTuple):
    """How an image is laid out in the network input.

    Attributes:
        input_size_hw: The box that an image is fitted into, aspect kept.
        padded_size_hw: The network input's own size; the rest is padding.
        stride: The network can be run on the image and so little padding that both sides are
            multiples of this.
    """

    input_size_hw: tuple[int, int]
    padded_size_hw: tuple[int, int]
    stride: int


class NetworkInputs(NamedTuple):
    """Network inputs of the images of a batch that could be decoded.

    Attributes:
        error: string [batch], why an image could not be decoded; "" where it could.
        row: int32 [batch], its row in the fields below; 0 where it could not be decoded.
        images: float32 [num_rows, padded height, padded width, 3], normalised; num_rows is at
            least 1, because a network cannot run on nothing: one blank image where none could be
            decoded.
        image_index: int32 [num_rows], which image of the batch it is; the batch's size for the
            blank one.
        is_blank: bool [num_rows], whether it is that blank image.
        scaled_size_hw: int32 [num_rows, 2], the part of the network input that shows the image.
        used_size_hw: int32 [num_rows, 2], scaled_size_hw rounded up to multiples of the stride;
            rows that are equal in it are adjacent.
        image_size_hw: int32 [num_rows, 2], original pixels, upright.
    """

    error: tf.Tensor
    row: tf.Tensor
    images: tf.Tensor
    image_index: tf.Tensor
    is_blank: tf.Tensor
    scaled_size_hw: tf.Tensor
    used_size_hw: tf.Tensor
    image_size_hw: tf.Tensor


def input_layout(
    input_size_hw: tuple[int, int], max_level: int, joined_level: int, size_step: int = 0
) -> InputLayout:
    """Returns the layout for a feature pyramid.

    Args:
        input_size_hw: The box that an image is fitted into.
        max_level: The feature pyramid's highest level; Model Garden pads to multiples of its
            stride.
        joined_level: The highest level that is joined with another one, so that their sizes must
            match.
        size_step: The network is run on multiples of so many pixels, at least of that level's
            stride: fewer sizes are fewer that a GPU tunes its convolutions to.
    """
    largest, stride = 2**max_level, 2**joined_level
    height, width = input_size_hw
    padded_size_hw = math.ceil(height / largest) * largest, math.ceil(width / largest) * largest
    stride *= max(1, math.ceil(size_step / stride))
    return InputLayout((height, width), padded_size_hw, stride)


def limited(images: tf.Tensor, max_images: int) -> tf.Tensor:
    """Returns a batch as it is; the call fails with INVALID_ARGUMENT where it has too many images.

    A message of some bytes can ask for millions; none is looked at before they are counted.
    """
    too_many = f"the request has more than {max_images} images; send fewer at once"
    counted = tf.debugging.Assert(tf.shape(images)[0] <= max_images, [too_many])
    with tf.control_dependencies([counted]):
        return tf.identity(images)


def inputs_from_bytes(
    image_bytes: tf.Tensor, layout: InputLayout, max_pixels: int
) -> NetworkInputs:
    """Decodes, turns upright, resizes, normalises and pads a batch of encoded images.

    Args:
        image_bytes: string [batch]; JPEG, PNG, BMP, GIF (its first frame) or WebP; grey, CMYK,
            palette and 16-bit images become RGB, transparent ones lie on white.
        layout: Of the network input.
        max_pixels: Larger images are refused before they are decoded.
    """
    with tf.device(_HEAD_DEVICE):
        headers = read_headers(image_bytes)
        error = _header_error(image_bytes, headers, max_pixels)

    def decode(encoded, orientation):
        allowed = _refused_by_decoder(encoded, max_pixels)
        with tf.control_dependencies([allowed]):
            image = tf.io.decode_image(encoded, channels=0, expand_animations=False)
        return image, orientation

    return _inputs(error, (image_bytes, headers.orientation), decode, layout)


def _refused_by_decoder(encoded: tf.Tensor, max_pixels: int) -> tf.Operation:
    """Fails for a JPEG whose decoding would take long, asking the decoder itself for its size.

    The header walk and libjpeg may disagree on a file made to deceive; libjpeg is right. Every scan
    of a progressive JPEG goes over all its pixels, whatever it holds.
    """
    is_jpeg = tf.strings.substr(encoded, 0, 2) == b"\xff\xd8"

    def check():
        shape = tf.cast(tf.io.extract_jpeg_shape(encoded), tf.int64)
        num_pixels = shape[0] * shape[1]
        # A marker's bytes do not occur within a scan.
        num_scans = tf.size(tf.strings.split(encoded, b"\xff\xda"), tf.int64) - 1
        is_bounded = (num_scans <= _MAX_SCANS) & (num_scans * num_pixels <= 10 * max_pixels)
        checked = tf.debugging.Assert((num_pixels <= max_pixels) & is_bounded, ["too long"])
        with tf.control_dependencies([checked]):
            return tf.constant(True)

    return tf.cond(is_jpeg, check, lambda: tf.constant(True)).op


def inputs_from_pixels(images: tf.Tensor, layout: InputLayout, max_pixels: int) -> NetworkInputs:
    """Resizes, normalises and pads a batch of decoded, upright images.

    Args:
        images: uint8 [batch, height, width, channels]; grey, grey and alpha, RGB, or RGB and alpha;
            transparent ones are laid on white.
        layout: Of the network input.
        max_pixels: Larger images are refused.
    """
    batch_size, height, width, num_channels = tf.unstack(tf.shape(images, tf.int64))
    num_pixels = height * width
    size = tf.strings.as_string(width) + "x" + tf.strings.as_string(height)
    error = tf.where(num_pixels > max_pixels, _too_large(size + " pixels", max_pixels), "")
    error = tf.where(num_pixels == 0, "the image has " + size + " pixels", error)
    channels = "the image has " + tf.strings.as_string(num_channels) + " channels, expected 1 to 4"
    error = tf.where((num_channels < 1) | (num_channels > 4), channels, error)
    upright = tf.ones(batch_size[None], tf.int32)

    def decode(image, orientation):
        return image, orientation

    return _inputs(tf.fill(batch_size[None], error), (images, upright), decode, layout)


def _inputs(error, elements, decode, layout) -> NetworkInputs:
    """Makes the network inputs of those images that have no error yet.

    Args:
        error: string [batch].
        elements: What `decode` takes of each image, [batch, ...] each.
        decode: Returns an image, uint8 [height, width, 1..4], and its EXIF orientation; where it
            fails the image gets an error.
    """
    with tf.device(_HEAD_DEVICE):
        return _inputs_of_candidates(error, elements, decode, layout)


def _inputs_of_candidates(error, elements, decode, layout) -> NetworkInputs:
    batch_size = tf.size(error)
    candidates = tf.where(error == "")[:, 0]
    padded_hw, stride = layout.padded_size_hw, layout.stride

    def network_input(index, *element):
        image, orientation = decode(*element)
        return index, *_network_input(_to_rgb(image), orientation, layout)

    # A data set inside the graph is what lets one element fail without failing the call.
    decoded = tf.data.Dataset.from_tensor_slices(
        (tf.cast(candidates, tf.int32), *(tf.gather(values, candidates) for values in elements))
    )
    decoded = decoded.map(network_input, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    blank = (batch_size, tf.zeros([*padded_hw, 3]), tf.ones([2], tf.int32), tf.ones([2], tf.int32))
    decoded = decoded.ignore_errors().concatenate(tf.data.Dataset.from_tensors(blank))
    index, images, scaled_size_hw, image_size_hw = decoded.batch(
        tf.cast(batch_size, tf.int64) + 1
    ).get_single_element()
    used_size_hw = tf.minimum((scaled_size_hw + stride - 1) // stride * stride, padded_hw)

    num_decoded = tf.size(index) - 1
    order = used_size_hw[:-1, 0] * (padded_hw[1] + 1) + used_size_hw[:-1, 1]
    order = tf.argsort(order, stable=True)
    order = tf.concat([order, [num_decoded]], 0)  # the blank one stays behind them
    index, images, scaled_size_hw, used_size_hw, image_size_hw = (
        tf.gather(values, order)
        for values in (index, images, scaled_size_hw, used_size_hw, image_size_hw)
    )
    row = tf.tensor_scatter_nd_update(
        tf.fill([batch_size + 1], -1), index[:, None], tf.range(num_decoded + 1)
    )[:-1]
    damaged = "the image is damaged or cut short and cannot be decoded"
    error = tf.where((error == "") & (row < 0), damaged, error)
    num_rows = tf.maximum(num_decoded, 1)
    return NetworkInputs(
        error=error,
        row=tf.maximum(row, 0),
        images=tf.ensure_shape(images[:num_rows], [None, *padded_hw, 3]),
        image_index=index[:num_rows],
        is_blank=index[:num_rows] == batch_size,
        scaled_size_hw=scaled_size_hw[:num_rows],
        used_size_hw=used_size_hw[:num_rows],
        image_size_hw=image_size_hw[:num_rows],
    )


def _header_error(image_bytes: tf.Tensor, headers, max_pixels: int) -> tf.Tensor:
    """Returns string [batch], why an image must not be decoded; "" where it may."""
    num_pixels = headers.num_pixels
    size = tf.strings.as_string(headers.width) + "x" + tf.strings.as_string(headers.height)
    frames = tf.strings.as_string(num_pixels) + " pixels in all its frames"
    size = tf.where(num_pixels > headers.height * headers.width, frames, size + " pixels")
    none = tf.fill(tf.shape(image_bytes), "")
    error = tf.where(num_pixels > max_pixels, _too_large(size, max_pixels), none)
    error = tf.where(num_pixels <= 0, "the image's header is damaged: it gives no size", error)
    unknown = "not an image: expected the bytes of a JPEG, PNG, BMP, GIF or WebP file"
    error = tf.where(headers.known, error, unknown)
    return tf.where(tf.strings.length(image_bytes) > 0, error, "the image is empty (0 bytes)")


def _too_large(size: tf.Tensor, max_pixels: int) -> tf.Tensor:
    limit = f"; at most {max_pixels} pixels are accepted, send it smaller"
    return "the image has " + size + limit


def _to_rgb(image: tf.Tensor) -> tf.Tensor:
    """Turns uint8 [height, width, 1..4] (grey or RGB, alpha or not) into RGB on white."""
    image = tf.ensure_shape(image, [None, None, None])
    num_channels = tf.shape(image)[2]

    def on_white():
        alpha = tf.cast(image[:, :, -1:], tf.float32) / 255.0
        colour = tf.cast(image[:, :, :-1], tf.float32)
        return tf.cast(tf.round(255.0 + (colour - 255.0) * alpha), tf.uint8)

    image = tf.cond(num_channels % 2 == 0, on_white, lambda: image)
    image = tf.cond(num_channels < 3, lambda: tf.tile(image, [1, 1, 3]), lambda: image)
    return tf.ensure_shape(image, [None, None, 3])


def _network_input(image, orientation, layout: InputLayout):
    """Returns the network input of one RGB image, its scaled size and its upright size."""
    stored_hw = tf.shape(image)[:2]
    size_hw = tf.where(orientation >= 5, tf.reverse(stored_hw, [0]), stored_hw)
    size = tf.cast(size_hw, tf.float32)
    scale = tf.reduce_min(tf.constant(layout.input_size_hw, tf.float32) / size)
    scaled_hw = tf.maximum(tf.cast(tf.round(size * scale), tf.int32), 1)
    stored_scaled_hw = tf.where(orientation >= 5, tf.reverse(scaled_hw, [0]), scaled_hw)
    resized = tf.image.resize(image, stored_scaled_hw)
    upright = _upright(resized, orientation) / 255.0
    normalised = preprocess_ops.normalize_scaled_float_image(upright)
    padded = tf.image.pad_to_bounding_box(normalised, 0, 0, *layout.padded_size_hw)
    return tf.ensure_shape(padded, [*layout.padded_size_hw, 3]), scaled_hw, size_hw


def _upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Undoes an EXIF orientation (1..8): first the transposition, then the mirrorings."""
    image = tf.cond(orientation >= 5, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    flip_rows = tf.reduce_any(orientation == [3, 4, 7, 8])
    flip_columns = tf.reduce_any(orientation == [2, 3, 6, 7])
    image = tf.cond(flip_rows, lambda: tf.reverse(image, [0]), lambda: image)
    return tf.cond(flip_columns, lambda: tf.reverse(image, [1]), lambda: image)
