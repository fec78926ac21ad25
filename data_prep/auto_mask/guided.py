"""A cut that the model in the box guides: what both see is the product.

Our own cut knows no garments, it takes a seam, a shadow or a hanger along; the model knows them,
but its masks are coarse. GrabCut (Rother et al., 2004) moves the model's outline to the photo's
edges within a narrow band; what lies within that and within our own cut is the mask, and how far
the two agree is the confidence.
"""

import os
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from data_prep.annotations import masks
from data_prep.annotations.mask_confidence import GOOD
from data_prep.auto_mask.cutout import pieces
from data_prep.auto_mask.cutout.confidence import Confidence
from data_prep.auto_mask.cutout.cut import Cut, cut
from tfseg.io.version_folders import numbered_versions
from tfseg.zoo import packaged_models

_MODEL_SIDE = 640  # pixels of the longer side; the model sees no more
_CUT_SIDE = 320  # where GrabCut works
_BAND = 0.05  # of the root of the area, to each side of the model's outline
_ITERATIONS = 3
_LEAST_SCORE = 0.5
_LEAST_AGREEMENT = 0.9  # IoU, from which on a mask is good
_MIN_PIECE = 0.02  # of the largest one's area

# uint8 [height, width, 3], RGB -> uint8 [height, width] of 0 and 1, all garments.
GarmentMask = Callable[[np.ndarray], np.ndarray]


def load_model() -> GarmentMask:
    """Loads the model in the box, one thread a process.

    Raises:
        ValueError: Its SavedModel cannot be made.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Each process has a photo of its own.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    import tensorflow as tf

    versions = numbered_versions(packaged_models.saved_model())
    folder = versions[max(versions)]
    loaded = tf.saved_model.load(str(folder))
    detect = loaded.signatures["image_tensor"]

    def garment_mask(photo: np.ndarray, _loaded=loaded) -> np.ndarray:
        found = detect(images=tf.constant(photo[None]))
        mask = np.zeros(photo.shape[:2], np.uint8)
        for score, counts in zip(found["scores"][0], found["mask_rle"][0], strict=True):
            if float(score) >= _LEAST_SCORE:
                mask |= masks.mask_from_rle({"size": photo.shape[:2], "counts": counts.numpy()})
        return mask

    return garment_mask


class GuidedCut:
    """The engine; the model is loaded at the first photo, in the process that needs it."""

    def __init__(self, garment_mask: GarmentMask | None = None):
        """Takes another model's masks in place of the model in the box."""
        self._garment_mask = garment_mask

    def __call__(self, photo: np.ndarray) -> Cut:
        """Cuts a photo, uint8 [height, width, 3], BGR."""
        if self._garment_mask is None:
            self._garment_mask = load_model()
        shown = _shrunk(photo, _MODEL_SIDE)
        coarse = self._garment_mask(np.ascontiguousarray(shown[..., ::-1]))
        own = cut(photo)
        if not coarse.any():
            reasons = (*own.confidence.reasons, "no_garment_seen")
            unsure = replace(own.confidence, score=min(own.confidence.score, 0.5), reasons=reasons)
            return replace(own, confidence=unsure)
        return _joined(own.mask, _at_edges(_shrunk(photo, _CUT_SIDE), coarse))


def _joined(own: np.ndarray, guided: np.ndarray) -> Cut:
    """What two cuts agree on; of the guided one where they do not.

    Args:
        own: uint8 [height, width] of 0 and 1, the photo's size.
        guided: uint8, the same, of a smaller photo.
    """
    small = cv2.resize(own, guided.shape[::-1], interpolation=cv2.INTER_AREA)
    union = int(np.count_nonzero(small | guided))
    agreement = int(np.count_nonzero(small & guided)) / max(union, 1)
    at_size = cv2.resize(guided.astype(np.float32), own.shape[::-1], interpolation=cv2.INTER_LINEAR)
    mask = (at_size >= 0.5).astype(np.uint8)
    if agreement >= _LEAST_AGREEMENT:
        # Its outline is finer; a pixel of the smaller photo beyond the other is no disagreement.
        mask[:] = own & (at_size > 0.05)
    mask = _whole_pieces(mask)
    share = (agreement - _LEAST_AGREEMENT) / (1 - _LEAST_AGREEMENT)
    score = GOOD + (1 - GOOD) * share if share >= 0 else GOOD * agreement
    reasons = () if score >= GOOD else ("engines_disagree",)
    return Cut(mask, pieces.split_products(mask), Confidence(min(score, 1.0), reasons, {}))


def _at_edges(photo: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """Moves an outline to the photo's edges, within a band.

    Args:
        photo: uint8 [height, width, 3], BGR.
        coarse: uint8 of 0 and 1, of any size, not empty.

    Returns:
        uint8 [height, width] of 0 and 1.
    """
    coarse = cv2.resize(coarse, photo.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    radius = max(2, round(_BAND * float(np.sqrt(coarse.sum()))))
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    # A garment that runs out of the photo goes on there.
    wide = cv2.copyMakeBorder(coarse, *(radius,) * 4, cv2.BORDER_REPLICATE)
    inner = cv2.erode(wide, disk)[radius:-radius, radius:-radius]
    outer = cv2.dilate(coarse, disk)
    if not inner.any() or outer.all():
        return coarse
    labels = np.where(coarse, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[inner > 0], labels[outer == 0] = cv2.GC_FGD, cv2.GC_BGD
    colours = cv2.cvtColor(photo, cv2.COLOR_BGR2LAB)
    product, background = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # its clusters of colours start at random
    cv2.grabCut(
        colours, labels, (0, 0, 1, 1), background, product, _ITERATIONS, cv2.GC_INIT_WITH_MASK
    )
    return _whole_pieces(np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8))


def _whole_pieces(mask: np.ndarray) -> np.ndarray:
    """Without threads and crumbs."""
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return pieces.drop_crumbs(opened, _MIN_PIECE)


def _shrunk(photo: np.ndarray, side: int) -> np.ndarray:
    """The photo, its longer side at most so many pixels."""
    scale = side / max(photo.shape[:2])
    if scale >= 1:
        return photo
    return cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
