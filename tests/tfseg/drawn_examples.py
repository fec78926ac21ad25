"""Small drawn photos as the records of a prepared data set."""

import io

import numpy as np
from PIL import Image


def png(array) -> bytes:
    """Encodes a uint8 array."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def mask(size_hw, ymin, xmin, ymax, xmax) -> np.ndarray:
    """A mask of one rectangle, half-open."""
    drawn = np.zeros(size_hw, np.uint8)
    drawn[ymin:ymax, xmin:xmax] = 1
    return drawn


def photo(masks, size_hw=(60, 40), seed=0) -> np.ndarray:
    """Smooth noise, brighter where a mask is."""
    noise = np.random.default_rng(seed).integers(0, 150, (6, 4, 3), np.uint8)
    drawn = np.array(Image.fromarray(noise).resize(size_hw[::-1], Image.Resampling.BILINEAR))
    for one in masks:
        drawn = drawn + 25 * one[..., np.newaxis]
    return drawn.astype(np.uint8)


def example(masks, classes, image_id=1, size_hw=(60, 40), crowds=None) -> bytes:
    """Serializes a photo with instances, in the features of data_prep.examples."""
    import tensorflow as tf

    height, width = size_hw
    corners = []
    for one in masks:
        ys, xs = np.nonzero(one)
        corners.append((ys.min(), xs.min(), ys.max() + 1, xs.max() + 1))
    boxes = np.array(corners, np.float32).reshape(-1, 4) / (height, width, height, width)

    def floats(values):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    def integers(values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def strings(values):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    feature = {
        "image/encoded": strings([png(photo(masks, size_hw, image_id))]),
        "image/source_id": strings([str(image_id).encode()]),
        "image/height": integers([height]),
        "image/width": integers([width]),
        "image/object/class/label": integers(classes),
        "image/object/is_crowd": integers(crowds or [0] * len(classes)),
        "image/object/area": floats([float(one.sum()) for one in masks]),
        "image/object/mask": strings([png(one) for one in masks]),
    }
    for name, column in zip(("ymin", "xmin", "ymax", "xmax"), boxes.T, strict=True):
        feature[f"image/object/bbox/{name}"] = floats(column)
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
