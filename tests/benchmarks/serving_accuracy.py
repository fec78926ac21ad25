"""What the exports of a trained model cost in AP: the stock one, ours, and its options.

python -m tests.benchmarks.serving_accuracy --model_dir=DIR --data_dir=PREPARED --split=val

Every export is run as the server runs it, on the photos' bytes; COCO's metrics, percent.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import app, flags

from data_prep import prepared
from tests.benchmarks import pasted_masks
from tests.benchmarks.serving_speed import Variant, load_variants
from tfseg.evaluation import coco_metrics
from tfseg.structures import detections

FLAGS = flags.FLAGS


def examples(prepared_set, split: str):
    """Yields the image id and the encoded photo of each example."""
    features = {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "image/source_id": tf.io.FixedLenFeature([], tf.string),
        "image/height": tf.io.FixedLenFeature([], tf.int64),
        "image/width": tf.io.FixedLenFeature([], tf.int64),
    }
    for record in tf.data.TFRecordDataset(prepared_set.record_paths(split)):
        example = tf.io.parse_single_example(record, features)
        size_hw = int(example["image/height"]), int(example["image/width"])
        yield int(example["image/source_id"]), example["image/encoded"].numpy(), size_hw


def stock_results(outputs: dict, image_id: int, size_hw: tuple[int, int]) -> list[dict]:
    """COCO results of Model Garden's reply: boxes scaled back, crops pasted as ours are."""
    count = int(outputs["num_detections"][0])
    scale = np.tile(outputs["image_info"][0, 2], 2)
    boxes = outputs["detection_boxes"][0, :count] / scale
    sizes = np.tile(np.array(size_hw, np.int32), (count, 1))
    masks = outputs["detection_masks"][0, :count].astype(np.float32)
    rles = pasted_masks.rle_from_box_masks(
        tf.constant(masks), tf.constant(boxes, tf.float32), tf.constant(sizes)
    ).numpy()
    return [
        {
            "image_id": image_id,
            "category_id": int(outputs["detection_classes"][0, index]),
            "bbox": [float(xmin), float(ymin), float(xmax - xmin), float(ymax - ymin)],
            "score": float(outputs["detection_scores"][0, index]),
            "segmentation": {"size": list(size_hw), "counts": rles[index].decode()},
        }
        for index, (ymin, xmin, ymax, xmax) in enumerate(boxes)
        if ymax > ymin and xmax > xmin
    ]


def coco_results(variant: Variant, prepared_set, split: str) -> tuple[list[int], list[dict], int]:
    """Runs a variant on a split; returns the image ids, COCO results and reply bytes in all."""
    image_ids, results, num_bytes = [], [], 0
    for image_id, photo, size_hw in examples(prepared_set, split):
        outputs = variant.run([photo])
        num_bytes += sum(_wire_bytes(value) for value in outputs.values())
        image_ids.append(image_id)
        if variant.is_ours:
            found = detections.detections_from_outputs(outputs, 0).to_coco_results(image_id)
        else:
            found = stock_results(outputs, image_id, size_hw)
        results += found
    return image_ids, results, num_bytes


def _wire_bytes(value: np.ndarray) -> int:
    if value.dtype == object:
        return sum(len(item) + 2 for item in value.ravel())
    return value.nbytes


def main(_) -> None:
    """Reads the flags and prints the table."""
    prepared_set = prepared.open_prepared(FLAGS.data_dir)
    print(
        f"{'variant':22} {'box AP':>7} {'AP50':>6} {'mask AP':>8} {'AP50':>6} {'KB/photo':>9} found"
    )
    table = {}
    with tempfile.TemporaryDirectory() as folder:
        for variant in load_variants(Path(folder), 0, FLAGS.model_dir, FLAGS.variants):
            image_ids, results, num_bytes = coco_results(variant, prepared_set, FLAGS.split)
            ground_truth = coco_metrics.load_ground_truth(
                prepared_set.ground_truth_path(FLAGS.split), image_ids
            )
            metrics = coco_metrics.evaluate_coco(ground_truth, results)
            shown = [100 * metrics[name] for name in ("box/AP", "box/AP50", "mask/AP", "mask/AP50")]
            kilobytes = num_bytes / len(image_ids) / 1024
            table[variant.name] = [*shown, kilobytes, len(results) / len(image_ids)]
            box_ap, box_ap50, mask_ap, mask_ap50 = shown
            print(
                f"{variant.name:22} {box_ap:7.2f} {box_ap50:6.2f} {mask_ap:8.2f} {mask_ap50:6.2f} "
                f"{kilobytes:9.1f} {len(results) / len(image_ids):5.1f}",
                flush=True,
            )
    if FLAGS.json_path:
        Path(FLAGS.json_path).write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    flags.DEFINE_string("model_dir", None, "Folder written by tfseg.train.", required=True)
    flags.DEFINE_string("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_string("split", "val", "Split to evaluate on.")
    flags.DEFINE_string("json_path", None, "Where to write the table as json.")
    flags.DEFINE_list(
        "variants",
        ["stock", "ours_all_proposals", "ours", "ours+bfloat16"],
        "Exports of tests/benchmarks/exported_variants.py, +bfloat16 for the server's option.",
    )
    tf.get_logger().setLevel("ERROR")
    app.run(main)
