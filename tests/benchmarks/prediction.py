"""Photos a second: tfseg.predict, and exported models called photo by photo with a plain loop.

python -m tests.benchmarks.prediction --model_dir=DIR --saved_model=EXPORT --input_dir=PHOTOS

EXPORT is tfseg.export's of DIR. All write an overlay for each photo and detections.json. The plain
loops take the network's 28 x 28 mask probabilities, paste each mask into a full-size picture and
encode it: one from Model Garden's own export of the checkpoint, one from the signature with crops
of ours. The rounds are interleaved, and the first calls do not count.
"""

import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
from absl import app, flags
from official.vision.serving import detection
from pycocotools import mask as coco_mask

from tests.benchmarks.exported_variants import model_gardens_kernels
from tfseg.checkpoint import trained_model
from tfseg.inference import detector
from tfseg.prediction import output_files, photo_files
from tfseg.prediction.journal import PredictionJournal
from tfseg.prediction.runner import PhotoPrediction, PictureChoices
from tfseg.structures.detections import Detections
from tfseg.structures.image_decoding import decode_photo
from tfseg.structures.thresholds import Thresholds
from tfseg.structures.visualize import draw_detections

FLAGS = flags.FLAGS


def define_flags() -> None:
    flags.DEFINE_string("model_dir", None, "Folder written by tfseg.train.", required=True)
    flags.DEFINE_string("saved_model", None, "Folder written by tfseg.export.", required=True)
    flags.DEFINE_string("input_dir", None, "Photos.", required=True)
    flags.DEFINE_integer("rounds", 3, "How often each is run.")
    flags.DEFINE_integer("batch_size", 2, "Photos a call of tfseg.predict.")
    flags.DEFINE_float("score_threshold", 0.3, "Of what is drawn.")


def stock_network(model_dir: str) -> Callable:
    """Model Garden's export module: encoded photo -> boxes (photo pixels), scores, ids, crops."""
    with model_gardens_kernels():
        trained = trained_model.load_trained(model_dir)
    size_hw = list(trained.params.task.model.input_size[:2])
    module = detection.DetectionModule(
        params=trained.params, model=trained.model, batch_size=1, input_image_size=size_hw,
        input_type="image_bytes",
    )  # fmt: skip

    def detect(encoded):
        outputs = module.inference_from_image_bytes(tf.constant([encoded]))
        outputs = {key: value.numpy()[0] for key, value in outputs.items()}
        (height, width), _, scale_yx, _ = outputs["image_info"]
        boxes = outputs["detection_boxes"] / np.tile(scale_yx, 2)
        boxes = np.clip(boxes, 0, [height, width, height, width])
        masks = np.rint(255 * outputs["detection_masks"]).astype(np.uint8)
        return boxes, outputs["detection_scores"], outputs["detection_classes"], masks

    return detect


def crops_network(saved_model: str) -> Callable:
    """Our export's signature with crops, giving the same."""
    loaded = tf.saved_model.load(str(detector.find_version(saved_model)))
    signature = next(s for s in loaded.signatures.values() if "mask_crops" in s.structured_outputs)

    def detect(encoded, _loaded=loaded):
        outputs = signature(image_bytes=tf.constant([encoded]))
        outputs = {key: value.numpy()[0] for key, value in outputs.items()}
        return tuple(outputs[k] for k in ("boxes_yxyx", "scores", "class_ids", "mask_crops"))

    return detect


def predict_plainly(network: Callable, names, photos, output_dir: Path) -> None:
    results = []
    for index, photo in enumerate(photos):
        encoded = photo.path.read_bytes()
        boxes, scores, ids, crops = network(encoded)
        image_rgb = decode_photo(encoded)
        height, width = image_rgb.shape[:2]
        masks = []
        kept = scores >= FLAGS.score_threshold
        for box, crop in zip(boxes[kept], crops[kept], strict=True):
            ymin, xmin, ymax, xmax = np.rint(box).astype(int)
            pasted = np.zeros((height, width), np.uint8)
            inside = cv2.resize(crop, (max(1, xmax - xmin), max(1, ymax - ymin))) >= 128
            pasted[ymin:ymax, xmin:xmax] = inside[: ymax - ymin, : xmax - xmin]
            rle = coco_mask.encode(np.asfortranarray(pasted))
            masks.append({"size": [height, width], "counts": rle["counts"].decode()})
        kept_names = tuple(names[i - 1] for i in ids[kept])
        detections = Detections(
            boxes[kept], scores[kept], ids[kept], kept_names, tuple(masks), (height, width)
        )
        results += detections.to_coco_results(index)
        drawn = draw_detections(image_rgb, detections)
        path = output_dir / f"{Path(photo.name).stem}.jpg"
        cv2.imwrite(str(path), cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    (output_dir / "detections.json").write_text(json.dumps(results))


def predict_ours(detect, photos, output_dir: Path) -> None:
    thresholds = Thresholds({}, FLAGS.score_threshold)
    choices = PictureChoices(("overlays",), overlay_max_side=1600)
    with PredictionJournal(output_dir, {}) as journal:
        run = PhotoPrediction(detect, thresholds, None, choices, output_dir)
        run.run(photos, journal, FLAGS.batch_size)
        output_files.write_detections(output_dir / "detections.json", journal, photos)


def main(_) -> None:
    photos = photo_files.find_in_tree(FLAGS.input_dir)
    ours = detector.detector_from_saved_model(FLAGS.saved_model)
    networks = {
        "Model Garden's export, plain loop": stock_network(FLAGS.model_dir),
        "our export, plain loop": crops_network(FLAGS.saved_model),
    }
    runs = {
        name: (False, lambda some, folder, n=network: predict_plainly(n, names, some, folder))
        for name, network in networks.items()
    }
    names = ours.category_names
    for name, bfloat16 in (("tfseg.predict", False), ("tfseg.predict --bfloat16", True)):
        runs[name] = (bfloat16, lambda some, folder: predict_ours(ours.detect, some, folder))
    seconds = {name: [] for name in runs}
    for round_number in range(FLAGS.rounds + 1):
        for name, (bfloat16, run) in runs.items():
            detector.use_bfloat16(bfloat16)
            with tempfile.TemporaryDirectory() as folder:
                wall, cpu = time.monotonic(), time.process_time()
                run(photos if round_number else photos[:4], Path(folder))
                if round_number:
                    seconds[name].append((time.monotonic() - wall, time.process_time() - cpu))
    for name, measured in seconds.items():
        wall, cpu = np.min(measured, axis=0)
        first_wall, first_cpu = np.min(next(iter(seconds.values())), axis=0)
        print(
            f"{name}: {len(photos) / wall:.2f} photos/s ({first_wall / wall:.2f} times the first), "
            f"{1000 * cpu / len(photos):.0f} ms cpu a photo ({first_cpu / cpu:.2f})"
        )
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    define_flags()
    app.run(main)
