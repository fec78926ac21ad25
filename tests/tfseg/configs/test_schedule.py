from pathlib import Path

import pytest

from data_prep.prepared import PreparedDataset


def build(*overrides, num_examples=100):
    from tfseg.configs import experiment

    prepared = PreparedDataset(
        path=Path("prepared"),
        name="modanet",
        category_names=("bag", "belt"),
        splits=("train",),
        max_num_instances=1,
        fingerprint="abc",
        _shard_lengths={"train": (num_examples,)},
    )
    always = "task.train_data.global_batch_size=8"
    return experiment.build_params(
        "maskrcnn_resnetfpn_fashion", [], [always, *overrides], prepared
    ).trainer


def test_steps_follow_from_epochs_and_the_number_of_examples():
    trainer = build("trainer.epochs=3")

    assert trainer.train_steps == 38  # 3 * 100 / 8 = 37.5
    assert trainer.optimizer_config.learning_rate.cosine.decay_steps == 38


def test_steps_that_are_given_win_over_epochs():
    trainer = build("trainer.epochs=3", "trainer.train_steps=5")

    assert trainer.train_steps == trainer.optimizer_config.learning_rate.cosine.decay_steps == 5


def test_drops_come_at_their_epochs():
    rate = "trainer.optimizer_config.learning_rate"
    trainer = build(
        "trainer.epochs=10", "trainer.drop_epochs=[6,9]", f"{rate}.type=stepwise",
        f"{rate}.stepwise.values=[0.2,0.02,0.002]",
    )  # fmt: skip

    assert trainer.optimizer_config.learning_rate.stepwise.boundaries == [75, 112]


def test_drops_that_do_not_fit_the_rates_are_refused():
    rate = "trainer.optimizer_config.learning_rate"
    with pytest.raises(ValueError, match=r"drop_epochs: got 1 drops for 3 learning rates"):
        build(
            "trainer.epochs=10", "trainer.drop_epochs=[6]", f"{rate}.type=stepwise",
            f"{rate}.stepwise.values=[0.2,0.02,0.002]",
        )  # fmt: skip


def test_learning_rates_scale_with_the_batch():
    trainer = build("trainer.learning_rate_batch_size=16")

    optimizer = trainer.optimizer_config
    assert optimizer.learning_rate.cosine.initial_learning_rate == pytest.approx(0.02 / 2)
    assert optimizer.warmup.linear.warmup_learning_rate == pytest.approx(0.001 / 2)


def test_the_rate_that_a_decay_ends_at_scales_too():
    rate = "trainer.optimizer_config.learning_rate"
    trainer = build(
        "trainer.learning_rate_batch_size=16", f"{rate}.type=polynomial",
        f"{rate}.polynomial.initial_learning_rate=0.02",
        f"{rate}.polynomial.end_learning_rate=0.002",
    )  # fmt: skip

    decay = trainer.optimizer_config.learning_rate.polynomial
    assert decay.initial_learning_rate == pytest.approx(0.01)
    assert decay.end_learning_rate == pytest.approx(0.001)


def test_an_exponential_decay_keeps_its_own_pace():
    rate = "trainer.optimizer_config.learning_rate"
    trainer = build(
        "trainer.epochs=3", f"{rate}.type=exponential", f"{rate}.exponential.decay_steps=7",
        f"{rate}.exponential.initial_learning_rate=0.02", f"{rate}.exponential.decay_rate=0.9",
    )  # fmt: skip

    assert trainer.optimizer_config.learning_rate.exponential.decay_steps == 7


def test_neither_epochs_nor_steps_is_refused():
    with pytest.raises(ValueError, match=r"trainer\.epochs: got 0, expected more than 0"):
        build("trainer.epochs=0")


def test_a_module_to_freeze_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"task\.freeze: got neck, expected any of backbone"):
        build("task.freeze=[neck]")


@pytest.mark.parametrize("text", ["1e-3", "1.0e-3", "0.001", "+1E-3"])
def test_a_number_may_be_written_as_people_do(text):
    rate = "trainer.optimizer_config.learning_rate.cosine.initial_learning_rate"

    assert (
        build(f"{rate}={text}").optimizer_config.learning_rate.cosine.initial_learning_rate == 1e-3
    )


def test_a_short_stage_is_not_spent_on_warming_up():
    warmup = "trainer.optimizer_config.warmup.linear.warmup_steps"

    short = build("trainer.train_steps=200", f"{warmup}=1000").optimizer_config.warmup
    long = build("trainer.train_steps=20000", f"{warmup}=1000").optimizer_config.warmup

    assert short.linear.warmup_steps == 20
    assert long.linear.warmup_steps == 1000
