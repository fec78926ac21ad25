import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from tfseg import export

pytestmark = pytest.mark.slow

OUTPUT_NAMES = {
    "ok", "error", "num_detections", "boxes_yxyx", "class_ids", "class_names", "scores",
    "mask_rle", "image_size_hw",
}  # fmt: skip


def make_photo(height, width, seed=0):
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    image = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", image)[1].tobytes()


class _Named(str):
    """In place of a module where save_module is replaced."""

    signatures = ("serving_default",)


NEW = _Named("new")


@pytest.fixture(scope="module")
def version_dir(tiny_module, tmp_path_factory):
    return export.export_module(tiny_module, tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def run_eagerly(version_dir):
    loaded = tf.saved_model.load(str(version_dir))
    signature = loaded.signatures["serving_default"]

    def run(images):
        outputs = signature(image_bytes=tf.constant(images, tf.string))
        return {name: value.numpy() for name, value in outputs.items()}

    yield run
    del loaded  # until here: the signature does not keep it alive


@pytest.fixture(scope="module")
def run_in_session(version_dir):
    """Loads as TensorFlow Serving does: the graph of tag `serve` in a session."""
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():  # not beyond the loading: the tests run eagerly
        meta_graph = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(version_dir))

    def run(image_bytes=None, signature_name="serving_default", **inputs):
        signature = meta_graph.signature_def[signature_name]
        if image_bytes is not None:
            inputs["image_bytes"] = image_bytes
        return session.run(
            {name: info.name for name, info in signature.outputs.items()},
            {signature.inputs[name].name: value for name, value in inputs.items()},
        )

    run.signatures = meta_graph.signature_def
    yield run
    session.close()


@pytest.mark.parametrize(
    "images",
    [
        pytest.param([make_photo(150, 230)], id="one"),
        pytest.param([make_photo(50, 80), b"broken", make_photo(300, 100, 1), b""], id="mixed"),
        pytest.param([b"broken"], id="broken"),
        pytest.param([], id="empty"),
    ],
)
def test_exported_answers_as_before(tiny_module, run_in_session, run_eagerly, images):
    expected = {k: v.numpy() for k, v in tiny_module.detect(tf.constant(images, tf.string)).items()}

    for outputs in (run_in_session(np.array(images, object)), run_eagerly(images)):
        assert outputs.keys() == OUTPUT_NAMES
        for name, values in expected.items():
            assert outputs[name].shape == values.shape, name
            if values.dtype == np.float32:
                np.testing.assert_allclose(outputs[name], values, atol=1e-3)
            else:
                assert outputs[name].tolist() == values.tolist(), name


def test_exported_graph_holds_the_network_once(version_dir):
    saved = saved_model_pb2.SavedModel.FromString((version_dir / "saved_model.pb").read_bytes())
    (meta_graph,) = saved.meta_graphs

    functions = meta_graph.graph_def.library.function
    assert sum(any("Conv2D" in node.op for node in one.node_def) for one in functions) == 1


def test_exported_signatures(run_in_session):
    def layout(infos):
        return {
            name: (tf.as_dtype(info.dtype).name, [d.size for d in info.tensor_shape.dim])
            for name, info in infos.items()
        }

    signatures = run_in_session.signatures
    image_bytes = {"image_bytes": ("string", [-1])}
    assert {n: layout(s.inputs) for n, s in signatures.items() if not n.startswith("__")} == {
        "serving_default": image_bytes,
        "with_score_threshold": {**image_bytes, "score_threshold": ("float32", [-1])},
        "image_tensor": {"images": ("uint8", [-1, -1, -1, -1])},
        "mask_crops": image_bytes,
    }
    for name, signature in signatures.items():
        if not name.startswith("__"):
            crops = {"mask_crops"} if name == "mask_crops" else {"mask_rle"}
            assert set(signature.outputs) == (OUTPUT_NAMES - {"mask_rle"}) | crops
            assert signature.method_name == "tensorflow/serving/predict"
            assert {size[:1] == [-1] for _, size in layout(signature.outputs).values()} == {True}


def test_exported_graph_needs_no_python_and_no_xla(version_dir):
    from tensorflow.core.protobuf import saved_model_pb2

    saved_model = saved_model_pb2.SavedModel.FromString(
        (version_dir / "saved_model.pb").read_bytes()
    )
    (meta_graph,) = saved_model.meta_graphs
    functions = meta_graph.graph_def.library.function
    ops = {node.op for node in meta_graph.graph_def.node}
    ops |= {node.op for function in functions for node in function.node_def}

    assert not {"PyFunc", "EagerPyFunc", "PyFuncStateless", "NumpyFunction"} & ops
    assert not any("_XlaMustCompile" in function.attr for function in functions)
    assert len(saved_model.SerializeToString()) < 8_000_000


def test_exported_category_names(version_dir):
    assert (version_dir / "assets/category_names.txt").read_text() == "bag\nbelt\nboots\n"


