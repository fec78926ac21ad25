"""Trains a Mask R-CNN on a prepared data set.

python -m tfseg.train --flagfile=configs/demo.flags --data_dir=DIR --model_dir=DIR

Run it again with the same --model_dir to go on where it stopped.
"""

import sys
from pathlib import Path

from absl import app, flags, logging

from tfseg import cli

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    flags.DEFINE_string("experiment", "maskrcnn_resnetfpn_fashion", "Registered experiment.")
    flags.DEFINE_multi_string("config_file", [], "YAML file over the experiment; later ones win.")
    flags.DEFINE_multi_string(
        "params_override", [], "KEY=VALUE over the YAML, as trainer.train_steps=9."
    )
    flags.DEFINE_string("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_string("dataset", None, "Name of the data set, where data_dir holds several.")
    flags.DEFINE_list(
        "mix_data_dirs", [], "Further prepared data sets, DIR or DIR:WEIGHT, separated by commas."
    )
    flags.DEFINE_string("train_split", "train", "Split to train on.")
    flags.DEFINE_string(
        "model_dir", None, "Folder for checkpoints, params and summaries.", required=True
    )
    flags.DEFINE_integer("num_gpus", None, "GPUs to use; all by default, 0 for the CPU.")


def train(params, model_dir: str) -> None:
    """Trains until `trainer.train_steps`, from model_dir's latest checkpoint if there is one.

    Args:
        params: A locked ExperimentConfig from experiment.build_params.
        model_dir: Gets params.yaml, checkpoints and TensorBoard summaries.

    Raises:
        ValueError: model_dir belongs to another data set, a shard is damaged, a loss is not finite
            or the memory does not suffice.
        KeyboardInterrupt: Interrupted; a checkpoint of the current step has been saved.
    """
    import orbit
    import tensorflow as tf
    from official.core import task_factory, train_lib

    from tfseg import experiment, strategy
    from tfseg.progress import ProgressAction

    strategy.set_precision(params.runtime.mixed_precision_dtype, params.task.bfloat16_on_cpu)
    orbit.controller._log = logging.info  # it also prints a line a loop; the progress bar says more
    distribution = strategy.make_strategy(params.runtime.num_gpus)
    experiment.check_resumable(params, model_dir)
    with distribution.scope():
        task = task_factory.get_task(params.task, logging_dir=model_dir)
    task.start_step = experiment.checkpoint_step(model_dir)
    train_steps = params.trainer.train_steps
    progress = ProgressAction(train_steps, params.task.train_data.global_batch_size)
    runner = train_lib.OrbitExperimentRunner(
        distribution_strategy=distribution,
        task=task,
        mode="train",
        params=params,
        model_dir=model_dir,
        train_actions=[progress],
    )
    global_step = progress.global_step = runner.trainer.global_step
    start = int(global_step.numpy())
    if start >= train_steps:
        print(f"{model_dir}: already trained for {start} of {train_steps} steps.")
        return
    if start:
        print(f"{model_dir}: going on from step {start} of {train_steps}.")
    experiment.save_params(params, model_dir)
    try:
        runner.run()
    except KeyboardInterrupt:
        # A manager of its own: the runner's takes this step for saved where the interrupt came in
        # the middle of a save.
        tf.train.CheckpointManager(
            runner.trainer.checkpoint,
            runner.checkpoint_manager.directory,
            max_to_keep=params.trainer.max_to_keep,
        ).save(checkpoint_number=global_step)
        print(
            f"\n{model_dir}: interrupted, saved at step {int(global_step.numpy())}; run the same "
            "command to go on.",
            file=sys.stderr,
        )
        raise
    except tf.errors.DataLossError as error:
        raise ValueError(
            f"the records in {Path(params.task.train_data.input_path.split(',')[0]).parent} are "
            f"damaged ({error.message}); build the data set again with --overwrite."
        ) from None
    except tf.errors.ResourceExhaustedError as error:
        raise ValueError(
            f"out of memory ({error.message.splitlines()[0]}); lower "
            "task.train_data.global_batch_size, and the learning rate with it."
        ) from None
    finally:
        progress.close()
    print(f"{model_dir}: trained for {train_steps} steps.")


def main(argv) -> None:
    """Reads the flags, checks everything that is quick to check, trains."""
    cli.refuse_arguments(argv)
    with cli.one_line_errors():
        from data_prep import prepared

        prepared_set = prepared.open_prepared(FLAGS.data_dir, FLAGS.dataset)
        prepared_set.num_examples(FLAGS.train_split)  # raises before TensorFlow's slow import

        from tfseg import experiment, mixing, strategy

        num_gpus = strategy.count_gpus(FLAGS.num_gpus)
        params = experiment.build_params(
            FLAGS.experiment,
            FLAGS.config_file,
            FLAGS.params_override,
            prepared_set,
            FLAGS.train_split,
            num_gpus,
            mixing.open_mixed(FLAGS.mix_data_dirs),
        )
        print(
            f"{prepared_set.name}: {params.task.train_data.num_examples} examples of "
            f"{FLAGS.train_split}, {len(prepared_set.category_names)} categories"
        )
        train(params, FLAGS.model_dir)


if __name__ == "__main__":
    define_flags()
    app.run(main)
