"""The training of one stage, from its last good checkpoint to its end."""

import contextlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
import tf_keras
from official.core import task_factory

from tfseg.checkpoint import optimizers, recovery, trained_model
from tfseg.configs import experiment
from tfseg.io import cpu_precision
from tfseg.io.folder_lock import only_one
from tfseg.training import orbit_compat, preflight, strategy, validation
from tfseg.training.interrupts import interrupts_ignored
from tfseg.training.progress import ProgressAction


def train(
    params,
    model_dir: str,
    prepared_set=None,
    init_from: str | None = None,
    category_map: Mapping[str, str | None] | None = None,
    distribution: tf.distribute.Strategy | None = None,
) -> None:
    """Trains until `trainer.train_steps`, from model_dir's last good checkpoint if there is one.

    Args:
        params: A locked ExperimentConfig from experiment.build_params.
        model_dir: Gets params.yaml, checkpoints, summaries and validations.
        prepared_set: Its validation split is evaluated, where trainer.validation_interval says so.
        init_from: What a training without checkpoints starts from (transfer.initialise).
        category_map: Names of init_from's categories -> names of ours, where they differ.
        distribution: The strategy; by default what fits the machine (strategy.make_strategy).

    Raises:
        ValueError: Another training is at work in model_dir, it belongs to another data set, a
            shard or every checkpoint is damaged, a loss is not finite, the disk is full, the memory
            does not suffice or the batch cannot be shared out evenly among the devices.
        KeyboardInterrupt: Interrupted; a checkpoint of the current step has been saved.
    """
    in_bfloat16 = params.task.bfloat16_on_cpu and not params.runtime.num_gpus
    if in_bfloat16:
        in_bfloat16 = cpu_precision.gains_by_bfloat16(cpu_precision.TRAINING)
    strategy.set_precision(params.runtime.mixed_precision_dtype, in_bfloat16)
    orbit_compat.leave_out_printed_lines()  # the progress bar says more
    distribution = distribution or strategy.make_strategy(params.runtime.num_gpus)
    preflight.check_batch(params, distribution.num_replicas_in_sync)
    chief = strategy.is_chief(distribution)
    with _lock(model_dir) if chief else contextlib.nullcontext():
        _train(params, model_dir, prepared_set, init_from, category_map, distribution)


def _lock(model_dir: str):
    """Two trainings in one folder would overwrite each other's checkpoints."""
    return only_one(Path(model_dir) / ".train.lock", "another training", "--model_dir")


def _train(params, model_dir, prepared_set, init_from, category_map, distribution) -> None:
    chief = strategy.is_chief(distribution)
    start, notes = recovery.recover(model_dir) if chief else (None, [])
    start = strategy.from_chief(distribution, start)
    for note in notes:
        print(note, file=sys.stderr)
    trained_model.check_resumable(params, model_dir)
    train_steps = params.trainer.train_steps
    validates = prepared_set is not None and params.trainer.validation_interval > 0
    is_due = validates and chief and validation.is_due_at_end(params, model_dir, start)
    is_due = strategy.from_chief(distribution, int(is_due))
    if start >= train_steps and not is_due:
        print(f"{model_dir}: already trained for {start} of {train_steps} steps.")
        return
    tf_keras.utils.set_random_seed(params.task.train_data.seed or 0)
    with distribution.scope():
        task = task_factory.get_task(params.task, logging_dir=model_dir)
    task.start_step = start
    task.initializer = _initializer(params, init_from, category_map or {})
    data = params.task.train_data
    screen = sys.stderr if chief else None
    progress = ProgressAction(train_steps, data.global_batch_size, data.num_examples, screen)
    watch = _LossAction(task, model_dir)
    if chief:
        experiment.save_params(params, model_dir)
        preflight.check_category_ids(params)
    try:
        runner = orbit_compat.SameStartRunner(
            distribution_strategy=distribution,
            task=task,
            mode="train",
            params=params,
            model_dir=model_dir,
            train_actions=[watch, progress],
            controller_cls=orbit_compat.SavingController,
            save_summary=chief,
        )
        trainer = runner.trainer
        # Workers that go on from a checkpoint would create them in different orders, and wait for
        # each other's values in vain.
        if not isinstance(distribution, tf.distribute.MultiWorkerMirroredStrategy):
            with distribution.scope():
                optimizers.create_variables(trainer.optimizer, trainer.model.trainable_variables)
    except tf.errors.OpError as error:
        raise _explained(error, params, model_dir) from error
    progress.global_step = runner.trainer.global_step
    model = trainer.model
    if chief:
        preflight.check_disk(params, model_dir, model.count_params())
        print(preflight.describe(params, model_dir, model, distribution.num_replicas_in_sync))
        print(
            f"{model_dir}: going on from step {start} of {train_steps}."
            if start
            else f"{model_dir}: building the graph; the first losses come within a minute or two.",
            flush=True,
        )
    if chief and validates:
        after_save = _validate_saved(runner, params, prepared_set, model_dir, progress)
        if start >= train_steps:  # it was stopped after its last checkpoint
            after_save(runner.checkpoint_manager.latest_checkpoint)
    if start >= train_steps:
        print(f"{model_dir}: already trained for {start} of {train_steps} steps; now validated.")
        return
    _run(runner, params, model_dir, progress)
    if chief:
        print(f"{model_dir}: trained for {train_steps} steps.")


