"""Replays the requests stored in a SavedModel, so that the first user does not pay for start-up."""

from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from serving.servables.model_store import ServedVersion
from serving.servables.prediction import predict
from serving.servables.request_errors import RequestError

# tensorflow_serving/servables/tensorflow/saved_model_warmup_util.h
WARMUP_PATH = Path("assets.extra") / "tf_serving_warmup_requests"
MAX_RECORDS = 1000


def replay_warmup_records(served: ServedVersion) -> int:
    """Runs every warm-up record of a version; as in TensorFlow Serving one that fails is fatal.

    Returns:
        How many were run; 0 where the SavedModel brings none.

    Raises:
        ValueError: The file is damaged, holds more than 1,000 records or another kind than
            predict_log, or a record's request fails.
    """
    path = served.path / WARMUP_PATH
    if not path.is_file():
        return 0
    num_records = 0
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            if num_records == MAX_RECORDS:
                raise ValueError(f"{path}: more than {MAX_RECORDS} warm-up records; write fewer.")
            log = prediction_log_pb2.PredictionLog.FromString(record)
            kind = log.WhichOneof("log_type")
            if kind != "predict_log":
                raise ValueError(f"{path}: record {num_records} is {kind}, not predict_log.")
            predict(served, log.predict_log.request)
            num_records += 1
    except RequestError as error:
        raise ValueError(
            f"{path}: record {num_records} failed: {error.code.name}: {error.message}"
        ) from error
    except (tf.errors.OpError, DecodeError) as error:
        raise ValueError(f"{path}: record {num_records} is damaged; export again.") from error
    return num_records
