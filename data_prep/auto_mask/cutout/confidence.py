"""How far a cut can be trusted: do independent signs agree on it?"""

from dataclasses import dataclass

import cv2
import numpy as np

from data_prep.auto_mask.cutout import outline, pieces, solve
from data_prep.auto_mask.cutout.background import Background
from data_prep.auto_mask.cutout.cues import disk

_MIN_AREA = 0.002  # of the photo
_HANGER_HEIGHT = 0.15  # of the product, from its top
# Each sign: from where it counts as half an agreement up to where it is a whole one, and what the
# reviewer is told below half. The score is the product of the signs.
_SIGNS = {
    "contrast": (0.85, 0.97, "outline_without_contrast"),
    "edge": (0.45, 0.85, "outline_without_edge"),
    "unlike_background": (0.80, 0.97, "looks_like_background_inside"),
    "all_found": (0.80, 0.97, "more_outside_the_mask"),
    "steady": (0.70, 0.85, "sizes_disagree"),
    "plain_border": (0.75, 0.95, "background_not_plain"),
    "free_of_border": (0.80, 0.97, "reaches_the_photos_edge"),
    "no_thin_parts": (0.993, 0.998, "thin_parts_such_as_a_hanger"),
}


@dataclass(frozen=True)
class Confidence:
    """The judgement of a cut.

    Attributes:
        score: 0 to 1; from mask_confidence.GOOD on the cut is called good.
        reasons: why it is not higher, for the person who reviews it.
        signs: the measurements it is made of, 0 to 1 each, 1 is best.
    """

    score: float
    reasons: tuple[str, ...]
    signs: dict[str, float]

    @property
    def has_product(self) -> bool:
        """Whether there is a product at all."""
        return "no_clear_product" not in self.reasons


def judge(
    mask: np.ndarray,
    small_mask: np.ndarray,
    small: np.ndarray,
    scene: Background,
    edges: np.ndarray,
) -> Confidence:
    """Judges a cut.

    Args:
        mask: uint8 [height, width] of 0 and 1, the photo's own size.
        small_mask: the same at the small size, as it was found.
        small: float32 [h, w, 3], BGR, the photo at the small size.
        scene: the background at the small size.
        edges: of cues.edge_strength at the small size.
    """
    share = float(mask.mean())
    if share < _MIN_AREA or not small_mask.any():
        return Confidence(0.0, ("no_clear_product",), {})
    height, width = small_mask.shape
    final = (solve.resize(mask.astype(np.float32), (width, height)) > 0.5).astype(np.uint8)
    if not final.any():
        return Confidence(0.0, ("no_clear_product",), {})
    contrast = outline.outline_contrast(small, scene.color, final)
    usual = max(3 * scene.shade_noise * float(scene.color.mean()), 12.0)
    ridge = cv2.dilate(edges, np.ones((3, 3), np.uint8))
    rim = (final > 0) & (cv2.erode(final, disk(1)) == 0)
    usual_edge = max(1.5 * float(np.percentile(edges[scene.border], 95)), 2.0)
    like = cv2.erode(pieces.background_like(scene) & final, disk(1))
    foreign = (scene.chroma_distance > 30) | (scene.shade > 1 + 5 * scene.shade_noise)
    foreign |= scene.shade < 0.45
    outside = cv2.dilate(final, disk(4)) == 0
    signs = {
        "contrast": float((contrast > usual).mean()),
        "edge": float((ridge[rim] > usual_edge).mean()),
        "unlike_background": 1 - float(like.sum() / final.sum()),
        "all_found": 1 - min(1.0, float((foreign & outside).sum() / final.sum())),
        "steady": float((final & small_mask).sum() / (final | small_mask).sum()),
        "plain_border": scene.plain_share,
        "free_of_border": 1 - _border_share(final),
        "no_thin_parts": 1 - _thin_share(final),
    }
    agreements = {name: _agreement(signs[name], *_SIGNS[name][:2]) for name in _SIGNS}
    reasons = tuple(_SIGNS[name][2] for name, value in agreements.items() if value < 0.7)
    return Confidence(float(np.prod(list(agreements.values()))), reasons, signs)


def _agreement(value: float, half: float, whole: float) -> float:
    return float(np.clip(0.5 + 0.5 * (value - half) / (whole - half), 0, 1))


def _border_share(mask: np.ndarray) -> float:
    """The share of the photo's rim that the mask covers."""
    rim = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return float(rim.mean())


def _thin_share(mask: np.ndarray) -> float:
    """The share of a mask that is thin (under 5 pixels) and at its top, as a hanger's wire is."""
    body = cv2.dilate(cv2.morphologyEx(mask, cv2.MORPH_OPEN, disk(2)), disk(1)) & mask
    _, top, _, height = cv2.boundingRect(mask)
    thin = (mask - body)[: top + max(1, round(_HANGER_HEIGHT * height))]
    return float(thin.sum() / mask.sum())
