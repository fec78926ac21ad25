"""The records of a prepared data set -> photos and masks, whole or no more than a view shows."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tfseg.dataloaders.photo_view import Frame, View
from tfseg.ops import mask_png
from tfseg.ops.ignore_regions import IGNORED_CLASS

_SIDES = ("ymin", "xmin", "ymax", "xmax")
FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "image/source_id": tf.io.FixedLenFeature([], tf.string),
    "image/object/class/label": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
    "image/object/is_crowd": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
    "image/object/mask": tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64),
    **{
        f"image/object/bbox/{side}": tf.io.RaggedFeature(tf.float32, row_splits_dtype=tf.int64)
        for side in _SIDES
    },
}
_ATTRIBUTES = {"image/object/attributes": tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64)}
_MARGIN = 2  # pixels about a window: bilinear samples, rounding
_REDUCTIONS = (1, 2, 4, 8)  # that a JPEG can be decoded at


class Record(NamedTuple):
    """A photo as it is stored.

    Attributes:
        encoded: string scalar.
        classes: int64 [num] from 1, IGNORED_CLASS for crowds; with attributes
            [num, 1 + num_attributes], see with_attributes.
        pngs: string [num], masks.
        boxes: float32 [num, 4] yxyx, 0..1; all of the photo where the record has none, or one
            that is no number.
        source_id: int64 scalar.
    """

    encoded: tf.Tensor
    classes: tf.Tensor
    pngs: tf.Tensor
    boxes: tf.Tensor
    source_id: tf.Tensor

    def select(self, chosen: tf.Tensor) -> "Record":
        """The record with some of its instances: bool [num]."""
        classes, pngs, boxes = (
            tf.boolean_mask(values, chosen) for values in (self.classes, self.pngs, self.boxes)
        )
        return self._replace(classes=classes, pngs=pngs, boxes=boxes)


def parse(
    serialized: tf.Tensor, keeps_crowds: bool = False, attribute_ids: Sequence[int] = ()
) -> Record:
    """Reads a tf.train.Example of a prepared data set.

    Args:
        serialized: string scalar.
        keeps_crowds: Whether crowds are there; else they are left out.
        attribute_ids: The attributes that are wanted beside the classes; none: not they.
    """
    features = {**FEATURES, **_ATTRIBUTES} if attribute_ids else FEATURES
    parsed = tf.io.parse_single_example(serialized, features)
    classes, crowds = parsed["image/object/class/label"], parsed["image/object/is_crowd"]
    sides = [parsed[f"image/object/bbox/{side}"] for side in _SIDES]
    num = tf.size(classes)
    known = tf.reduce_all([tf.size(side) == num for side in sides])
    boxes = tf.cond(
        known,
        lambda: tf.stack(sides, axis=1),
        lambda: tf.tile([[0.0, 0.0, 1.0, 1.0]], [num, 1]),
    )
    # A box only says which masks need not be decoded; the mask itself is the garment's.
    is_number = tf.reduce_all(tf.math.is_finite(boxes), axis=1, keepdims=True)
    boxes = tf.where(is_number, boxes, [0.0, 0.0, 1.0, 1.0])
    source_id = tf.strings.to_number(parsed["image/source_id"], tf.int64)
    # The key is optional, and none is a crowd without it.
    single = tf.equal(tf.pad(crowds, [[0, num - tf.size(crowds)]]), 0)
    labels = tf.where(single, classes, IGNORED_CLASS)
    if attribute_ids:
        labels = with_attributes(labels, parsed["image/object/attributes"], attribute_ids)
    everything = Record(
        parsed["image/encoded"], labels, parsed["image/object/mask"], boxes, source_id
    )
    return everything if keeps_crowds else everything.select(single)


def with_attributes(
    classes: tf.Tensor, texts: tf.Tensor, attribute_ids: Sequence[int]
) -> tf.Tensor:
    """Lays each instance's attributes beside its class, so that what drops one drops the other.

    Args:
        classes: int64 [num].
        texts: string [num], ids with "_" between, "none", or "" where nobody said; may be missing
            altogether, then nobody said of any.
        attribute_ids: In the order of the result's columns.

    Returns:
        int64 [num, 1 + num_attributes]: the class, and for each attribute 1 where the instance has
        it, 0 where it has not, -1 where nobody said.
    """
    missing = tf.size(classes) - tf.size(texts)
    texts = tf.concat([texts, tf.fill([tf.maximum(missing, 0)], "")], 0)[: tf.size(classes)]
    wanted = tf.constant([str(one) for one in attribute_ids])
    said = tf.strings.split(texts, "_")
    has = tf.reduce_any(said.to_tensor("")[:, :, tf.newaxis] == wanted, axis=1)
    values = tf.where((texts == "")[:, tf.newaxis], -1, tf.cast(has, tf.int32))
    return tf.concat([classes[:, tf.newaxis], tf.cast(values, tf.int64)], axis=1)


def is_jpeg(record: Record) -> tf.Tensor:
    """Whether a part of the photo can be decoded alone (bool scalar)."""
    return tf.strings.substr(record.encoded, 0, 2) == b"\xff\xd8"


def decode(record: Record) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes a photo and its masks whole.

    Returns:
        image uint8 [height, width, 3], masks uint8 [num, height, width] of 0 and 1.
    """
    image = tf.io.decode_image(record.encoded, channels=3, expand_animations=False)
    image.set_shape([None, None, 3])
    size_hw = tf.shape(image)[:2]
    return image, mask_png.decode_parts(record.pngs, tf.zeros([2], tf.int32), size_hw)


