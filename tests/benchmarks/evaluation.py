"""Time and memory from the network's box masks to COCO's figures: ours and Model Garden's.

python -m tests.benchmarks.evaluation --num_images=2000 --num_detections=20

Each runs in a process of its own, on the same detections; memory is what it adds to that of its
imports. Ours pastes and encodes the masks as the exported graph does.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import app, flags

from tests.tfseg.perturbed_truth import bbox_of, rle_of_ellipse

FLAGS = flags.FLAGS
SIZE_HW = (600, 400)
NUM_CATEGORIES = 13
NUM_TRUE = 5
BATCH_SIZE = 8


def define_flags() -> None:
    flags.DEFINE_integer("num_images", 2000, "Images.")
    flags.DEFINE_integer("num_detections", 20, "Detections an image.")
    flags.DEFINE_string("run", None, "Measure this one, in this process: ours or model_garden.")
    flags.DEFINE_string("truth_path", None, "For --run.")


def write_truth(path: str, num_images: int) -> None:
    rng = np.random.default_rng(1)
    annotations = []
    for image_id in range(1, num_images + 1):
        for _ in range(NUM_TRUE):
            rle = rle_of_ellipse(
                rng.uniform(0.2, 0.8, 2) * SIZE_HW, rng.uniform(0.05, 0.2, 2) * SIZE_HW, SIZE_HW
            )
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": int(rng.integers(1, NUM_CATEGORIES + 1)),
                    "bbox": bbox_of(rle),
                    "area": float(np.prod(bbox_of(rle)[2:]) * np.pi / 4),
                    "iscrowd": 0,
                    "segmentation": rle,
                }
            )
    content = {
        "images": [
            {"id": i, "height": SIZE_HW[0], "width": SIZE_HW[1]} for i in range(1, num_images + 1)
        ],
        "annotations": annotations,
        "categories": [{"id": i, "name": f"kind {i}"} for i in range(1, NUM_CATEGORIES + 1)],
    }
    Path(path).write_text(json.dumps(content))


def batches(truth_path: str, num_detections: int):
    """Yields batches as a network gives them: jittered truth, and false alarms."""
    content = json.loads(Path(truth_path).read_text())
    by_image = {}
    for annotation in content["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    rng = np.random.default_rng(2)
    cells = (np.mgrid[:28, :28] + 0.5) / 14 - 1
    ellipse = 1 / (1 + np.exp(8 * (np.hypot(*cells) - 1)))
    image_ids = [image["id"] for image in content["images"]]
    for start in range(0, len(image_ids), BATCH_SIZE):
        ids = image_ids[start : start + BATCH_SIZE]
        boxes = np.zeros((len(ids), num_detections, 4), np.float32)
        classes = rng.integers(1, NUM_CATEGORIES + 1, (len(ids), num_detections))
        scores = rng.uniform(0.05, 0.6, (len(ids), num_detections))
        for row, image_id in enumerate(ids):
            centre = rng.uniform(0.2, 0.8, (num_detections, 2)) * SIZE_HW
            half = rng.uniform(0.05, 0.2, (num_detections, 2)) * SIZE_HW
            for k, annotation in enumerate(by_image[image_id]):
                x, y, width, height = annotation["bbox"]
                half[k] = (height / 2, width / 2) * np.exp(rng.normal(0, 0.1, 2))
                centre[k] = (y + height / 2, x + width / 2) + rng.normal(0, 0.08, 2) * half[k]
                classes[row, k] = annotation["category_id"]
                scores[row, k] = rng.uniform(0.3, 1)
            boxes[row] = np.clip(np.hstack([centre - half, centre + half]), 0, [*SIZE_HW, *SIZE_HW])
        order = np.argsort(-scores, axis=1)
        masks = np.broadcast_to(ellipse.astype(np.float32), (len(ids), num_detections, 28, 28))
        yield {
            "source_id": np.array(ids),
            "detection_boxes": np.take_along_axis(boxes, order[..., None], 1),
            "detection_classes": np.take_along_axis(classes, order, 1),
            "detection_scores": np.take_along_axis(scores, order, 1).astype(np.float32),
            "detection_masks": masks.copy(),
        }


def measure_ours(truth_path: str, num_detections: int) -> float:
    import tensorflow as tf

    from tests.benchmarks import pasted_masks
    from tfseg.evaluation import coco_metrics
    from tfseg.structures.detections import Detections

    encode = tf.function(pasted_masks.rle_from_box_masks)
    results = []
    for batch in batches(truth_path, num_detections):
        num_images = len(batch["source_id"])
        counts = encode(
            batch["detection_masks"].reshape(-1, 28, 28),
            batch["detection_boxes"].reshape(-1, 4),
            np.tile(np.array(SIZE_HW, np.int32), (num_images * num_detections, 1)),
        ).numpy()
        for row, image_id in enumerate(batch["source_id"]):
            own = counts[row * num_detections : (row + 1) * num_detections]
            detections = Detections(
                batch["detection_boxes"][row],
                batch["detection_scores"][row],
                batch["detection_classes"][row],
                ("",) * num_detections,
                tuple({"size": list(SIZE_HW), "counts": c.decode()} for c in own),
                SIZE_HW,
            )
            results += detections.to_coco_results(int(image_id))
    ground_truth = coco_metrics.load_ground_truth(Path(truth_path))
    return coco_metrics.evaluate_coco(ground_truth, results)["mask/AP50"]


def measure_model_garden(truth_path: str, num_detections: int) -> float:
    import tensorflow as tf
    from official.vision.evaluation import coco_evaluator

    evaluator = coco_evaluator.COCOEvaluator(truth_path, include_mask=True)
    for batch in batches(truth_path, num_detections):
        num_images = len(batch["source_id"])
        image_info = np.array([SIZE_HW, SIZE_HW, (1, 1), (0, 0)], np.float32)
        batch["image_info"] = np.tile(image_info, (num_images, 1, 1))
        batch["num_detections"] = np.full(num_images, num_detections)
        evaluator.update_state({}, {k: tf.constant(v) for k, v in batch.items()})
    return float(evaluator.result()["mask_AP50"])


MEASURES = {"ours": measure_ours, "model_garden": measure_model_garden}


def run_one() -> None:
    import tensorflow as tf  # noqa: F401  its memory is not what is measured
    from official.vision.evaluation import coco_evaluator  # noqa: F401

    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.monotonic(), time.process_time()
    ap50 = MEASURES[FLAGS.run](FLAGS.truth_path, FLAGS.num_detections)
    after_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        json.dumps(
            {
                "mask AP50": round(ap50, 4),
                "wall s": round(time.monotonic() - wall, 1),
                "cpu s": round(time.process_time() - cpu, 1),
                "added MB": round((after_kb - before_kb) / 1024),
            }
        )
    )


def main(_) -> None:
    if FLAGS.run:
        run_one()
        return
    with tempfile.TemporaryDirectory() as folder:
        truth_path = f"{folder}/truth.json"
        write_truth(truth_path, FLAGS.num_images)
        measured = {}
        for name in MEASURES:
            command = [sys.executable, "-m", "tests.benchmarks.evaluation", f"--run={name}"]
            command += [f"--truth_path={truth_path}", f"--num_detections={FLAGS.num_detections}"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr)
            measured[name] = json.loads(done.stdout.strip().splitlines()[-1])
            print(name, measured[name], flush=True)
        ratios = {
            key: round(measured["model_garden"][key] / measured["ours"][key], 2)
            for key in ("wall s", "cpu s", "added MB")
        }
        print("Model Garden's over ours:", ratios)


if __name__ == "__main__":
    define_flags()
    app.run(main)
