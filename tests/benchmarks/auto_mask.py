"""The automatic masks side by side with two baselines, on the same photos with true masks.

python -m tests.benchmarks.auto_mask --photos_dir=PHOTOS --truth_dir=TRUTH

- threshold: what the first version of this tool is described to do: grey level, blur, a threshold
  at the image's mean, polarity from the image's middle, median filter, erosion and dilation.
- grabcut: OpenCV's GrabCut, started from what differs from the border's mean color.
- cutout: data_prep.auto_mask.cutout.
"""

import time
from pathlib import Path

import cv2
import numpy as np
from absl import app, flags

from data_prep.auto_mask import evaluate
from data_prep.auto_mask.cutout.cut import cut
from data_prep.auto_mask.run import find_photos, read_photo

FLAGS = flags.FLAGS


def threshold_mask(photo: np.ndarray) -> np.ndarray:
    """Masks by the mean grey level."""
    grey = cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY)
    grey = cv2.medianBlur(cv2.GaussianBlur(grey, (7, 7), 0), 9)
    mask = (grey > grey.mean()).astype(np.uint8)
    height, width = mask.shape
    middle = mask[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4]
    if middle.mean() < 0.5:
        mask = 1 - mask
    mask = cv2.medianBlur(mask, 5)
    square = np.ones((5, 5), np.uint8)
    return cv2.dilate(cv2.erode(mask, square, iterations=5), square, iterations=5)


def grabcut_mask(photo: np.ndarray) -> np.ndarray:
    """Masks by GrabCut, five iterations, started from the border's color."""
    border = np.concatenate([photo[:10].reshape(-1, 3), photo[-10:].reshape(-1, 3)])
    spread = np.maximum(border.std(0), 5)
    distance = np.abs((photo - border.mean(0)) / spread).max(2)
    labels = np.where(distance > 3, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[:10] = labels[-10:] = cv2.GC_BGD
    labels[:, :10] = labels[:, -10:] = cv2.GC_BGD
    if not (labels == cv2.GC_PR_FGD).any():
        return np.zeros(photo.shape[:2], np.uint8)
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(photo, labels, None, *models, 5, cv2.GC_INIT_WITH_MASK)
    return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)


def cutout_mask(photo: np.ndarray) -> tuple[np.ndarray, float]:
    """Masks by the project's own cut."""
    found = cut(photo)
    return found.mask, found.confidence.score


def main(_) -> None:
    """Reads the flags and prints a table for each method."""
    cv2.setNumThreads(1)
    photos_dir, truth_dir = Path(FLAGS.photos_dir), Path(FLAGS.truth_dir)
    names, _ = find_photos(photos_dir)
    methods = {"threshold": threshold_mask, "grabcut": grabcut_mask, "cutout": cutout_mask}
    judged = {method: [] for method in methods}
    seconds = dict.fromkeys(methods, 0.0)
    for name in names[:: FLAGS.every]:
        photo, truth = read_photo(photos_dir / name), evaluate.read_truth(truth_dir, name)
        for method, make in methods.items():
            started = time.process_time()
            mask = make(photo)
            seconds[method] += time.process_time() - started
            mask, confidence = mask if isinstance(mask, tuple) else (mask, 1.0)
            judged[method].append(evaluate.judge(name, mask, truth, confidence))
    for method in methods:
        rate = len(judged[method]) / seconds[method]
        print(f"\n{method}: {rate:.1f} photos per second of one core")
        print(evaluate.table(judged[method]))


if __name__ == "__main__":
    flags.DEFINE_string("photos_dir", None, "Photos in category folders.", required=True)
    flags.DEFINE_string("truth_dir", None, "Their true masks.", required=True)
    flags.DEFINE_integer("every", 1, "Take every so many photos only.", 1)
    app.run(main)
