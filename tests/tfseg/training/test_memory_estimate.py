import re
from pathlib import Path

import pytest

from data_prep.prepared import PreparedDataset

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[3] / "configs"
# Measured at 512 x 512.
FLOAT32 = (
    "task.model.input_size=[512,512,3]",
    "runtime.mixed_precision_dtype=float32",
    "task.train_data.dtype=float32",
)
R50 = ("r50_512", "modanet_r50")
R18 = ("r50_256_light", "street_r18_384")
R50_LIGHT = ("r50_256_light", "street_r50_256")


def built(configs, overrides):
    """The params and the model that they describe."""
    from tfseg.configs import experiment
    from tfseg.modeling import factory

    prepared = PreparedDataset(
        path=Path("prepared"),
        name="modanet",
        category_names=("bag",) * 13,
        splits=("train",),
        max_num_instances=8,
        fingerprint="abc",
        _shard_lengths={"train": (340,)},
    )
    paths = [str(CONFIGS / f"{name}.yaml") for name in configs]
    params = experiment.build_params("maskrcnn_resnetfpn_fashion", paths, overrides, prepared)
    return params, factory.build_model(params.task)


def estimated(configs, overrides) -> float:
    from tfseg.training import memory_estimate

    return memory_estimate.estimate(*built(configs, overrides)) / 2**30


@pytest.mark.parametrize(
    ("configs", "batch", "measured_gib"),
    [
        (R50, 2, 4.50),
        (R50, 1, 3.10),
        (R18, 4, 1.64),
        (R18, 12, 2.23),
        (R50_LIGHT, 4, 1.72),
    ],
)
def test_estimates_are_near_what_trainings_took(configs, batch, measured_gib):
    """Peaks that tests/benchmarks/training_memory.py measured."""
    overrides = [*(FLOAT32 if configs == R50 else ()), f"task.train_data.global_batch_size={batch}"]

    assert estimated(configs, overrides) == pytest.approx(measured_gib, rel=0.05)


def test_a_deeper_backbone_more_masks_and_larger_photos_need_more():
    def of(*overrides):
        return estimated(R50, [*FLOAT32, *overrides])

    least = of()
    for more in (
        "task.model.backbone.resnet.model_id=101",
        "task.model.mask_sampler.num_sampled_masks=256",
        "task.model.input_size=[640,640,3]",
        "task.model.decoder.fpn.num_filters=512",
    ):
        assert of(more) > 1.05 * least, more


def test_what_a_gpu_has_is_what_counts_where_there_is_one(tmp_path, monkeypatch):
    """With the machine's own nvidia-smi replaced by one that tells of two GPUs."""
    import tensorflow as tf

    from tfseg.training import gpu_memory, preflight

    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '0, 16384'\necho '1, 2048'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu_memory.smallest_total() == 2048 * 2**20
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert gpu_memory.smallest_total() == 16384 * 2**20

    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: ["a GPU"] * 2)
    params, model = built(R50, [*FLOAT32, "task.train_data.global_batch_size=8"])
    said = preflight.describe(params, str(tmp_path), model, 2)
    assert "of 16 GiB a GPU" in said and "TOO MUCH" not in said
    params, model = built(R50, [*FLOAT32, "task.train_data.global_batch_size=64"])
    said = preflight.describe(params, str(tmp_path), model, 2)
    found = re.search(r"TOO MUCH: about (\d+) photos a GPU fit; lower .*batch_size to \d+", said)
    parts = int(re.search(r"set task.gradient_accumulation_steps=(\d+)", said)[1])
    assert 32 // parts <= int(found[1]) < 2 * 32 // parts
    in_parts = f"task.gradient_accumulation_steps={parts}"
    params, model = built(R50, [*FLOAT32, "task.train_data.global_batch_size=64", in_parts])
    assert "TOO MUCH" not in preflight.describe(params, str(tmp_path), model, 2)

    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: [])  # --num_gpus=0
    assert "a GPU" not in preflight.describe(params, str(tmp_path), model, 1)

    tool.write_text("#!/bin/sh\nexit 9\n")
    assert gpu_memory.smallest_total() is None
