"""Evaluates a trained model with COCO's metrics, through the graph that is exported and served.

python -m tfseg.evaluate --model_dir=DIR --data_dir=DIR --split=val --metrics_path=metrics.json
"""

import json
import math
import time

from absl import app, flags

from tfseg import cli
from tfseg.whole_files import write_whole

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    flags.DEFINE_string("model_dir", None, "Folder written by tfseg.train.", required=True)
    flags.DEFINE_string("checkpoint_path", None, "Checkpoint prefix; the latest by default.")
    flags.DEFINE_string("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_string("dataset", None, "Name of the data set, where data_dir holds several.")
    flags.DEFINE_string("split", "val", "Split to evaluate on.")
    flags.DEFINE_integer(
        "num_examples", 0, "Evaluate on the first so many examples only; 0 for all."
    )
    flags.DEFINE_integer("batch_size", 8, "Photos a call.", 1)
    flags.DEFINE_string("metrics_path", None, "Where to write the metrics as json.")
    flags.DEFINE_string(
        "detections_path", None, "Where to write the detections as COCO results json."
    )


def detect_records(module, record_paths: list[str], num_examples: int = 0, batch_size: int = 8):
    """Runs a ServingModule on the photos of TFRecord shards, with a progress bar.

    Args:
        module: The exported graph (serving_module.ServingModule).
        record_paths: Shards of one split.
        num_examples: Stop after so many examples, in the order of the shards; 0 means all.
        batch_size: Photos a call.

    Returns:
        The image ids seen, and the COCO results of all their detections, in original pixels.

    Raises:
        ValueError: A photo cannot be decoded, or a shard is damaged.
    """
    import tensorflow as tf
    import tqdm

    from tfseg.detections import detections_from_outputs

    features = {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "image/source_id": tf.io.FixedLenFeature([], tf.string),
    }
    records = tf.data.TFRecordDataset(record_paths)
    records = records.take(num_examples) if num_examples else records
    records = records.map(lambda record: tf.io.parse_single_example(record, features))
    image_ids, coco_results = [], []
    progress = tqdm.tqdm(
        unit="photo", total=num_examples or None, desc="detect", dynamic_ncols=True
    )
    try:
        for batch in records.batch(batch_size):
            outputs = {k: v.numpy() for k, v in module.detect(batch["image/encoded"]).items()}
            for index, source_id in enumerate(batch["image/source_id"].numpy()):
                image_id = int(source_id)
                if not outputs["ok"][index]:
                    reason = outputs["error"][index].decode()
                    raise ValueError(f"image {image_id} of the data set: {reason}; build it again.")
                image_ids.append(image_id)
                coco_results += detections_from_outputs(outputs, index).to_coco_results(image_id)
                progress.update()
    except tf.errors.DataLossError as error:
        raise ValueError(
            f"{record_paths[0]} or a shard beside it is damaged ({error.message}); build the data "
            "set again with --overwrite."
        ) from None
    finally:
        progress.close()
    return image_ids, coco_results


def evaluate(trained, prepared_set, split: str, num_examples: int = 0, batch_size: int = 8):
    """Evaluates a trained model on one split of a prepared data set.

    Args:
        trained: experiment.TrainedModel.
        prepared_set: prepared.PreparedDataset.
        split: Name of the split.
        num_examples: The first so many examples only; 0 means all.
        batch_size: Photos a call.

    Returns:
        The metrics (coco_metrics.evaluate_coco) and the COCO results they are of.
    """
    from tfseg import coco_metrics, serving_module

    module = serving_module.module_from_trained(trained)
    num_examples = min(num_examples or math.inf, prepared_set.num_examples(split))
    image_ids, coco_results = detect_records(
        module, prepared_set.record_paths(split), num_examples, batch_size
    )
    ground_truth = coco_metrics.load_ground_truth(prepared_set.ground_truth_path(split), image_ids)
    return coco_metrics.evaluate_coco(ground_truth, coco_results), coco_results


def _write_json(path: str, content) -> None:
    write_whole(path, json.dumps(content, indent=1 if isinstance(content, dict) else None) + "\n")


def main(argv) -> None:
    """Reads the flags, evaluates, prints the table and writes the files asked for."""
    cli.refuse_arguments(argv)
    with cli.one_line_errors():
        from data_prep import prepared

        prepared_set = prepared.open_prepared(FLAGS.data_dir, FLAGS.dataset)
        prepared_set.num_examples(FLAGS.split)  # raises before TensorFlow's slow import

        from tfseg import coco_metrics, experiment

        trained = experiment.load_trained(FLAGS.model_dir, FLAGS.checkpoint_path)
        experiment.check_same_categories(trained.params, prepared_set, FLAGS.model_dir)
        start = time.monotonic()
        metrics, coco_results = evaluate(
            trained, prepared_set, FLAGS.split, FLAGS.num_examples, FLAGS.batch_size
        )
        print(
            f"{FLAGS.model_dir} at step {trained.step} on {prepared_set.name}/{FLAGS.split}, "
            f"{time.monotonic() - start:.0f} s, percent:"
        )
        print(coco_metrics.format_table(metrics))
        if FLAGS.metrics_path:
            # json has no NaN: a category without ground truth is null.
            nullable = {k: None if math.isnan(v) else round(v, 6) for k, v in metrics.items()}
            _write_json(
                FLAGS.metrics_path, {"step": trained.step, "split": FLAGS.split, **nullable}
            )
        if FLAGS.detections_path:
            _write_json(FLAGS.detections_path, coco_results)


if __name__ == "__main__":
    define_flags()
    app.run(main)
