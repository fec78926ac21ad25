"""Trains a Mask R-CNN on a prepared data set.

python -m tfseg.train --config=modanet_r50_coco --data_dir=DIR --model_dir=DIR --init_from=COCO
python -m tfseg.train --flagfile=configs/demo.flags --data_dir=DIR --model_dir=DIR

--config is a recipe of configs/, found by its name from any folder. Run it again with the
same --model_dir to go on where it stopped.
"""

from absl import flags

from tfseg.configs import recipes
from tfseg.io import command_line

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    flags.DEFINE_string("config", None, "Recipe: its name, or the path of a .flags file.")
    flags.DEFINE_string("experiment", "maskrcnn_resnetfpn_fashion", "Registered experiment.")
    command_line.define_paths("config_file", [], "YAML file over the experiment; later ones win.")
    flags.DEFINE_multi_string(
        "params_override", [], "KEY=VALUE over the YAML, as trainer.train_steps=9."
    )
    command_line.define_path("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_string("dataset", None, "Name of the data set, where data_dir holds several.")
    command_line.define_path_list(
        "mix_data_dirs", [], "Further prepared data sets, DIR or DIR:WEIGHT, separated by commas."
    )
    command_line.define_path_list(
        "pseudo_labels",
        [],
        "Further data sets, made by data_prep.build_tfrecords --dataset=pseudo; as mix_data_dirs.",
    )
    flags.DEFINE_float(
        "pseudo_label_weight", 0.5, "What the loss of pseudo_labels' photos is multiplied by.", 0, 1
    )
    flags.DEFINE_string("train_split", "train", "Split to train on.")
    command_line.define_path("model_dir", None, "Folder for checkpoints, params and summaries.")
    command_line.define_path(
        "init_from",
        None,
        "What a new training starts from: a model_dir, a checkpoint, or the .tar.gz or URL of one "
        "that Model Garden published.",
    )
    flags.DEFINE_bool("from_scratch", False, "Begin from nothing though the recipe has a start.")
    flags.DEFINE_integer("seed", None, "Seed of the weights, the order and every draw; 0.", 0)
    command_line.define_path(
        "preview_input", None, "Write a sheet of augmented examples to this picture, and end."
    )
    flags.DEFINE_integer("num_gpus", None, "GPUs to use; all by default, 0 for the CPU.")
    flags.DEFINE_string(
        "data_service",
        None,
        "grpc://HOST:PORT of a tf.data service whose workers make the batches; see "
        "tfseg.dataloaders.data_service.",
    )


def mixed_sets():
    """Opens the data sets of --mix_data_dirs and --pseudo_labels."""
    from tfseg.configs import dataset_mixture

    return [
        *dataset_mixture.open_mixed(FLAGS.mix_data_dirs),
        *dataset_mixture.open_mixed(
            FLAGS.pseudo_labels, FLAGS.pseudo_label_weight, "pseudo_labels"
        ),
    ]


def params_overrides() -> list[str]:
    """--params_override, and what --data_service stands for once its dispatcher answers."""
    if not FLAGS.data_service:
        return FLAGS.params_override
    from tfseg.dataloaders import remote_input

    remote_input.check_reachable(FLAGS.data_service, "--data_service")
    return [
        *FLAGS.params_override,
        "task.train_data.enable_tf_data_service=true",
        f"task.train_data.tf_data_service_address={FLAGS.data_service}",
    ]


def main(argv) -> None:
    """Reads the flags, checks everything that is quick to check, trains."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors(again=None):
        from data_prep import prepared

        if not FLAGS.model_dir and not FLAGS.preview_input:
            raise ValueError("--model_dir is missing: the folder that the training is kept in.")
        prepared_set = prepared.open_prepared(FLAGS.data_dir, FLAGS.dataset)
        prepared_set.num_examples(FLAGS.train_split)  # raises before TensorFlow's slow import

        from tfseg.configs import experiment
        from tfseg.training import preflight, strategy, train_loop

        num_gpus = strategy.count_gpus(FLAGS.num_gpus)
        params = experiment.build_params(
            FLAGS.experiment,
            FLAGS.config_file,
            params_overrides(),
            prepared_set,
            FLAGS.train_split,
            num_gpus,
            mixed_sets(),
            FLAGS.seed,
        )
        print(
            f"{prepared_set.name}: {params.task.train_data.num_examples} examples of "
            f"{FLAGS.train_split}, {len(prepared_set.category_names)} categories",
            flush=True,
        )
        if FLAGS.preview_input:
            strategy.hide_gpus_unless(num_gpus)
            from official.core import task_factory

            from tfseg.dataloaders import input_preview

            input_preview.write_sheet(
                task_factory.get_task(params.task).train_input(), FLAGS.preview_input
            )
            print(f"{FLAGS.preview_input}: what the network is given.")
            return
        if not FLAGS.from_scratch:
            preflight.check_start(params, FLAGS.model_dir, FLAGS.init_from)
        train_loop.train(
            params, FLAGS.model_dir, prepared_set, FLAGS.init_from, prepared.category_map()
        )


if __name__ == "__main__":
    command_line.run(define_flags, main, recipes.expand)