def test_exported_warmup_can_be_replayed(version_dir, run_in_session):
    path = version_dir / "assets.extra/tf_serving_warmup_requests"
    signature_names = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        signature_names.append(request.model_spec.signature_name)
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        outputs = run_in_session(signature_name=signature_names[-1], **inputs)
        assert outputs["ok"].tolist() == [True]
        assert outputs["image_size_hw"].tolist() == [[640, 480]]
    assert sorted(signature_names) == [
        "image_tensor",
        "mask_crops",
        "serving_default",
        "with_score_threshold",
    ]


def test_exported_loads_through_the_c_api(tiny_module, version_dir, run_in_session, tmp_path):
    """The loader of TensorFlow Serving, without Python's TensorFlow; in a process of its own."""
    signature = run_in_session.signatures["serving_default"]
    infos = {**signature.inputs, **signature.outputs}
    names = json.dumps({name: info.name for name, info in infos.items()})
    photos = [make_photo(150, 230), b"broken"]
    for index, photo in enumerate(photos):
        (tmp_path / f"{index}.jpg").write_bytes(photo)

    ended = subprocess.run(
        [sys.executable, "-m", "tests.tfseg.c_api_detect", version_dir, tmp_path, names],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert ended.returncode == 0, ended.stderr[-2000:]
    found = json.loads(ended.stdout)
    expected = {k: v.numpy() for k, v in tiny_module.detect(tf.constant(photos)).items()}
    assert found["num_detections"] == expected["num_detections"].tolist()
    np.testing.assert_allclose(found["boxes_yxyx"], expected["boxes_yxyx"].ravel(), atol=1e-3)
    assert found["mask_rle"] == [counts.decode() for counts in expected["mask_rle"].ravel()]


def test_exported_folder(version_dir):
    assert version_dir.name == "1"
    names = {path.name for path in version_dir.iterdir()}
    assert names >= {"saved_model.pb", "variables", "assets", "assets.extra"}
    assert [path.name for path in version_dir.parent.iterdir()] == ["1"]


@pytest.fixture
def fast_save(monkeypatch):
    """Writes a file in place of a SavedModel: these tests are about folders."""

    def save(module, saved_model_dir):
        (saved_model_dir / "saved_model.pb").write_text(module)

    monkeypatch.setattr(export, "save_module", save)


def test_export_module_takes_the_next_number(fast_save, tmp_path):
    for name in ("2", "10", ".export-x", "best", "3.bak"):
        (tmp_path / name).mkdir()

    version_dir = export.export_module(NEW, tmp_path)

    assert version_dir == tmp_path / "11"
    assert (version_dir / "saved_model.pb").read_text() == NEW


def test_export_module_passes_over_what_is_no_version(fast_save, tmp_path):
    (tmp_path / "2").mkdir()
    (tmp_path / "3").write_text("a file")
    (tmp_path / "9999999999999999999").mkdir()  # beyond int64

    assert export.export_module(NEW, tmp_path) == tmp_path / "4"


def test_export_module_makes_the_folder(fast_save, tmp_path):
    assert export.export_module(NEW, tmp_path / "a/b") == tmp_path / "a/b/1"


def test_export_module_keeps_the_newest(fast_save, tmp_path):
    for name in ("2", "9", "10", "best"):
        (tmp_path / name).mkdir()

    export.export_module(NEW, tmp_path, keep=2)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["10", "11", "best"]


def test_export_module_writes_extras_before_the_rename(fast_save, tmp_path):
    def write_extras(extras_dir):
        assert not extras_dir.parent.name.isdigit()
        (extras_dir / "model_card.md").write_text("a card")

    version_dir = export.export_module(NEW, tmp_path, write_extras=write_extras)

    assert (version_dir / "assets.extra/model_card.md").read_text() == "a card"


def test_export_module_when_another_export_takes_the_number(fast_save, tmp_path, monkeypatch):
    rename = Path.rename

    def rename_late(self, target):
        if target.name == "1":
            (target / "variables").mkdir(parents=True)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_late)

    assert export.export_module(NEW, tmp_path) == tmp_path / "2"


def test_export_module_leaves_nothing_when_it_fails(tmp_path, monkeypatch):
    def save(module, saved_model_dir):
        (saved_model_dir / "saved_model.pb").write_text("half")
        raise RuntimeError("no space left")

    monkeypatch.setattr(export, "save_module", save)

    with pytest.raises(RuntimeError, match="no space left"):
        export.export_module(NEW, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_export_module_into_a_file(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ValueError, match="--export_dir=.*file: is a file; expected a folder"):
        export.export_module(NEW, tmp_path / "file")


def test_main_without_a_trained_model(tmp_path):
    command = [sys.executable, "-m", "tfseg.export", f"--export_dir={tmp_path}/export"]

    ended = subprocess.run(
        [*command, f"--model_dir={tmp_path}/nothing"], capture_output=True, text=True
    )

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(f"error: --model_dir={tmp_path}/nothing: no")
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "export").exists()