def _initializer(params, init_from: str | None, category_map: Mapping[str, str | None]):
    if not init_from:
        return None

    def initialise(model) -> None:
        from tfseg.checkpoint import transfer  # it imports much that a plain training does not need

        names = params.task.category_names
        print(transfer.initialise(model, names, init_from, category_map))

    return initialise


class _LossAction:
    """A train action that ends the training at a loss that is not finite or too large."""

    def __init__(self, task, model_dir: str):
        self._task, self._model_dir = task, model_dir

    def __call__(self, output) -> None:
        problem = self._task.loss_guard.problem()
        if problem is None:
            return
        step, losses = problem
        images = ", ".join(map(str, self._task.image_ids(step)))
        values = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
        steps = recovery.saved_steps(self._model_dir)
        last = f"from step {steps[-1]}" if steps else "anew"
        raise ValueError(
            f"step {step}: the loss is not finite or exploded ({values}); images of the batch: "
            f"{images}. Lower the learning rate or lengthen the warm-up in the config, or look at "
            f"these images; the same command goes on {last}."
        )


def _validate_saved(runner, params, prepared_set, model_dir: str, progress):
    """Evaluates every new checkpoint; returns the function that does, given its path."""
    split = params.trainer.validation_split
    prepared_set.num_examples(split)  # raises before the training, not after its first epoch
    judge = validation.Validation(params, runner.trainer, prepared_set, split, model_dir)
    progress.note = judge.note

    def after_save(path: str) -> None:
        judge(path, int(runner.trainer.global_step.numpy()))
        progress.note = judge.note

    runner.controller.after_save = after_save
    return after_save


def _run(runner, params, model_dir: str, progress) -> None:
    """Runs the loop and says in one line what ended it."""
    try:
        runner.run()
    except KeyboardInterrupt:
        with interrupts_ignored():
            try:
                _save_now(runner, params)
            except (tf.errors.OpError, OSError) as error:
                raise _explained(error, params, model_dir) from error
        print(
            f"\n{model_dir}: interrupted, saved at step {int(progress.global_step.numpy())}; run "
            "the same command to go on.",
            file=sys.stderr,
        )
        raise
    except (tf.errors.OpError, OSError) as error:
        raise _explained(error, params, model_dir) from error
    finally:
        progress.close()


def _save_now(runner, params) -> None:
    # A manager of its own: the runner's takes this step for saved where the interrupt came in the
    # middle of a save.
    tf.train.CheckpointManager(
        runner.trainer.checkpoint,
        runner.checkpoint_manager.directory,
        max_to_keep=params.trainer.max_to_keep,
    ).save(checkpoint_number=runner.trainer.global_step)


def _explained(error: Exception, params, model_dir: str) -> Exception:
    text = re.sub(r"\s+", " ", str(getattr(error, "message", error))).strip()[:300]
    steps = recovery.saved_steps(model_dir)
    last = f"from step {steps[-1]}" if steps else "anew"
    if recovery.is_full_disk(error):
        return ValueError(
            f"--model_dir={model_dir}: the disk is full ({text}); make room and run the same "
            f"command again: it goes on {last}."
        )
    if isinstance(error, tf.errors.PermissionDeniedError | tf.errors.NotFoundError):
        return ValueError(
            f"--model_dir={model_dir}: a file could not be read or written ({text}); see to its "
            f"disk and run the same command again: it goes on {last}."
        )
    if isinstance(error, tf.errors.DataLossError):
        paths = params.task.train_data.input_path.split(",")
        folders = " or ".join(dict.fromkeys(str(Path(path).parent) for path in paths))
        return ValueError(
            f"the records in {folders} are damaged ({text}); build the data set again with "
            "--overwrite."
        )
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return ValueError(
            f"out of memory ({text}); lower task.train_data.global_batch_size, and the learning "
            "rate with it, or raise task.gradient_accumulation_steps."
        )
    if os.environ.get("TF_CONFIG"):
        return ValueError(
            f"another worker stopped or cannot be reached ({text}); start the same command on all "
            "machines again: it goes on from the last checkpoint."
        )
    return error
