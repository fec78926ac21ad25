"""What a reviewer's box makes of a garment on a street photo: the page's cut beside two others.

python -m tests.benchmarks.review_boxes --ccp_dir=CCP --num_photos=40

Each label of a photo's true pixels (its largest piece, skin and hair left out) is boxed with two
pixels to spare. Mean IoU with the truth of: the box itself, auto_mask's cut within the box, the
page's cut, and that with a dot of half the garment's inner radius on its middle.
"""

from pathlib import Path

import cv2
import numpy as np
import scipy.io
from absl import app, flags

from data_prep.auto_mask.cutout.cut import cut
from data_prep.review.garments import masks as garment_masks
from data_prep.review.marks import hints_from_marks

FLAGS = flags.FLAGS
_LEAST_AREA = 600  # pixels
_NO_GARMENTS = {"null", "skin", "hair"}


def define_flags() -> None:
    flags.DEFINE_string("ccp_dir", None, "Clothing Co-Parsing.", required=True)
    flags.DEFINE_integer("num_photos", 40, "Evenly spread over the set.", 1)


def ious_of(photo: np.ndarray, truth: np.ndarray) -> list[float]:
    """Of the methods, in the order of the module's text."""
    left, top, width, height = cv2.boundingRect(truth)
    corners = [[left - 2, top - 2], [left + width + 1, top + height + 1]]
    box: dict[str, object] = {"kind": "box", "points": corners}
    hints = hints_from_marks([box], truth.shape)
    within = hints == 0
    rows, columns = garment_masks.crop_around(within)
    cut_alone = np.zeros_like(truth)
    cut_alone[rows, columns] = cut(
        np.ascontiguousarray(photo[rows, columns]), np.ascontiguousarray(hints[rows, columns])
    ).mask
    depth = cv2.distanceTransform(truth, cv2.DIST_L2, 3)
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    width = max(2, round(float(depth.max())))
    dot: dict[str, object] = {
        "kind": "product",
        "points": [[int(x), int(y)], [int(x), int(y)]],
        "width": width,
    }
    masks = [
        within,
        cut_alone,
        *(garment_masks.cut_as_marked(photo, m) for m in ([box], [box, dot])),
    ]
    return [float((m & truth).sum() / (m | truth).sum()) for m in masks]


def main(_) -> None:
    folder = Path(FLAGS.ccp_dir)
    names = [str(cell[0]) for cell in scipy.io.loadmat(folder / "label_list.mat")["label_list"][0]]
    paths = sorted((folder / "annotations" / "pixel-level").glob("*.mat"))
    rows = []
    for path in paths[:: max(1, len(paths) // FLAGS.num_photos)]:
        labels = scipy.io.loadmat(path)["groundtruth"]
        photo = cv2.imread(str(folder / "photos" / f"{path.stem}.jpg"))
        assert photo is not None, f"{path.stem}.jpg cannot be read"
        if photo.shape[:2] != labels.shape:
            continue
        for label in np.unique(labels):
            truth = garment_masks.pieces((labels == label).astype(np.uint8))[0]
            if names[label] not in _NO_GARMENTS and truth.sum() >= _LEAST_AREA:
                rows.append(ious_of(photo, truth))
    methods = ("the box", "auto_mask's cut", "the page's cut", "with a dot")
    means, good = np.mean(rows, axis=0), np.mean(np.array(rows) > 0.8, axis=0)
    print(f"{len(rows)} garments: mean IoU, share above 0.8")
    for method, mean, share in zip(methods, means, good, strict=True):
        print(f"{method}: {mean:.3f}, {share:.0%}")


if __name__ == "__main__":
    define_flags()
    app.run(main)
