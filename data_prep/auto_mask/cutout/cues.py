"""Signs of the product that do not depend on its color: texture, and edges that enclose it."""

import cv2
import numpy as np

from data_prep.auto_mask.cutout.background import Background, channel_sum, mahalanobis_squared

_DETAIL_SCALES = (1.2, 2.5, 5.0)  # pixels
_MEAN_SCALES = (1.5, 3.0, 6.0)
_MAX_CUE = 5.0
_DETAIL_GAIN = 1.2
_NUM_LEVELS = 8
_LEVEL_STEP = 1.35
_MIN_EDGE = 1.5  # grey levels a pixel


def disk(radius: int) -> np.ndarray:
    """A round structuring element, uint8."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def texture_cue(background: Background) -> np.ndarray:
    """How foreign a pixel's surroundings are to the background, whatever the shadow on them.

    Detail is compared at three scales, brightness above the background's and chroma as means over
    three windows. A window that reaches over a product's edge is foreign too: each pixel is given
    its quietest neighbouring window, which undoes that.

    Returns:
        float32 [height, width], 0 to 5, log odds.
    """
    border, textured = background.border, background.is_textured
    cue = np.zeros(border.shape, np.float32)
    level = np.log(np.maximum(background.shade, 0.15))
    for scale in _DETAIL_SCALES:
        window = max(2.0, 1.8 * scale) if textured else max(1.5, scale)
        blurred = cv2.GaussianBlur(level, (0, 0), scale)
        energy = cv2.GaussianBlur((level - blurred) ** 2, (0, 0), window)
        floor = (0.5 if textured else 1.5) / 220 / scale**0.5
        energy = np.log(np.sqrt(energy) + floor)
        level = blurred
        usual = np.median(energy[border])
        spread = max(1.4826 * float(np.median(np.abs(energy[border] - usual))), 0.25)
        radius = min(round(1.5 * window), 12) if textured else min(round(2.2 * window), 8)
        signs = (1, -1) if scale == _DETAIL_SCALES[0] else (-1,)
        for sign in signs:  # only fine detail counts where there is more: a shadow has coarse
            _add(cue, sign * (energy - usual) / spread, border, radius, 1.0, 99, _DETAIL_GAIN)
    for scale in _MEAN_SCALES:
        mean = cv2.GaussianBlur(background.shade, (0, 0), scale)
        spread = max(float(mean[border].std()), 0.004)
        _add(cue, (mean - 1) / spread, border, round(1.6 * scale), 3.0, 99.5, 0.8)
        mean = cv2.GaussianBlur(background.residual, (0, 0), scale)
        covariance = np.cov(mean[border].T) + np.eye(3) * (1.2 / (1 + 0.5 * scale)) ** 2
        inverse = np.linalg.inv(covariance).astype(np.float32)
        distance = np.sqrt(mahalanobis_squared(mean, inverse))
        _add(cue, distance, border, round(1.8 * scale), 3.0, 99.5, 0.8)
    return cue


def _add(
    cue: np.ndarray,
    score: np.ndarray,
    border: np.ndarray,
    radius: int,
    floor: float,
    percentile: float,
    gain: float,
) -> None:
    """Raises cue to gain times what score has above the border's own scores."""
    quietest = cv2.erode(score, disk(radius))
    limit = max(floor, float(np.percentile(quietest[border], percentile)))
    np.maximum(cue, np.clip((quietest - limit) * gain, 0, _MAX_CUE), out=cue)


def edge_strength(image: np.ndarray) -> np.ndarray:
    """Gradient of sharp edges, grey levels a pixel; the wide slopes of soft shadows are left out.

    A slope that blurring hardly lowers is a wide one.
    """
    fine, coarse = _gradient(image, 0.8), _gradient(image, 1.6)
    return fine * np.clip((fine / (coarse + 0.3) - 1.15) / 0.25, 0.1, 1)


def enclosure_cue(image: np.ndarray, edges: np.ndarray, background: Background) -> np.ndarray:
    """How strong the weakest edge is that keeps a pixel from the photo's border.

    Args:
        image: float32 [height, width, 3], BGR.
        edges: of edge_strength.
        background: of the same photo.

    Returns:
        float32 [height, width], 0 (reached without an edge) to 1.
    """
    border = background.border
    cue = _flood(edges, max(float(np.percentile(edges[border], 98)), _MIN_EDGE), 1)
    if background.is_textured:
        coarse = _gradient(image, 2.0)
        base = max(float(np.percentile(coarse[border], 99.5)), _MIN_EDGE)
        cue = np.maximum(cue, _flood(coarse, base, 2))
    return cue


def _gradient(image: np.ndarray, scale: float) -> np.ndarray:
    blurred = cv2.GaussianBlur(image, (0, 0), scale)
    along_x = cv2.Sobel(blurred, cv2.CV_32F, 1, 0, scale=1 / 8)
    along_y = cv2.Sobel(blurred, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.sqrt(channel_sum(along_x * along_x + along_y * along_y) / 3)


def _flood(edges: np.ndarray, base: float, radius: int) -> np.ndarray:
    """Floods from the border over lower and lower walls; radius gives back the walls' width."""
    walls = cv2.dilate(edges, np.ones((3, 3), np.uint8))
    cue = np.zeros(edges.shape, np.float32)
    for level in range(_NUM_LEVELS):
        free = (walls < base * _LEVEL_STEP**level).astype(np.uint8)
        free[:2] = free[-2:] = 1
        free[:, :2] = free[:, -2:] = 1
        _, labels = cv2.connectedComponents(free, connectivity=4)
        reached = cv2.dilate((labels == labels[0, 0]).astype(np.uint8), disk(radius))
        cue[reached == 0] = (level + 1) / _NUM_LEVELS
    return cue