def decode_view(record: Record, view: View, size_hw: tf.Tensor):
    """Decodes what a view shows of a JPEG, and the masks of the instances that can be seen there.

    A photo that is shown at half its size or less is decoded at a half, a quarter or an eighth (by
    libjpeg, from fewer coefficients of its cosine transform), whole.

    Returns:
        image uint8 [rows, columns, 3], masks uint8 [num, rows, columns], the record with those
        instances alone, and the Frame of image and masks.
    """
    size = tf.cast(size_hw, tf.float32)
    boxes = record.boxes * tf.tile(size, [2])
    low = tf.maximum(boxes[:, :2] - 1.0, view.window[:2])
    high = tf.minimum(boxes[:, 2:] + 1.0, view.window[2:])
    # As train_targets drops them: a side of under a pixel.
    record = record.select(tf.reduce_all((high - low) * view.scale >= 1.0, axis=1))
    first = tf.maximum(tf.cast(tf.floor(view.window[:2]), tf.int32) - _MARGIN, 0)
    end = tf.minimum(tf.cast(tf.math.ceil(view.window[2:]), tf.int32) + _MARGIN, size_hw)
    masks = mask_png.decode_parts(record.pngs, first, end)

    def at_full_size():
        window = tf.concat([first, end - first], 0)
        return tf.image.decode_and_crop_jpeg(record.encoded, window, channels=3)

    def reduced(reduction):
        return lambda: tf.io.decode_jpeg(record.encoded, channels=3, ratio=reduction)

    fitting = [tf.reduce_max(view.scale) * reduction <= 1.0 for reduction in _REDUCTIONS[1:]]
    step = tf.reduce_sum(tf.cast(fitting, tf.int32))
    decoders = [at_full_size, *(reduced(reduction) for reduction in _REDUCTIONS[1:])]
    image = tf.ensure_shape(tf.switch_case(step, decoders), [None, None, 3])
    image_origin = tf.where(step == 0, first, 0)
    frame = Frame(size_hw, image_origin, tf.gather(tf.constant(_REDUCTIONS), step), first)
    return image, masks, record, frame


def jpeg_size_hw(record: Record) -> tf.Tensor:
    """The size of a JPEG, from its header: int32 [2]."""
    return tf.io.extract_jpeg_shape(record.encoded)[:2]
