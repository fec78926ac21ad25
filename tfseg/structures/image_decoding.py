"""Encoded photos to upright RGB pixels, as the exported graph sees them."""

import cv2
import numpy as np


def decode_photo(encoded: bytes) -> np.ndarray:
    """Decodes as the exported graph does: EXIF orientation applied, alpha composited on white.

    Returns:
        uint8 [height, width, 3] RGB.

    Raises:
        ValueError: This machine's OpenCV cannot decode it.
    """
    buffer = np.frombuffer(encoded, dtype=np.uint8)
    try:
        rgb = cv2.imdecode(buffer, cv2.IMREAD_COLOR_RGB)
        is_jpeg = encoded.startswith(b"\xff\xd8")  # has no alpha: no second decoding
        raw = rgb if is_jpeg else cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        rgb = raw = None
    if rgb is None or raw is None:
        raise ValueError(f"OpenCV {cv2.__version__} cannot decode this image.")
    if raw.shape != (*rgb.shape[:2], 4):
        return rgb
    alpha = raw[:, :, 3:].astype(np.float32) / np.iinfo(raw.dtype).max
    return np.rint(rgb * alpha + 255 * (1 - alpha)).astype(np.uint8)
