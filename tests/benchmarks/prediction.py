"""Photos a second: tfseg.predict, and the exported model called photo by photo with a plain loop.

python -m tests.benchmarks.prediction --saved_model=EXPORT --input_dir=PHOTOS --rounds=3

Both write an overlay for each photo and detections.json, of the same detections. The plain loop
takes the network's 28 x 28 mask probabilities (the signature with crops), pastes each mask into a
full-size picture and encodes it. The rounds are interleaved, and the first calls do not count.
"""

import json
import resource
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
from absl import app, flags
from pycocotools import mask as coco_mask

from tfseg import detector, photo_files, prediction_files
from tfseg.detections import Detections
from tfseg.photo_pixels import decode_photo
from tfseg.photo_prediction import PhotoPrediction, PictureChoices
from tfseg.prediction_journal import PredictionJournal
from tfseg.thresholds import Thresholds
from tfseg.visualize import draw_detections

FLAGS = flags.FLAGS


def define_flags() -> None:
    flags.DEFINE_string("saved_model", None, "Folder written by tfseg.export.", required=True)
    flags.DEFINE_string("input_dir", None, "Photos.", required=True)
    flags.DEFINE_integer("rounds", 3, "How often each is run.")
    flags.DEFINE_integer("batch_size", 4, "Photos a call of tfseg.predict.")
    flags.DEFINE_float("score_threshold", 0.3, "Of what is drawn.")
    flags.DEFINE_bool("bfloat16", False, "As tfseg.predict's flag; for both.")


def predict_plainly(signature, names, photos, output_dir: Path) -> None:
    results = []
    for index, photo in enumerate(photos):
        encoded = photo.path.read_bytes()
        outputs = signature(image_bytes=tf.constant([encoded]))
        outputs = {key: value.numpy()[0] for key, value in outputs.items()}
        height, width = outputs["image_size_hw"].tolist()
        kept = outputs["scores"] >= FLAGS.score_threshold
        masks = []
        for box, crop in zip(outputs["boxes_yxyx"][kept], outputs["mask_crops"][kept], strict=True):
            ymin, xmin, ymax, xmax = np.rint(box).astype(int)
            pasted = np.zeros((height, width), np.uint8)
            size = max(1, xmax - xmin), max(1, ymax - ymin)
            inside = cv2.resize(crop, size) >= 128
            pasted[ymin:ymax, xmin:xmax] = inside[: ymax - ymin, : xmax - xmin]
            rle = coco_mask.encode(np.asfortranarray(pasted))
            masks.append({"size": [height, width], "counts": rle["counts"].decode()})
        ids = outputs["class_ids"][kept]
        detections = Detections(
            outputs["boxes_yxyx"][kept],
            outputs["scores"][kept],
            ids,
            tuple(names[i - 1] for i in ids),
            tuple(masks),
            (height, width),
        )
        results += detections.to_coco_results(index)
        drawn = draw_detections(decode_photo(encoded), detections)
        path = output_dir / f"{Path(photo.name).stem}.jpg"
        cv2.imwrite(str(path), cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    (output_dir / "detections.json").write_text(json.dumps(results))


def predict_ours(detect, photos, output_dir: Path) -> None:
    thresholds = Thresholds({}, FLAGS.score_threshold)
    choices = PictureChoices(overlays=True, cutouts=False, overlay_max_side=1600)
    with PredictionJournal(output_dir, {}) as journal:
        run = PhotoPrediction(detect, thresholds, None, choices, output_dir)
        run.run(photos, journal, FLAGS.batch_size)
        prediction_files.write_detections(output_dir / "detections.json", journal, photos)


def main(_) -> None:
    if FLAGS.bfloat16:
        detector.use_bfloat16()
    photos = photo_files.find_in_tree(FLAGS.input_dir)
    ours = detector.detector_from_saved_model(FLAGS.saved_model)
    loaded = tf.saved_model.load(str(detector.find_version(FLAGS.saved_model)))
    crops = next(s for s in loaded.signatures.values() if "mask_crops" in s.structured_outputs)
    runs = {
        "plain loop": lambda some, folder: predict_plainly(
            crops, ours.category_names, some, folder
        ),
        "tfseg.predict": lambda some, folder: predict_ours(ours.detect, some, folder),
    }
    seconds = {name: [] for name in runs}
    for round_number in range(FLAGS.rounds + 1):
        for name, run in runs.items():
            with tempfile.TemporaryDirectory() as folder:
                wall, cpu = time.monotonic(), time.process_time()
                run(photos if round_number else photos[: FLAGS.batch_size], Path(folder))
                if round_number:
                    seconds[name].append((time.monotonic() - wall, time.process_time() - cpu))
    rates = {}
    for name, measured in seconds.items():
        wall, cpu = np.min(measured, axis=0)
        rates[name] = len(photos) / wall
        print(f"{name}: {rates[name]:.2f} photos/s, {1000 * cpu / len(photos):.0f} ms cpu a photo")
    print(f"tfseg.predict over the plain loop: {rates['tfseg.predict'] / rates['plain loop']:.2f}")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    define_flags()
    app.run(main)
