"""How far a cut can be trusted: do independent signs agree on it?"""

from dataclasses import dataclass

import cv2
import numpy as np

from data_prep.auto_mask.cutout import outline, pieces, solve
from data_prep.auto_mask.cutout.background import Background, channel_sum
from data_prep.auto_mask.cutout.cues import disk

_MIN_AREA = 0.002  # of the photo
_HANGER_HEIGHT = 0.15  # of the product, from its top
_HOOK_HEIGHT = 0.2  # the same, for hooks, clips and bars thicker than a wire
_HOOK_RADIUS = 7  # pixels of the small size
_FLOOR_RADIUS = 2  # pixels of the small size; narrower slivers are the outline's own
_FLOOR_CHROMA = 0.18  # of a pixel's brightness, what a shade of the background leaves over
_FLOOR_SHADE = 0.6
_UNLIKE_CORE = 25.0  # CIE 1976 color difference
_FLOOR_AT_OUTLINE = 6  # pixels
# Each sign: from where it counts as half an agreement up to where it is a whole one, and what the
# reviewer is told below 0.7. The score is the product of the signs.
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
_STRICT_SIGNS = {
    "no_hook": (0.99, 1.0, "narrow_parts_at_the_top_such_as_a_hanger"),
    "no_floor": (0.995, 1.0, "background_inside_at_the_outline"),
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
    strict: bool = False,
) -> Confidence:
    """Judges a cut.

    Args:
        mask: uint8 [height, width] of 0 and 1, the photo's own size.
        small_mask: the same at the small size, as it was found.
        small: float32 [h, w, 3], BGR, the photo at the small size.
        scene: the background at the small size.
        edges: of cues.edge_strength at the small size.
        strict: whether narrow parts at the top and floor at the outline count too, and the
            product of the signs squared.
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
    wanted = _SIGNS
    if strict:
        signs["no_hook"] = 1 - _hook_share(final)
        signs["no_floor"] = 1 - _floor_share(small, scene.color, final)
        wanted = _SIGNS | _STRICT_SIGNS
    agreements = {name: _agreement(signs[name], *wanted[name][:2]) for name in wanted}
    reasons = tuple(wanted[name][2] for name, value in agreements.items() if value < 0.7)
    score = float(np.prod(list(agreements.values())))
    # Masks that two signs only half agree on are wrong too often (data_prep/MEASURED.md).
    return Confidence(score**2 if strict else score, reasons, signs)


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


def _hook_share(mask: np.ndarray) -> float:
    """The share of a mask that is narrow (under 15 pixels) and at its top: hook, clip or bar."""
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, disk(_HOOK_RADIUS))
    body = cv2.dilate(opened, disk(1)) & mask
    _, top, _, height = cv2.boundingRect(mask)
    narrow = (mask - body)[: top + round(_HOOK_HEIGHT * height)]
    return float(narrow.sum() / mask.sum())


def _floor_share(image: np.ndarray, color: np.ndarray, mask: np.ndarray) -> float:
    """The share of a mask in its largest piece of floor or wall that lies at the outline.

    Such a piece, in the light or in a shadow, is a shade of the background and unlike the product.

    Args:
        image: float32 [height, width, 3], BGR, 0 to 255.
        color: float32 [height, width, 3], the background's color.
        mask: uint8 [height, width] of 0 and 1, not empty.
    """
    core = cv2.erode(mask, disk(4))
    core = core if core.sum() > 50 else mask
    lab = cv2.cvtColor(image / 255, cv2.COLOR_BGR2LAB)
    difference = lab - np.median(lab[core > 0], 0)
    unlike_core = channel_sum(difference * difference) > _UNLIKE_CORE**2
    shade = channel_sum(image * color) / channel_sum(color * color)
    residual = image - shade[..., None] * color
    brightness = np.maximum(np.sqrt(channel_sum(image * image)), 20)
    is_shade = np.sqrt(channel_sum(residual * residual)) < _FLOOR_CHROMA * brightness
    floor = (is_shade & (shade > _FLOOR_SHADE) & unlike_core & (mask > 0)).astype(np.uint8)
    floor = cv2.morphologyEx(floor, cv2.MORPH_OPEN, disk(_FLOOR_RADIUS))
    num_labels, labels = cv2.connectedComponents(floor, connectivity=8)
    near_outline = cv2.dilate(1 - mask, disk(3))
    areas = np.bincount(labels.ravel(), minlength=num_labels)
    at_outline = np.bincount(labels[near_outline > 0], minlength=num_labels)
    areas[at_outline <= _FLOOR_AT_OUTLINE] = 0
    areas[0] = 0
    return float(areas.max() / mask.sum())
