"""Exports a trained model as the next numbered SavedModel version, ready to be served.

python -m tfseg.export --model_dir=DIR --export_dir=DIR

Writes <export_dir>/<number>/: string bytes of photos in, detections in the photos' own pixels out
(serving_module.ServingModule describes the signature `serving_default`), the category names in
assets/category_names.txt and a warm-up request in assets.extra/.
"""

import shutil
import tempfile
from pathlib import Path

from absl import app, flags

from tfseg import cli

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    flags.DEFINE_string("model_dir", None, "Folder written by tfseg.train.", required=True)
    flags.DEFINE_string("export_dir", None, "Folder of the numbered versions.", required=True)
    flags.DEFINE_string("checkpoint_path", None, "Checkpoint prefix; the latest by default.")
    flags.DEFINE_float("score_threshold", 0.05, "Leave out detections below it.", 0.0, 1.0)
    flags.DEFINE_integer("keep", 0, "Delete all but so many newest versions; 0 keeps all.", 0)


CATEGORY_NAMES_FILE = "category_names.txt"
# tensorflow_serving/servables/tensorflow/saved_model_warmup_util.h
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"


def export_module(module, export_dir: str | Path, keep: int = 0) -> Path:
    """Writes a ServingModule as the next version: whole, or not at all.

    Args:
        module: serving_module.ServingModule.
        export_dir: Folder of the versions; made where it is missing.
        keep: How many of the newest versions to leave; 0 leaves all.

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
        _save(module, partial)
        _write_warmup(partial / WARMUP_FILE)
        version_dir = _rename_to_next_version(partial, export_dir)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if keep:
        for _, old_version_dir in _versions(export_dir)[:-keep]:
            shutil.rmtree(old_version_dir)
    return version_dir


def _save(module, saved_model_dir: Path) -> None:
    import tensorflow as tf

    detect = module.detect.get_concrete_function()
    # The function and what it reads, alone: tracking the model would save Keras's graphs with it.
    exported = tf.Module()
    exported.detect = module.detect
    exported.model_variables = list(detect.variables)
    with tempfile.TemporaryDirectory() as assets_dir:
        names_path = Path(assets_dir) / CATEGORY_NAMES_FILE
        names_path.write_text("".join(f"{name}\n" for name in module.category_names), "utf-8")
        exported.category_names_path = tf.saved_model.Asset(str(names_path))
        tf.saved_model.save(
            exported,
            str(saved_model_dir),
            signatures={"serving_default": detect},
            options=tf.saved_model.SaveOptions(save_debug_info=False),
        )


def _write_warmup(path: Path) -> None:
    """Writes one request that the server replays before it takes any from outside."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = "serving_default"
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([_warmup_photo()]))
    log = prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(log.SerializeToString())


def _warmup_photo() -> bytes:
    """Returns a JPEG of a plain figure before a shaded wall, 640 high and 480 wide."""
    import numpy as np
    import tensorflow as tf

    y, x = np.mgrid[:640, :480]
    image = np.stack([140 + y // 8, 150 + x // 8, 170 + (x + y) // 16], axis=-1)
    for centre_y, half_height, half_width, colour in (
        (110, 60, 45, (205, 160, 130)),
        (260, 100, 85, (170, 40, 50)),
        (470, 120, 65, (40, 60, 120)),
    ):
        inside = ((y - centre_y) / half_height) ** 4 + ((x - 240) / half_width) ** 4 < 1
        image[inside] = colour
    return tf.io.encode_jpeg(image.astype(np.uint8)).numpy()


def _versions(export_dir: Path) -> list[tuple[int, Path]]:
    """Returns the versions, ascending: what a server would take, by the number that it reads."""
    paths = [path for path in export_dir.iterdir() if path.name.isascii()]
    return sorted((int(path.name), path) for path in paths if path.name.isdigit())


def _rename_to_next_version(partial: Path, export_dir: Path) -> Path:
    while True:
        newest = max((number for number, _ in _versions(export_dir)), default=0)
        version_dir = export_dir / str(newest + 1)
        try:
            return partial.rename(version_dir)
        except OSError:
            if not version_dir.exists():
                raise
            # Another export has just taken the number: try the next one.


def main(argv) -> None:
    """Reads the flags, exports and prints the new version's folder."""
    cli.refuse_arguments(argv)
    with cli.one_line_errors():
        from tfseg import experiment, serving_module

        trained = experiment.load_trained(FLAGS.model_dir, FLAGS.checkpoint_path)
        module = serving_module.module_from_trained(trained, FLAGS.score_threshold)
        version_dir = export_module(module, FLAGS.export_dir, FLAGS.keep)
        print(f"exported {trained.checkpoint_path} (step {trained.step}) to {version_dir}")


if __name__ == "__main__":
    define_flags()
    app.run(main)
