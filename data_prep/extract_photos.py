"""Writes photos of a prepared data set as image files, for trying a model on them.

python -m data_prep.extract_photos --data_dir=DIR --split=challenge --num_photos=8 --output_dir=DIR
"""

from pathlib import Path

from absl import flags

from data_prep import prepared
from tfseg.io import command_line
from tfseg.io.atomic_files import write_whole

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    command_line.define_path("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_string("dataset", None, "Name of the data set, where data_dir holds several.")
    flags.DEFINE_string("split", "val", "Split to take photos of.")
    flags.DEFINE_integer("num_photos", 0, "How many, from the first; 0 for all.", 0)
    command_line.define_path("output_dir", None, "Where the photos go.", required=True)


def extract_photos(record_paths: list[str], output_dir: Path, num_photos: int = 0) -> list[Path]:
    """Writes the encoded photos of TFRecord shards, byte for byte.

    Args:
        record_paths: Shards of one split.
        output_dir: Made where it is missing; gets one file a photo, by its `image/filename`.
        num_photos: How many, from the first; 0 means all.

    Returns:
        The files, in the order of the records.

    Raises:
        ValueError: A shard is damaged or lacks a photo or its name, or two photos have one name.
    """
    import tensorflow as tf

    features = {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "image/filename": tf.io.FixedLenFeature([], tf.string),
    }
    output_dir.mkdir(parents=True, exist_ok=True)
    paths: dict[Path, None] = {}  # in their order
    try:
        for record in tf.data.TFRecordDataset(record_paths).take(num_photos or -1):
            example = tf.io.parse_single_example(record, features)
            path = output_dir / Path(example["image/filename"].numpy().decode()).name
            if path in paths:
                raise ValueError(
                    f"{path}: two photos of the split have this name; expected image/filename to "
                    "differ in its last part, build the data set again."
                )
            write_whole(path, example["image/encoded"].numpy(), "a photo")
            paths[path] = None
    except tf.errors.OpError as error:
        reason = " ".join((error.message or type(error).__name__).split())
        raise ValueError(
            f"{Path(record_paths[0]).parent}: photo {len(paths)} of {Path(record_paths[0]).name} "
            f"and its other shards cannot be read ({reason}); expected records with image/encoded "
            "and image/filename, run data_prep.build_tfrecords --overwrite."
        ) from error
    return list(paths)


def main(argv: list[str]) -> None:
    """Reads the flags and writes the photos."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors():
        prepared_set = prepared.open_prepared(FLAGS.data_dir, FLAGS.dataset)
        record_paths = prepared_set.record_paths(FLAGS.split)
        paths = extract_photos(record_paths, Path(FLAGS.output_dir), FLAGS.num_photos)
        print(f"{FLAGS.output_dir}: {len(paths)} photos of {prepared_set.name}/{FLAGS.split}")


if __name__ == "__main__":
    command_line.run(define_flags, main)
