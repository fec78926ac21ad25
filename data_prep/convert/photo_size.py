"""A photo's size, read off its header."""

import warnings
from pathlib import Path

from PIL import Image

_EXIF_ORIENTATION = 0x0112


def photo_size_hw(path: Path) -> tuple[int, int]:
    """Height and width as the photo is shown, pixels.

    Raises:
        ValueError: It cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                width, height = image.size
                is_turned = image.getexif().get(_EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: not a photo ({error}); remove it or its labels.") from error
    return (width, height) if is_turned else (height, width)
