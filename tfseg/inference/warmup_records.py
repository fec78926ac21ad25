"""The requests a server replays before it takes any from outside, one for each signature."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

# tensorflow_serving/servables/tensorflow/saved_model_warmup_util.h
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"


def write_warmup_records(path: Path, signature_names: Iterable[str]) -> None:
    """Writes TensorFlow Serving's warm-up file for ServingModule.signatures.

    A record that fails would fail the load of the model, so each is a request like any user's.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    photo = warmup_photo()
    encoded = tf.constant([tf.io.encode_jpeg(photo).numpy()])
    above = {"image_bytes": encoded, "score_threshold": tf.constant([0.5])}
    inputs_by_signature = {
        "serving_default": {"image_bytes": encoded},
        "with_score_threshold": above,
        "with_attribute_scores": above,
        "image_tensor": {"images": tf.constant(photo[None])},
        "mask_crops": {"image_bytes": encoded},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature_name in signature_names:
            inputs = inputs_by_signature[signature_name]
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = signature_name
            for name, value in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())


def warmup_photo() -> np.ndarray:
    """Returns a plain figure before a shaded wall, uint8 [640, 480, 3] RGB."""
    y, x = np.mgrid[:640, :480]
    image = np.stack([140 + y // 8, 150 + x // 8, 170 + (x + y) // 16], axis=-1)
    for centre_y, half_height, half_width, colour in (
        (110, 60, 45, (205, 160, 130)),
        (260, 100, 85, (170, 40, 50)),
        (470, 120, 65, (40, 60, 120)),
    ):
        inside = ((y - centre_y) / half_height) ** 4 + ((x - 240) / half_width) ** 4 < 1
        image[inside] = colour
    return image.astype(np.uint8)
