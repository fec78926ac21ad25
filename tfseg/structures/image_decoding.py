"""Encoded photos to upright RGB pixels, as the exported graph sees them.

OpenCV is imported where a photo is decoded: a client sends most of them as they are, without it.
"""

import numpy as np

from tfseg.io.photo_files import kind_of


def readable_by_the_model(encoded: bytes) -> bytes:
    """Returns a photo in a form that the exported graph reads.

    Returns:
        Its own bytes; of a TIFF or AVIF a PNG of its pixels, as decode_photo gives them.

    Raises:
        ValueError: It is HEIC, or a TIFF or AVIF that cannot be decoded.
    """
    kind = kind_of(encoded)
    if kind == "HEIC":
        raise ValueError("is HEIC, which is not read; convert it to JPEG.")
    if kind not in ("TIFF", "AVIF"):
        return encoded
    import cv2

    bgr = cv2.cvtColor(decode_photo(encoded), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def decode_photo(encoded: bytes) -> np.ndarray:
    """Decodes as the exported graph does: EXIF orientation applied, alpha composited on white.

    Returns:
        uint8 [height, width, 3] RGB.

    Raises:
        ValueError: This machine's OpenCV cannot decode it.
    """
    import cv2

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
    depth: np.dtype = raw.dtype
    alpha = raw[:, :, 3:].astype(np.float32) / np.iinfo(depth).max
    return np.rint(rgb * alpha + 255 * (1 - alpha)).astype(np.uint8)
