"""A photo however it is given (path, bytes, PIL image, array) -> encoded bytes, or pixels."""

import os
from pathlib import Path

import cv2
import numpy as np

from tfseg.io.photo_files import read_photo_bytes
from tfseg.structures.image_decoding import decode_photo, readable_by_the_model


def bytes_of(photo) -> bytes:
    """Returns a photo as an encoded file's bytes, for a model.

    Args:
        photo: A path (str or PathLike), an encoded photo's bytes, a PIL image, or uint8
            [height, width, 3] RGB, [height, width, 4] RGBA or [height, width] grey.

    Returns:
        A file's own bytes; a lossless PNG of what was pixels, TIFF or AVIF.

    Raises:
        ValueError: Not such a thing, or the file cannot be read.
    """
    if isinstance(photo, bytes | bytearray | memoryview):
        return readable_by_the_model(bytes(photo))
    if isinstance(photo, str | os.PathLike):
        path = Path(photo).expanduser()
        try:
            encoded = read_photo_bytes(path)
        except OSError as error:
            raise ValueError(f"{path}: cannot read the photo ({error.strerror}).") from None
        return readable_by_the_model(encoded)
    pixels = _array_of(photo)
    order = {2: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    code = order[2 if pixels.ndim == 2 else pixels.shape[2]]
    stored = pixels if code is None else cv2.cvtColor(pixels, code)
    _, png = cv2.imencode(".png", stored, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return png.tobytes()


def pixels_of(photo) -> np.ndarray:
    """Returns a photo, given as bytes_of takes it, as uint8 [height, width, 3] RGB, upright.

    Raises:
        ValueError: As bytes_of, or it cannot be decoded.
    """
    if isinstance(photo, np.ndarray) and photo.ndim == 3 and photo.shape[2] == 3:
        return _array_of(photo)
    return decode_photo(bytes_of(photo))


def _array_of(photo) -> np.ndarray:
    if hasattr(photo, "convert") and hasattr(photo, "mode"):  # PIL, which is no dependency here
        from PIL import ImageOps

        upright = ImageOps.exif_transpose(photo)
        has_alpha = "A" in upright.mode or "transparency" in upright.info
        return np.asarray(upright.convert("RGBA" if has_alpha else "RGB"))
    if not isinstance(photo, np.ndarray):
        raise ValueError(
            f"expected a photo as path, bytes, PIL image or uint8 array, got a "
            f"{type(photo).__name__}."
        )
    is_image = photo.ndim == 2 or (photo.ndim == 3 and photo.shape[2] in (3, 4))
    if photo.dtype != np.uint8 or not is_image or not photo.size:
        raise ValueError(
            f"a photo as an array: got {photo.dtype} {list(photo.shape)}, expected uint8 "
            "[height, width, 3] RGB, [height, width, 4] RGBA or [height, width] grey, 0..255."
        )
    return np.ascontiguousarray(photo)
