import grpc
import pytest
from tensorflow_serving.apis import model_pb2

from serving.model_store import ModelStore, ServedVersion
from serving.request_errors import RequestError
from serving.version_folders import numbered_versions


def test_numbered_versions_takes_whole_numbers_only(tmp_path):
    for name in ("1", "10", "2", "-3", "4.5", "saving-11", "v7", "٣"):
        (tmp_path / name).mkdir()
    (tmp_path / "99").write_text("a file")

    assert numbered_versions(tmp_path) == {
        1: tmp_path / "1",
        2: tmp_path / "2",
        10: tmp_path / "10",
    }


def test_served_version_without_saved_model(tmp_path):
    with pytest.raises(ValueError) as caught:
        ServedVersion(1, tmp_path)

    assert str(caught.value).startswith(f"{tmp_path}: cannot load the SavedModel: SavedModel file")


def test_served_version_damaged_graph(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"not a graph")

    with pytest.raises(ValueError, match="cannot load the SavedModel"):
        ServedVersion(1, tmp_path)


def test_served_version_without_its_variables(export_dir, tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.weight = tf.Variable(2.0)
    scale = tf.function(lambda x: {"y": module.weight * x}).get_concrete_function(
        tf.TensorSpec([None], name="x")
    )
    tf.saved_model.save(module, str(tmp_path), signatures=scale)
    next((tmp_path / "variables").glob("*.data*")).unlink()

    with pytest.raises(ValueError, match="cannot load the SavedModel"):
        ServedVersion(1, tmp_path)


def test_find_takes_the_highest_or_the_named_version(export_dir):
    store = ModelStore("fashion")
    versions = {number: ServedVersion(number, export_dir / "3") for number in (9, 10)}
    for served in versions.values():
        store.add(served)

    latest = model_pb2.ModelSpec(name="fashion")
    named = model_pb2.ModelSpec(name="fashion")
    named.version.value = 9

    assert store.versions() == [9, 10]
    assert store.find(latest) is versions[10]
    assert store.find(named) is versions[9]


def test_find_in_an_empty_store():
    with pytest.raises(RequestError) as caught:
        ModelStore("fashion").find(model_pb2.ModelSpec(name="fashion"))

    assert caught.value.code is grpc.StatusCode.NOT_FOUND
    assert caught.value.message == "Servable not found for request: Latest(fashion)"
