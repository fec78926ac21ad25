"""A small real SavedModel with the served signature: it finds blocks of pure colour in a photo.

Red is a dress (category 6, score 0.9), blue are pants (category 8, score 0.4). Also a program, for
a test that must not import TensorFlow itself.
"""

import tensorflow as tf

_COLORS = ((255, 0, 0), (0, 0, 255))
_CATEGORY_IDS = (6, 8)
_CATEGORY_NAMES = ("dress", "pants")
_SCORES = (0.9, 0.4)
_PNG_START, _JPEG_START = b"\x89PNG", b"\xff\xd8"


class ColorBlockModel(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def detect(self, image_bytes):
        blank = tf.io.encode_png(tf.zeros([1, 1, 3], tf.uint8))
        is_photo = tf.logical_or(
            tf.strings.substr(image_bytes, 0, 4) == _PNG_START,
            tf.strings.substr(image_bytes, 0, 2) == _JPEG_START,
        )
        found = tf.map_fn(
            _blocks,
            tf.where(is_photo, image_bytes, blank),
            fn_output_signature={
                "num_detections": tf.int32,
                "boxes_yxyx": tf.TensorSpec([2, 4], tf.float32),
                "class_ids": tf.TensorSpec([2], tf.int32),
                "class_names": tf.TensorSpec([2], tf.string),
                "scores": tf.TensorSpec([2], tf.float32),
                "mask_rle": tf.TensorSpec([2], tf.string),
                "image_size_hw": tf.TensorSpec([2], tf.int32),
            },
        )
        most = tf.reduce_max(tf.concat([[0], found["num_detections"]], axis=0))
        for name in ("boxes_yxyx", "class_ids", "class_names", "scores", "mask_rle"):
            found[name] = found[name][:, :most]
        reason = tf.where(is_photo, "", "not a PNG or JPEG image")
        return {**found, "ok": is_photo, "error": reason}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="image_bytes"),
            tf.TensorSpec([None], tf.float32, name="score_threshold"),
        ]
    )
    def detect_above(self, image_bytes, score_threshold):
        found = self.detect(image_bytes)  # scores descend: what is kept comes first
        kept = found["scores"] >= score_threshold[:, None]
        return {**found, "num_detections": tf.reduce_sum(tf.cast(kept, tf.int32), axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def echo(self, text):
        return {"text": text}


def _blocks(image_bytes):
    image = tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    boxes, rles, found = [], [], []
    for color in _COLORS:
        difference = tf.abs(tf.cast(image, tf.int32) - tf.constant(color))
        inside = tf.where(tf.reduce_all(difference < 60, axis=2))
        found.append(tf.shape(inside)[0] > 0)
        inside = tf.cond(found[-1], lambda i=inside: i, lambda: tf.zeros([1, 2], tf.int64))
        inside = tf.cast(inside, tf.int32)
        box = tf.concat([tf.reduce_min(inside, axis=0), tf.reduce_max(inside, axis=0) + 1], axis=0)
        boxes.append(tf.cast(box, tf.float32))
        rles.append(_rectangle_rle(box, height, width))
    found = tf.stack(found)

    def compact(values):
        kept = tf.boolean_mask(values, found)
        shape = tf.concat([[2 - tf.shape(kept)[0]], tf.shape(kept)[1:]], axis=0)
        filler = tf.fill(shape, "") if kept.dtype == tf.string else tf.zeros(shape, kept.dtype)
        return tf.ensure_shape(tf.concat([kept, filler], axis=0), values.shape)

    return {
        "num_detections": tf.reduce_sum(tf.cast(found, tf.int32)),
        "boxes_yxyx": compact(tf.stack(boxes)),
        "class_ids": compact(tf.constant(_CATEGORY_IDS)),
        "class_names": compact(tf.constant(_CATEGORY_NAMES)),
        "scores": compact(tf.constant(_SCORES)),
        "mask_rle": compact(tf.stack(rles)),
        "image_size_hw": tf.stack([height, width]),
    }


def _rectangle_rle(box, height, width):
    """COCO's compressed RLE of a filled box; after three counts each is stored as a difference."""
    ymin, xmin, ymax, xmax = tf.unstack(box)
    run, columns = ymax - ymin, xmax - xmin
    before = xmin * height + ymin
    after = height * width - before - columns * height + (height - run)
    start = _coco_number(before) + _coco_number(run)
    zeros = tf.strings.reduce_join(tf.fill([tf.maximum(2 * columns - 3, 0)], "0"))
    gap = height - run
    several = start + _coco_number(gap) + zeros + _coco_number(after - gap)
    return tf.where(columns > 1, several, start + _coco_number(after))


def _coco_number(number):
    """Five bits a character, lowest first, from "0" (cocoapi common/maskApi.c, rleToString)."""
    text = ""
    more = tf.constant(True)
    for _ in range(7):
        low = tf.bitwise.bitwise_and(number, 31)
        number_left = tf.bitwise.right_shift(number, 5)
        rest = tf.where(tf.bitwise.bitwise_and(low, 16) > 0, number_left != -1, number_left != 0)
        code = low + tf.where(rest, 32, 0) + 48
        text += tf.where(more, tf.strings.unicode_encode([code], "UTF-8"), "")
        more, number = tf.logical_and(more, rest), number_left
    return text


def export(path):
    """Writes the SavedModel."""
    model = ColorBlockModel()
    signatures = {
        "serving_default": model.detect,
        "with_score_threshold": model.detect_above,
        "echo": model.echo,
    }
    tf.saved_model.save(model, str(path), signatures=signatures)
