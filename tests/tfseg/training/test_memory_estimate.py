from pathlib import Path

import pytest

from data_prep.prepared import PreparedDataset

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


def estimated(configs, overrides, num_values) -> float:
    from tfseg.configs import experiment
    from tfseg.training import memory_estimate

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
    return memory_estimate.estimate(params, num_values) / 2**30


@pytest.mark.parametrize(
    ("configs", "batch", "num_values", "measured_gib"),
    [
        (R50, 2, 44_700_000, 4.50),
        (R50, 1, 44_700_000, 3.10),
        (R18, 4, 13_500_000, 1.64),
        (R18, 12, 13_500_000, 2.23),
        (R50_LIGHT, 4, 26_000_000, 1.72),
    ],
)
def test_estimates_are_near_what_trainings_took(configs, batch, num_values, measured_gib):
    """Peaks that tests/benchmarks/training_memory.py measured."""
    overrides = [*(FLOAT32 if configs == R50 else ()), f"task.train_data.global_batch_size={batch}"]

    assert estimated(configs, overrides, num_values) == pytest.approx(measured_gib, rel=0.05)


def test_a_deeper_backbone_more_masks_and_larger_photos_need_more():
    def of(*overrides):
        return estimated(R50, [*FLOAT32, *overrides], 44_700_000)

    least = of()
    for more in (
        "task.model.backbone.resnet.model_id=101",
        "task.model.mask_sampler.num_sampled_masks=256",
        "task.model.input_size=[640,640,3]",
        "task.model.decoder.fpn.num_filters=512",
    ):
        assert of(more) > 1.05 * least, more
