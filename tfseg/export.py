"""Exports a trained model as the next numbered SavedModel version, ready to be served.

python -m tfseg.export --model_dir=DIR --export_dir=DIR

Writes <export_dir>/<number>/: photos in, detections in the photos' own pixels out
(serving_module.ServingModule describes the signatures), the category names in
assets/category_names.txt, and in assets.extra/ a warm-up request for each signature, the
thresholds, the training's params and a model card.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from absl import flags

from tfseg.inference import model_card
from tfseg.inference.warmup_records import WARMUP_FILE, write_warmup_records
from tfseg.io import command_line
from tfseg.io.version_folders import version_folders
from tfseg.structures import thresholds
from tfseg.zoo import packaged_models

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    command_line.define_path("model_dir", None, "Folder written by tfseg.train.")
    flags.DEFINE_string("model", None, "A model in the box, as fashion_lite, in its place.")
    command_line.define_path("export_dir", None, "Folder of the numbered versions.", required=True)
    command_line.define_path("checkpoint_path", None, "Checkpoint prefix; the latest by default.")
    flags.DEFINE_float(
        "score_threshold",
        None,
        "Leave out detections below it, in place of model_dir's thresholds.json; 0.5 without it.",
        0.0,
        1.0,
    )
    command_line.define_size(
        "input_size",
        "Fit photos into it, not into the size trained at: larger finds small garments better and "
        "takes as much longer as it has more pixels. tfseg.evaluate has it, too.",
    )
    flags.DEFINE_integer(
        "num_proposals", 300, "Regions the box head sees of a photo, at most (faster, same AP).", 1
    )
    flags.DEFINE_integer(
        "max_pixels", 100_000_000, "Refuse larger photos before they are decoded.", 1
    )
    flags.DEFINE_integer("max_images", 64, "Refuse requests of more photos.", 1)
    flags.DEFINE_integer(
        "size_step",
        0,
        "Pad photos to multiples of so many pixels; 0 for the network's own, best on a CPU. For a "
        "GPU e.g. 128: it tunes its convolutions to each size anew.",
        0,
    )
    command_line.define_path(
        "metrics_path", None, "Metrics for the model card; model_dir/metrics.json by default."
    )
    flags.DEFINE_integer("keep", 0, "Delete all but so many newest versions; 0 keeps all.", 0)


# What is worth showing of an untuned model; requests may ask for less or more.
_DEFAULT_SCORE_THRESHOLD = 0.5

CATEGORY_NAMES_FILE = "category_names.txt"
ATTRIBUTES_FILE = "attributes.json"


def export_module(
    module,
    export_dir: str | Path,
    keep: int = 0,
    write_extras: Callable[[Path], None] | None = None,
) -> Path:
    """Writes a ServingModule as the next version: whole, or not at all.

    Args:
        module: serving_module.ServingModule.
        export_dir: Folder of the versions; made where it is missing.
        keep: How many of the newest versions to leave; 0 leaves all.
        write_extras: Writes further files into the folder it is given, the version's assets.extra.

    Returns:
        <export_dir>/<number>, one above the highest number there.

    Raises:
        ValueError: export_dir is a file.
    """
    export_dir = Path(export_dir)
    if export_dir.exists() and not export_dir.is_dir():
        raise ValueError(f"--export_dir={export_dir}: is a file; expected a folder.")
    export_dir.mkdir(parents=True, exist_ok=True)
    # A server takes any folder whose name is a number, so the half-written one has another name.
    partial = Path(tempfile.mkdtemp(prefix=".export-", dir=export_dir))
    try:
        partial.chmod(0o755)
        save_module(module, partial)
        write_warmup_records(partial / WARMUP_FILE, module.signatures)
        if write_extras:
            write_extras(partial / "assets.extra")
        version_dir = _rename_to_next_version(partial, export_dir)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if keep:
        for old_version_dir in list(version_folders(export_dir).values())[:-keep]:
            # Half a version must not be found under its number.
            shutil.rmtree(old_version_dir.rename(export_dir / f".pruned-{old_version_dir.name}"))
    return version_dir


def save_module(module, saved_model_dir: Path) -> None:
    """Writes the SavedModel alone into a folder: graph, variables, category names."""
    import tensorflow as tf

    signatures = {
        name: function.get_concrete_function() for name, function in module.signatures.items()
    }
    # What the signatures read, alone: tracking the model would save Keras's graphs too, tracking
    # the functions would trace and save each a second time.
    exported = tf.Module()
    exported.model_variables = list(signatures["serving_default"].variables)
    with tempfile.TemporaryDirectory() as assets_dir:
        names_path = Path(assets_dir) / CATEGORY_NAMES_FILE
        names_path.write_text("".join(f"{name}\n" for name in module.category_names), "utf-8")
        exported.category_names_path = tf.saved_model.Asset(str(names_path))
        tf.saved_model.save(
            exported,
            str(saved_model_dir),
            signatures=signatures,
            options=tf.saved_model.SaveOptions(save_debug_info=False),
        )


def _rename_to_next_version(partial: Path, export_dir: Path) -> Path:
    number = max(version_folders(export_dir), default=0)
    while True:
        number += 1
        version_dir = export_dir / str(number)
        try:
            return partial.rename(version_dir)
        except OSError:
            if not version_dir.exists():
                raise
            # Another export has just taken the number, or a file has it: try the next one.


def _export_trained():
    """Exports what the flags name; returns the version's folder and the TrainedModel."""
    if bool(FLAGS.model) == bool(FLAGS.model_dir):
        raise ValueError("give --model_dir, or --model: a model in the box.")
    if FLAGS.model and (FLAGS.checkpoint_path or not packaged_models.folder(FLAGS.model)):
        raise ValueError(
            f"--model={FLAGS.model}: expected a model in the box, one of "
            f"{', '.join(packaged_models.names())}; --checkpoint_path goes with --model_dir."
        )
    source = FLAGS.model or FLAGS.model_dir
    folder = packaged_models.folder(source) or Path(source)
    metrics = None  # those of the training are of its size
    if FLAGS.metrics_path or not FLAGS.input_size:
        metrics = model_card.read_metrics(FLAGS.metrics_path, str(folder))
    tuned = None
    if FLAGS.score_threshold is None and folder.is_dir():
        tuned = thresholds.load(folder)

    from tfseg.checkpoint import trained_model
    from tfseg.configs import experiment
    from tfseg.inference import maskrcnn_inference, serving_module

    trained = trained_model.load_trained(source, FLAGS.checkpoint_path)
    if FLAGS.input_size:
        trained_model.fit_photos_into(trained, FLAGS.input_size)
    if tuned is None:
        by_hand = FLAGS.score_threshold
        tuned = thresholds.Thresholds({}, _DEFAULT_SCORE_THRESHOLD if by_hand is None else by_hand)
    task = trained.params.task
    attribute_names = maskrcnn_inference.attribute_names(trained.model, task.name_colours)
    module = serving_module.module_from_trained(
        trained,
        tuned.of_categories(trained.category_names).tolist(),
        FLAGS.max_pixels,
        nms_iou=tuned.nms_iou,
        num_proposals=FLAGS.num_proposals,
        max_images=FLAGS.max_images,
        size_step=FLAGS.size_step,
        attribute_thresholds=tuned.of_attributes(attribute_names),
    )
    tuned_for = f"{tuned.metric} on {tuned.split}" if tuned.metric else "set by hand"
    card = model_card.model_card(trained, module, metrics, tuned_for)

    def write_extras(extras_dir: Path) -> None:
        tuned.save(extras_dir / thresholds.THRESHOLDS_FILE)
        experiment.save_params(trained.params, str(extras_dir))
        model_card.write_card(card, extras_dir)
        if module.attribute_names:
            names = json.dumps(module.attribute_names)
            (extras_dir / ATTRIBUTES_FILE).write_text(names + "\n", "utf-8")

    return export_module(module, FLAGS.export_dir, FLAGS.keep, write_extras), trained


def main(argv) -> None:
    """Reads the flags, exports and prints the new version's folder."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors():
        version_dir, trained = _export_trained()
        print(f"exported {trained.checkpoint_path} (step {trained.step}) to {version_dir}")


if __name__ == "__main__":
    command_line.run(define_flags, main)
