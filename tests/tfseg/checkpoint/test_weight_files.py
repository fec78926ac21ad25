import numpy as np
import pytest

from tests.tfseg import small_experiment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def params(tmp_path_factory):
    prepared = small_experiment.write_prepared(tmp_path_factory.mktemp("prepared"))
    return small_experiment.build(prepared)


def test_weights_come_back_as_float16_has_them(params, tmp_path):
    from tfseg.checkpoint import weight_files
    from tfseg.modeling import factory

    model, other = factory.build_model(params.task), factory.build_model(params.task)
    path = tmp_path / "weights.safetensors"
    weight_files.save_weights(model, path, {"step": "12"})

    assert weight_files.load_weights(other, path) == {"step": "12"}

    pairs = list(zip(model.weights, other.weights, strict=True))
    assert len(pairs) > 100
    for ours, read in pairs:
        np.testing.assert_array_equal(np.float32(np.float16(ours.numpy())), read.numpy())
    num_values = sum(int(np.prod(one.shape)) for one in model.weights)
    assert path.stat().st_size < 2 * num_values + 100_000


def test_weights_of_another_model_are_refused(params, tmp_path):
    from tfseg.checkpoint import weight_files
    from tfseg.modeling import factory

    model = factory.build_model(params.task)
    path = tmp_path / "weights.safetensors"
    weight_files.save_weights(model, path, {})
    wider = params.task.replace(model={"mask_head": {"num_filters": 24}})
    with pytest.raises(ValueError, match=r"weights.safetensors: mask_head/.* has shape .*expected"):
        weight_files.load_weights(factory.build_model(wider), path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="weights.safetensors: cannot read the weights"):
        weight_files.load_weights(model, path)


def test_a_weight_beyond_float16_is_not_written(params, tmp_path):
    from tfseg.checkpoint import weight_files
    from tfseg.modeling import factory

    model = factory.build_model(params.task)
    model.weights[0].assign(model.weights[0] * 0 + 70_000)
    with pytest.raises(ValueError, match="beyond float16's range"):
        weight_files.save_weights(model, tmp_path / "w.safetensors", {})
    assert list(tmp_path.iterdir()) == []
