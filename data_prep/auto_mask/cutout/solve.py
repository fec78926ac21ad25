"""The cut: per-pixel log odds and edges to one region, by a convex relaxation of the graph cut.

min over u in [0, 1] of sum(-odds * u) + sum(weight * |grad u|), thresholded at 0.5, solved by the
primal-dual iteration of Chambolle and Pock (J. Math. Imaging Vis. 40, 2011, algorithm 1). Over
pixels of a few hundred a side it is quicker than max-flow, and it starts from the last answer.
"""

import cv2
import numpy as np

from data_prep.auto_mask.cutout.background import channel_sum

_STEP = 0.35  # of both variables; the operator's norm is below 8 ** 0.5
_BINS = 20  # a channel of the color histogram
_BLUR = 0.6


def solve(
    odds: np.ndarray,
    weights_xy: tuple[np.ndarray, np.ndarray],
    start: np.ndarray,
    num_iterations: int,
) -> np.ndarray:
    """Minimises from a start.

    Args:
        odds: float32 [height, width], log odds of the product.
        weights_xy: of edge_weights.
        start: float32 [height, width], 0 to 1.
        num_iterations: of the primal-dual iteration.

    Returns:
        float32 [height, width], 0 to 1.
    """
    u, ahead = start.copy(), start.copy()
    dual_x, dual_y = np.zeros_like(u), np.zeros_like(u)
    slope_x, slope_y = np.zeros_like(u), np.zeros_like(u)
    new = np.empty_like(u)
    low_x, low_y = -weights_xy[0], -weights_xy[1]
    for _ in range(num_iterations):
        np.subtract(ahead[:, 1:], ahead[:, :-1], out=slope_x[:, :-1])
        np.subtract(ahead[1:], ahead[:-1], out=slope_y[:-1])
        cv2.scaleAdd(slope_x, _STEP, dual_x, dual_x)
        cv2.scaleAdd(slope_y, _STEP, dual_y, dual_y)
        cv2.max(cv2.min(dual_x, weights_xy[0], dual_x), low_x, dual_x)
        cv2.max(cv2.min(dual_y, weights_xy[1], dual_y), low_y, dual_y)
        np.add(dual_x, dual_y, out=new)
        new[:, 1:] -= dual_x[:, :-1]
        new[1:] -= dual_y[:-1]
        new += odds
        cv2.scaleAdd(new, _STEP, u, new)
        np.clip(new, 0, 1, out=new)
        cv2.addWeighted(new, 2, u, -1, 0, ahead)
        u, new = new, u
    return u


def edge_weights(
    image: np.ndarray, border: np.ndarray, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """What a cut between a pixel and its right and lower neighbour costs; little at an edge.

    Args:
        image: float32 [height, width, 3], BGR.
        border: bool [height, width], background, whose own gradients are no edges.
        strength: the cost where there is no edge, log odds.
    """
    blurred = cv2.GaussianBlur(image, (0, 0), _BLUR)
    along_x = np.sqrt(channel_sum((blurred[:, 1:] - blurred[:, :-1]) ** 2))
    along_y = np.sqrt(channel_sum((blurred[1:] - blurred[:-1]) ** 2))
    usual = max(2 * float(np.percentile(along_x[border[:, 1:]], 90)), 8.0)
    weights_x, weights_y = np.zeros(border.shape, np.float32), np.zeros(border.shape, np.float32)
    weights_x[:, :-1] = strength * np.exp(-along_x / usual) + 0.05
    weights_y[:-1] = strength * np.exp(-along_y / usual) + 0.05
    return weights_x, weights_y


def product_log_density(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How likely each pixel is if it is product, from a color histogram of surely such pixels.

    Args:
        image: float32 [height, width, 3], BGR.
        weights: float32 [height, width], 0 to 1, which pixels to learn from.

    Returns:
        float32 [height, width], natural log of a density over BGR grey levels.
    """
    bins = np.clip(image * (_BINS / 256), 0, _BINS - 1).astype(np.int32)
    index = (bins[..., 0] * _BINS + bins[..., 1]) * _BINS + bins[..., 2]
    counts = np.bincount(index.ravel(), weights.ravel(), _BINS**3).reshape((_BINS,) * 3)
    for axis in range(3):
        padded = np.pad(counts, [(int(a == axis),) * 2 for a in range(3)], mode="edge")
        before, after = (np.take(padded, np.arange(_BINS) + i, axis) for i in (0, 2))
        counts = 0.5 * counts + 0.25 * (before + after)
    share = counts / max(counts.sum(), 1e-9)
    density = 0.85 * share * (_BINS / 256) ** 3 + 0.15 / 256**3
    return np.log(density).astype(np.float32).ravel()[index]


def local_shade(shade: np.ndarray, known: np.ndarray, scale: float) -> np.ndarray:
    """Carries the background's shade into where it cannot be seen.

    Normalised convolution (Knutsson and Westin, CVPR 1993): a mean over the known neighbours, over
    a wider window where there are none near by.

    Args:
        shade: float32 [height, width].
        known: float32 [height, width], 1 where shade is the background's, 0 elsewhere.
        scale: of the narrowest window, pixels.

    Returns:
        float32 [height, width], 0.3 to 1.1.
    """
    height, width = shade.shape
    product = shade * known
    total, weight = np.zeros_like(shade), np.full_like(shade, 1e-8)
    for factor, importance in ((1, 1.0), (3, 1e-2), (9, 1e-4), (30, 1e-6)):
        window = scale * factor
        reduction = max(1, int(window / 2.5))
        size = (max(1, width // reduction), max(1, height // reduction))
        means = []
        for image in (product, known):
            small = resize(image, size) if reduction > 1 else image
            small = cv2.GaussianBlur(small, (0, 0), window / reduction)
            means.append(resize(small, (width, height)) if reduction > 1 else small)
        total += importance * means[0]
        weight += importance * means[1]
    return np.clip(total / weight, 0.3, 1.1)


def resize(image: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """Resizes without aliasing to (width, height)."""
    smaller = size_wh[0] < image.shape[1]
    return cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
