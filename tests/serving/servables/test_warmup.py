import shutil

import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving.servables.model_store import ServedVersion
from serving.servables.warmup import replay_warmup_records


@pytest.fixture
def served(export_dir, tmp_path):
    shutil.copytree(export_dir / "3", tmp_path / "1")
    return ServedVersion(1, tmp_path / "1")


def _echo_log(**fields):
    request = predict_pb2.PredictRequest(**fields)
    request.model_spec.name = "warm-up does not look at it"
    request.model_spec.signature_name = "echo"
    request.inputs["text"].CopyFrom(tf.make_tensor_proto([b"a"]))
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request)
    return log


def _write(served, records):
    path = served.path / "assets.extra" / "tf_serving_warmup_requests"
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


def test_replay_without_records(served):
    assert replay_warmup_records(served) == 0


def test_replay_runs_every_record(served):
    _write(served, [_echo_log().SerializeToString()] * 3)

    assert replay_warmup_records(served) == 3


def test_replay_failing_record(served):
    path = _write(
        served,
        [_echo_log().SerializeToString(), _echo_log(output_filter=["x"]).SerializeToString()],
    )

    with pytest.raises(ValueError) as caught:
        replay_warmup_records(served)

    assert str(caught.value) == (
        f"{path}: record 1 failed: INVALID_ARGUMENT: output tensor alias not found in signature: x "
        "Outputs expected to be in the set {text}."
    )


def test_replay_record_of_another_kind(served):
    log = prediction_log_pb2.PredictionLog()
    log.regress_log.request.model_spec.name = "fashion"
    _write(served, [log.SerializeToString()])

    with pytest.raises(ValueError, match="record 0 is regress_log, not predict_log"):
        replay_warmup_records(served)


def test_replay_more_than_1000_records(served):
    _write(served, [_echo_log().SerializeToString()] * 1001)

    with pytest.raises(ValueError, match="more than 1000 warm-up records"):
        replay_warmup_records(served)


def test_replay_damaged_file(served):
    path = _write(served, [_echo_log().SerializeToString()] * 2)
    path.write_bytes(path.read_bytes()[:-5])

    with pytest.raises(ValueError, match="record 1 is damaged"):
        replay_warmup_records(served)


def test_replay_record_that_is_no_message(served):
    _write(served, [b"\xff\xff"])

    with pytest.raises(ValueError, match="record 0 is damaged"):
        replay_warmup_records(served)


def test_replay_of_a_file_that_cannot_be_read(served, monkeypatch):
    _write(served, [b""])

    def refuse(*_):
        raise tf.errors.PermissionDeniedError(None, None, "not yours")

    monkeypatch.setattr(tf.data, "TFRecordDataset", refuse)

    with pytest.raises(ValueError, match="record 0 is damaged"):
        replay_warmup_records(served)
