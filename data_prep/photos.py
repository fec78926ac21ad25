"""Photo bytes of any kind -> RGB JPEG bytes of a known size."""

import io
import warnings
from dataclasses import dataclass, field

from PIL import Image

_JPEG_QUALITY = 95
_EXIF_ORIENTATION = 0x0112
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PhotoError(ValueError):
    """A photo that cannot be used; `reason` is the report's key."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Photo:
    """A usable photo.

    Attributes:
        encoded: RGB JPEG bytes without an EXIF rotation.
        height: of these bytes, pixels.
        width: of these bytes, pixels.
        scale: this size divided by the raw photo's, 1.0 where nothing was resized.
        changes: what was done to the raw photo, the report's keys; empty for its own bytes.
    """

    encoded: bytes = field(repr=False)
    height: int
    width: int
    scale: float
    changes: tuple[str, ...]


def prepare_photo(
    encoded: bytes, max_side: int | None, expected_size_hw: tuple[int, int] | None
) -> Photo:
    """Checks a photo and makes it RGB JPEG; one that needs no change keeps its own bytes.

    Args:
        encoded: the raw file's bytes, any format Pillow reads.
        max_side: the longest side to keep, pixels; None keeps the size.
        expected_size_hw: the annotations' (height, width); decides whether an EXIF rotation was
            applied when the masks were drawn. None: not known, the EXIF rotation is applied.

    Raises:
        PhotoError: The photo is damaged ("unreadable") or of another size ("size_mismatch").
    """
    image = _decode(encoded)
    changes = []
    keeps_bytes = image.format in ("JPEG", "MPO") and image.mode == "RGB"
    if not keeps_bytes:
        changes.append(f"converted_{_kind(image, encoded)}")
    orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    if orientation in _TRANSPOSE:
        stored_hw = (image.height, image.width)
        if expected_size_hw is None or (orientation >= 5 and stored_hw != expected_size_hw):
            image = image.transpose(_TRANSPOSE[orientation])
            changes.append("rotated_by_exif")
        else:
            changes.append("exif_rotation_removed")
        keeps_bytes = False
    size_hw = (image.height, image.width)
    if expected_size_hw is not None and size_hw != expected_size_hw:
        raise PhotoError(
            "size_mismatch",
            f"is {size_hw[1]}x{size_hw[0]}, the annotations say "
            f"{expected_size_hw[1]}x{expected_size_hw[0]}",
        )
    scale = 1.0
    if max_side is not None and max(size_hw) > max_side:
        scale = max_side / max(size_hw)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = _to_rgb(image).resize(size, Image.Resampling.LANCZOS)
        changes.append("resized")
        keeps_bytes = False
    if not keeps_bytes:
        buffer = io.BytesIO()
        _to_rgb(image).save(buffer, "JPEG", quality=_JPEG_QUALITY)
        encoded = buffer.getvalue()
    return Photo(encoded, image.height, image.width, scale, tuple(changes))


def _decode(encoded: bytes) -> Image.Image:
    # Decoding all pixels finds truncated files, on which training's decoder would stop.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(encoded))
            image.load()
    except Exception as error:  # Pillow's decoders raise many kinds (OSError, SyntaxError, ...)
        raise PhotoError("unreadable", str(error).splitlines()[0][:100]) from error
    return image


def _kind(image: Image.Image, encoded: bytes) -> str:
    is_png16 = image.format == "PNG" and encoded[24:25] == b"\x10"  # IHDR's bit depth
    if image.mode.startswith(("I", "F")) or is_png16:
        return "16_bit"
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        return "alpha"
    if image.mode in ("1", "L"):
        return "grey"
    if image.mode in ("CMYK", "YCCK"):
        return "cmyk"
    return (image.format or image.mode).lower()


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith(("I", "F")):
        image = image.point(lambda value: value / 256).convert("L")
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")
