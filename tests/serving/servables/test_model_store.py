import threading

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import model_pb2

from serving.servables.model_store import ModelStore, ServedVersion
from serving.servables.request_errors import RequestError


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


def _spec(name="fashion", version=None, label=None):
    spec = model_pb2.ModelSpec(name=name)
    if version is not None:
        spec.version.value = version
    if label is not None:
        spec.version_label = label
    return spec


def _found(store, **spec):
    with store.find(_spec(**spec)) as served:
        return served


@pytest.fixture(scope="module")
def two_versions(export_dir):
    store = ModelStore()
    versions = {number: ServedVersion(number, export_dir / "3") for number in (9, 10)}
    for served in versions.values():
        store.add("fashion", served)
    return store, versions


def test_find_takes_the_highest_or_the_named_version(two_versions):
    store, versions = two_versions

    assert store.versions("fashion") == [9, 10]
    assert _found(store) is versions[10]
    assert _found(store, version=9) is versions[9]


def test_find_by_label(two_versions):
    store, versions = two_versions
    store.set_labels("fashion", {"stable": 9, "canary": 11})

    assert _found(store, label="stable") is versions[9]
    for label in ("canary", "unheard"):
        with pytest.raises(RequestError) as caught:
            _found(store, label=label)
        assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.message == f"Unrecognized servable version label: {label}"


def test_find_in_an_empty_store():
    with pytest.raises(RequestError) as caught:
        _found(ModelStore())

    assert caught.value.code is grpc.StatusCode.NOT_FOUND
    assert caught.value.message == "Servable not found for request: Latest(fashion)"


def test_a_removed_version_ends_after_its_last_request(export_dir):
    store = ModelStore()
    store.add("fashion", ServedVersion(1, export_dir / "3"))

    with store.find(_spec()) as served:
        removed = store.remove("fashion", 1)
        closing = threading.Thread(target=removed.close_when_unused)
        closing.start()
        with pytest.raises(RequestError, match=r"Servable not found for request: Latest"):
            _found(store)
        signature = served.signatures["echo"]
        feeds = {signature.inputs["text"].name: np.array([b"still here"], object)}
        assert served.run(feeds, [signature.outputs["text"].name])[0].tolist() == [b"still here"]
        assert closing.is_alive()

    closing.join(10)
    assert not closing.is_alive()
    with pytest.raises(RuntimeError, match="closed"):
        served.run(feeds, [signature.outputs["text"].name])
