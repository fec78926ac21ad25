"""What the background of a product photo looks like: fitted to the photo's border.

A pixel of the background is the fitted color times a shade k: 1 in the light, less in a shadow,
with the ratio of the channels kept. What is left over after the best k is the residual.
"""

from dataclasses import dataclass

import cv2
import numpy as np

MIN_SHADE = 0.5  # darker than half of the background is no soft shadow
_RING = 0.05  # of the shorter side, what is taken for border
_JPEG_NOISE = 1.5  # grey levels, what compression alone leaves
_TEXTURED = 0.015  # of the background's brightness


@dataclass(frozen=True)
class Background:
    """The background at one size of the photo.

    Attributes:
        color: float32 [height, width, 3], BGR, 1 to 255, without shadows.
        border: bool [height, width], pixels of the border ring that are background.
        shade: float32 [height, width], the best k of every pixel.
        residual: float32 [height, width, 3], grey levels, what k does not explain.
        chroma_distance: float32 [height, width], squared Mahalanobis length of the residual.
        shade_noise: standard deviation of k on the border.
        detail_noise: standard deviation of k's fine detail on the border.
        plain_share: share of the border ring that the fit explains, 0 to 1.
    """

    color: np.ndarray
    border: np.ndarray
    shade: np.ndarray
    residual: np.ndarray
    chroma_distance: np.ndarray
    shade_noise: float
    detail_noise: float
    plain_share: float
    _brightness: np.ndarray
    _chroma_scale: float

    @property
    def is_textured(self) -> bool:
        """Whether the border's brightness varies more than a plain background's."""
        return self.shade_noise > _TEXTURED

    def log_density(
        self, shade: np.ndarray | float = 1.0, spread: np.ndarray | float | None = None
    ) -> np.ndarray:
        """How likely each pixel is if it is background.

        Args:
            shade: the expected k, float32 [height, width] or one number.
            spread: its standard deviation; None takes the border's.

        Returns:
            float32 [height, width], natural log of a density over BGR grey levels.
        """
        spread = self.shade_noise if spread is None else spread
        k = self.shade
        known = np.exp(-0.5 * ((k - shade) / spread) ** 2) / (spread * 2.507)
        # A shadow that was not foreseen: any k down to MIN_SHADE, the deeper the rarer.
        depth = np.clip((k - MIN_SHADE) / (1 - MIN_SHADE), 0, 1)
        unforeseen = (0.2 + 0.8 * depth) / (1 - MIN_SHADE)
        unforeseen *= _step((k - MIN_SHADE) / 0.02)
        unforeseen *= _step((1 + 2 * self.shade_noise - k) / self.shade_noise)
        density = (0.75 * known + 0.25 * unforeseen) / self._brightness
        chroma = -0.5 * self.chroma_distance - np.log(2 * np.pi * self._chroma_scale**2)
        return (chroma + np.log(density + 1e-12)).astype(np.float32)


def _step(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -50, 50)))


def fit(image: np.ndarray) -> Background:
    """Fits the background of a photo (float32 [height, width, 3], BGR) to its border ring."""
    height, width = image.shape[:2]
    ring = np.zeros((height, width), bool)
    band = max(3, round(_RING * min(height, width)))
    ring[:band] = ring[-band:] = True
    ring[:, :band] = ring[:, -band:] = True
    color, explained = _fit_color(image, ring)
    border = np.zeros_like(ring)
    border[ring] = explained
    if border.sum() < 50:
        border = ring
    return describe(image, color, border, float(explained.mean()))


def describe(
    image: np.ndarray, color: np.ndarray, border: np.ndarray, plain_share: float
) -> Background:
    """Measures a photo against a known background color; arguments as Background's fields."""
    brightness_squared = channel_sum(color * color)
    shade = channel_sum(image * color) / brightness_squared
    residual = image - shade[..., None] * color
    covariance = np.cov(residual[border].T) + np.eye(3) * _JPEG_NOISE**2
    inverse = np.linalg.inv(covariance).astype(np.float32)
    brightness = np.sqrt(brightness_squared)
    detail = shade - cv2.GaussianBlur(shade, (0, 0), 1.5)
    return Background(
        color=color,
        border=border,
        shade=shade,
        residual=residual,
        chroma_distance=mahalanobis_squared(residual, inverse),
        shade_noise=max(float(shade[border].std()), 2.0 / float(np.median(brightness))),
        detail_noise=float(detail[border].std()),
        plain_share=plain_share,
        _brightness=brightness,
        _chroma_scale=float(np.linalg.det(covariance) ** (1 / 6)),
    )


def channel_sum(image: np.ndarray) -> np.ndarray:
    """Sums the channels; numpy's own sum over so short an axis takes ten times as long."""
    return cv2.transform(image, np.ones((1, image.shape[2]), np.float32))


def mahalanobis_squared(vectors: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """v' inverse v of each vector; float32 [height, width, 3] -> float32 [height, width]."""
    return channel_sum(cv2.transform(vectors, inverse) * vectors)


def _fit_color(image: np.ndarray, ring: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fits a quadratic surface to each channel, robust against what else touches the border.

    Returns:
        The color (float32 [height, width, 3]) and whether each ring pixel is explained (bool).
    """
    height, width = ring.shape
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    x, y = xs / width * 2 - 1, ys / height * 2 - 1
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)
    rows, values = basis[ring].astype(np.float64), image[ring].astype(np.float64)
    error = np.abs(values - np.median(values, 0)).max(1)
    weight = (error < 6 * max(1.4826 * np.median(error), 2.0)).astype(np.float64)
    calm = 1e-3 * len(rows) * np.diag([0, 0, 0, 0.02, 0.02, 0.02])
    for _ in range(5):
        weighted = rows * weight[:, None]
        factors = np.linalg.solve(weighted.T @ rows + calm + 1e-6 * np.eye(6), weighted.T @ values)
        error = np.abs(values - rows @ factors).max(1)
        spread = max(1.4826 * float(np.median(error[weight > 0])), 1.0)
        weight = 1 / (1 + (error / (3 * spread)) ** 4)
    return np.clip(basis @ factors.astype(np.float32), 1, 255), weight > 0.5
