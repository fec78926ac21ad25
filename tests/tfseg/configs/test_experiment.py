from pathlib import Path

import pytest

from data_prep.prepared import PreparedDataset

CONFIGS = Path(__file__).parents[3] / "configs"
EXPERIMENT = "maskrcnn_resnetfpn_fashion"


@pytest.fixture
def prepared(tmp_path):
    return PreparedDataset(
        path=tmp_path,
        name="modanet",
        category_names=("bag", "belt", "scarf/tie"),
        splits=("train",),
        max_num_instances=7,
        fingerprint="abc",
        _shard_lengths={"train": (30, 12)},
    )


def build(prepared, *overrides, config_paths=()):
    from tfseg.configs import experiment

    return experiment.build_params(EXPERIMENT, list(config_paths), list(overrides), prepared)


def test_facts_come_from_the_data_set(prepared):
    params = build(prepared)

    assert params.task.model.num_classes == 4
    assert params.task.category_names == ["bag", "belt", "scarf/tie"]
    assert params.task.train_data.num_examples == 42
    assert params.task.train_data.parser.max_num_instances == 7
    assert params.task.train_data.input_path == (
        f"{prepared.path}/modanet-train.tfrecord-00000-of-00002,"
        f"{prepared.path}/modanet-train.tfrecord-00001-of-00002"
    )


def test_overrides_win_over_yaml_and_yaml_over_the_experiment(prepared, tmp_path):
    config_path = tmp_path / "a.yaml"
    config_path.write_text("trainer: {train_steps: 5}\ntask: {num_train_examples: 32}\n")

    params = build(prepared, "trainer.train_steps=9", config_paths=[str(config_path)])

    assert params.trainer.train_steps == 9
    assert params.task.train_data.num_examples == 32


@pytest.mark.parametrize("flagfile", sorted(CONFIGS.glob("*.flags")), ids=lambda path: path.stem)
def test_every_config_fits_the_experiment(prepared, flagfile):
    paths = [line.removeprefix("--config_file=") for line in flagfile.read_text().split()]

    params = build(prepared, config_paths=[str(CONFIGS.parent / path) for path in paths])

    cosine = params.trainer.optimizer_config.learning_rate.cosine
    assert cosine.decay_steps == params.trainer.train_steps > 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("trainer: {train_stepz: 5}", r"a\.yaml: .*train_stepz"),
        ("trainer: [", r"a\.yaml: not valid YAML"),
        ("- 1", r"a\.yaml: expected a mapping at the top, got list"),
        (
            "task: {model: {input_size: [64]}}",
            r"input_size: got \[64\], expected \[height, width, 3\]",
        ),
        ("trainer: {steps_per_loop: 0}", "steps_per_loop: got 0, expected at least 1"),
        (
            "task: {model: {detection_generator: {nms_version: v1, soft_nms_sigma: 0.5}}}",
            "soft_nms_sigma: got 0.5, expected 0 or null",
        ),
        ("x: " + "[" * 5000, r"a\.yaml: not valid YAML: nested too deep"),
        ("\udcff", r"a\.yaml: not UTF-8 text"),
        ("task: {model: {min_level: 9}}", r"min_level: got 9 to \d, expected a rising range"),
        (
            "task: {train_data: {parser: {aug_scale_min: 3}}}",
            r"aug_scale_min and _max: got \(3, .*\), expected 0 < min <= max",
        ),
        (
            "trainer: {optimizer_config: {ema: {average_decay: 5}}}",
            "ema.average_decay: got 5, expected 0 to 1",
        ),
        (
            "trainer: {optimizer_config: {learning_rate: {cosine: {initial_learning_rate: -1}}}}",
            "cosine.initial_learning_rate: got -1.*, expected a number from 0",
        ),
        ("trainer: {steps_per_loop: 7}", "summary_interval: got 10, expected a multiple"),
    ],
)
def test_a_bad_config_is_refused(prepared, tmp_path, content, message):
    config_path = tmp_path / "a.yaml"
    config_path.write_text(content, errors="surrogateescape")

    with pytest.raises(ValueError, match=message):
        build(prepared, config_paths=[str(config_path)])


def test_a_missing_config_is_named(prepared):
    with pytest.raises(ValueError, match=r"nowhere\.yaml: cannot read the config file"):
        build(prepared, config_paths=["nowhere.yaml"])


def test_an_override_with_a_broken_value_is_refused(prepared):
    with pytest.raises(ValueError, match=r"a\.b=\[: the value is not valid YAML"):
        build(prepared, "a.b=[")


def test_an_override_without_a_value_is_refused(prepared):
    with pytest.raises(ValueError, match="trainer.train_steps: expected KEY=VALUE"):
        build(prepared, "trainer.train_steps")


@pytest.mark.parametrize("name", ["yolo", "maskrcnn_resnetfpn_coco"])
def test_an_experiment_that_is_not_ours_is_refused(prepared, name):
    from tfseg.configs import experiment

    with pytest.raises(ValueError, match=f"--experiment={name}: not a registered experiment"):
        experiment.build_params(name, [], [], prepared)


def test_xla_needs_the_number_of_gpus_in_the_params(prepared):
    from tfseg.configs import experiment

    params = experiment.build_params(EXPERIMENT, [], [], prepared, num_gpus=2)

    assert params.runtime.num_gpus == 2


def test_params_survive_saving_and_loading(prepared, tmp_path):
    from tfseg.configs import experiment

    params = build(prepared, "trainer.train_steps=9")
    experiment.save_params(params, str(tmp_path / "model"))

    assert experiment.load_params(str(tmp_path / "model")).as_dict() == params.as_dict()


def test_count_gpus_refuses_more_than_there_are():
    from tfseg.training import strategy

    with pytest.raises(ValueError, match="--num_gpus=99: this machine has"):
        strategy.count_gpus(99)
