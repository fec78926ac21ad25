"""How long a training is and how its learning rate goes, from epochs and the batch size."""

import dataclasses
import math

from absl import logging
from official.core import config_definitions as cfg

_MAX_WARMUP_SHARE = 0.1  # of the steps; a short stage would spend most of itself getting going


@dataclasses.dataclass
class Trainer(cfg.TrainerConfig):
    """Trainer config, lengths in epochs.

    Attributes:
        train_steps: Steps of the whole training; 0 takes them from `epochs`.
        epochs: Passes over the training photos (as many draws as there are photos).
        drop_epochs: Where a stepwise learning rate goes on to its next value.
        learning_rate_batch_size: The global batch that the config's learning rates are meant for;
            they scale in proportion to the batch in use (1706.02677). 0 leaves them as they are.
        validation_interval: Steps between evaluations on the validation split, which come with the
            next checkpoint; 0 takes them from `validation_epochs`.
        validation_epochs: Epochs between evaluations; 0 for none.
        validation_split: What they are on.
        validation_pictures: Photos drawn at each, prediction beside truth.
    """

    train_steps: int = 0
    epochs: float = 0.0
    drop_epochs: list[float] = dataclasses.field(default_factory=list)
    learning_rate_batch_size: int = 0
    validation_interval: int = 0
    validation_epochs: float = 0.0
    validation_split: str = "val"
    validation_pictures: int = 4


def set_lengths(params: cfg.ExperimentConfig) -> None:
    """Writes the steps and learning rates that follow from the data set and the batch.

    The warm-up is cut to a tenth of the steps where it is longer.

    Args:
        params: An ExperimentConfig with a Trainer, whose data set's facts are set.

    Raises:
        ValueError: Neither steps nor epochs are given, or the drops do not fit the values.
    """
    trainer, data = params.trainer, params.task.train_data
    steps_per_epoch = data.num_examples / data.global_batch_size
    if not trainer.train_steps:
        if trainer.epochs <= 0:
            raise ValueError(
                f"trainer.epochs: got {trainer.epochs}, expected more than 0 (or "
                "trainer.train_steps of at least 1)."
            )
        trainer.train_steps = math.ceil(trainer.epochs * steps_per_epoch)
    if trainer.validation_epochs and not trainer.validation_interval:
        trainer.validation_interval = math.ceil(trainer.validation_epochs * steps_per_epoch)
    _bound_warmup(trainer)
    rate = trainer.optimizer_config.learning_rate
    if rate.type in ("cosine", "polynomial"):  # an exponential one's decay_steps is no length
        rate.get().decay_steps = trainer.train_steps
    if rate.type == "stepwise" and trainer.drop_epochs:
        if len(rate.stepwise.values) != len(trainer.drop_epochs) + 1:
            raise ValueError(
                f"trainer.drop_epochs: got {len(trainer.drop_epochs)} drops for "
                f"{len(rate.stepwise.values)} learning rates, expected one fewer."
            )
        rate.stepwise.boundaries = [round(e * steps_per_epoch) for e in trainer.drop_epochs]
    if trainer.learning_rate_batch_size:
        _scale_rates(params, data.global_batch_size / trainer.learning_rate_batch_size)


def _bound_warmup(trainer: Trainer) -> None:
    warmup = trainer.optimizer_config.warmup.get()
    longest = max(1, int(_MAX_WARMUP_SHARE * trainer.train_steps))
    if warmup is not None and warmup.warmup_steps > longest:
        logging.info(
            "warm-up: %d steps instead of %d, a tenth of this training's %d",
            longest,
            warmup.warmup_steps,
            trainer.train_steps,
        )
        warmup.warmup_steps = longest


def _scale_rates(params: cfg.ExperimentConfig, factor: float) -> None:
    optimizer = params.trainer.optimizer_config
    for schedule in (optimizer.learning_rate.get(), optimizer.warmup.get()):
        for name, value in schedule.as_dict().items() if schedule else ():
            if name.endswith("learning_rate") and value:
                setattr(schedule, name, value * factor)
        if getattr(schedule, "values", None):
            schedule.values = [value * factor for value in schedule.values]
