"""--num_gpus=0 on a machine with GPUs goes the CPU's way, though GPUs are there."""

import pytest
import tensorflow as tf

from tests.tfseg import small_experiment
from tfseg.configs import experiment
from tfseg.io import cpu_precision
from tfseg.modeling import factory
from tfseg.training import strategy, train_loop


@pytest.fixture
def two_gpus(monkeypatch):
    """Two GPUs, which tf.config lists as logical devices until they are hidden."""
    gpus = ["GPU:0", "GPU:1"]
    visible = list(gpus)
    real = tf.config.list_logical_devices

    def hide(devices, device_type=None):
        assert device_type == "GPU"
        visible[:] = devices

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda device_type: gpus)
    monkeypatch.setattr(
        *(tf.config, "list_logical_devices"),
        lambda device_type=None: visible if device_type == "GPU" else real(device_type),
    )
    monkeypatch.setattr(tf.config, "set_visible_devices", hide)


def test_strategy_and_layouts_are_the_cpus(two_gpus):
    assert strategy.count_gpus() == 2
    assert not factory.runs_on_cpu()

    distribution = strategy.make_strategy(strategy.count_gpus(0))

    assert isinstance(distribution, tf.distribute.OneDeviceStrategy)
    assert distribution.extended.worker_devices[0].lower().endswith("cpu:0")
    assert factory.runs_on_cpu()


@pytest.mark.parametrize(("wanted", "in_bfloat16"), [(0, True), (2, False)])
def test_precision_is_the_cpus(two_gpus, monkeypatch, tmp_path, wanted, in_bfloat16):
    class PrecisionIsSet(Exception):
        pass

    def stop(mixed_precision_dtype, bfloat16_on_cpu):
        raise PrecisionIsSet(bfloat16_on_cpu)

    monkeypatch.setattr(strategy, "set_precision", stop)
    monkeypatch.setattr(cpu_precision, "gains_by_bfloat16", lambda kind: True)
    overrides = [*small_experiment.OVERRIDES, "task.bfloat16_on_cpu=true"]
    params = experiment.build_params(
        *("maskrcnn_resnetfpn_fashion", [], overrides),
        *(small_experiment.open_written(tmp_path), "train", strategy.count_gpus(wanted)),
    )

    with pytest.raises(PrecisionIsSet) as told:
        train_loop.train(params, str(tmp_path))

    assert told.value.args == (in_bfloat16,)
