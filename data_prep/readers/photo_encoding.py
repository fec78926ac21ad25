"""Photo bytes of any kind -> RGB JPEG bytes of a known size."""

import io
import re
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL import Image, UnidentifiedImageError

from tfseg.io.photo_files import kind_of

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_QUALITY = 95
_EXIF_ORIENTATION = 0x0112
_EXIF_MARKER, _SCAN_MARKER = 0xE1, 0xDA  # of JPEG segments
_STRAY_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_STRAY_MARKER_PROGRESSIVE = re.compile(rb"\xff[^\x00\xc4\xd0-\xd7\xda\xdb\xdd\xfe\xff]")
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
        changes: what was done to the raw photo, the report's keys; empty for its own bytes.
    """

    encoded: bytes = field(repr=False)
    height: int
    width: int
    changes: tuple[str, ...]


def prepare_photo(
    encoded: bytes, max_side: int | None, expected_size_hw: tuple[int, int] | None
) -> Photo:
    """Checks a photo and makes it RGB JPEG; one that needs no change keeps its own bytes.

    Args:
        encoded: the raw file's bytes: JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF.
        max_side: the longest side to keep, pixels; None keeps the size.
        expected_size_hw: the annotations' (height, width). They tell whether an EXIF rotation was
            applied when the masks were drawn; where both fit, it was not. None: not known, the
            EXIF rotation is applied.

    Raises:
        PhotoError: The photo is damaged ("photo_unreadable"), of a kind that is not read
            ("photo_is_heic", "photo_is_web_page", "photo_is_empty_file"), or of another size than
            expected ("photo_size_differs", "photo_height_and_width_swapped").
    """
    image, (width, height) = _decode(encoded, max_side)
    changes = []
    if image.format not in ("JPEG", "MPO") or image.mode != "RGB":
        changes.append(f"photo_{_kind(image, encoded)}_to_rgb_jpeg")
    elif not _is_clean_jpeg(encoded, bool(image.info.get("progressive"))):
        changes.append("photo_stray_markers_reencoded")
    keeps_pixels = not changes
    orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    if orientation in _TRANSPOSE:
        fits_only_rotated = orientation >= 5 and (height, width) != expected_size_hw
        if expected_size_hw is None or fits_only_rotated:
            image = image.transpose(_TRANSPOSE[orientation])
            if orientation >= 5:
                width, height = height, width
            keeps_pixels = False
            changes.append("photo_rotated_as_exif_says")
        else:
            changes.append("photo_exif_rotation_removed")
    size_hw = (height, width)
    if expected_size_hw is not None and size_hw != expected_size_hw:
        is_swapped = size_hw == tuple(expected_size_hw)[::-1]
        raise PhotoError(
            "photo_height_and_width_swapped" if is_swapped else "photo_size_differs",
            f"is {size_hw[1]}x{size_hw[0]}, the annotations say "
            f"{expected_size_hw[1]}x{expected_size_hw[0]}",
        )
    if max_side is not None and max(size_hw) > max_side:
        scale = max_side / max(size_hw)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = _to_rgb(image).resize(size, Image.Resampling.LANCZOS)
        keeps_pixels = False
        changes.append("photo_resized")
    if not keeps_pixels:
        encoded = _to_jpeg(image)
    elif changes:
        encoded = _without_exif(encoded)
    return Photo(encoded, image.height, image.width, tuple(changes))


def png_is_whole(encoded: bytes) -> bool:
    """Whether every chunk has its checksum; Pillow does not look at those of the pixels.

    True of what is no PNG. Format: https://www.w3.org/TR/png-3/, 5.3.
    """
    if not encoded.startswith(_PNG_SIGNATURE):
        return True
    position, kind = len(_PNG_SIGNATURE), b""
    while kind != b"IEND":
        end = position + 12 + int.from_bytes(encoded[position : position + 4], "big")
        kind = encoded[position + 4 : position + 8]
        checksum = int.from_bytes(encoded[end - 4 : end], "big")
        if end > len(encoded) or zlib.crc32(encoded[position + 4 : end - 4]) != checksum:
            return False
        position = end
    return True


def _decode(encoded: bytes, max_side: int | None) -> tuple[Image.Image, tuple[int, int]]:
    """The photo, maybe at a half, quarter or eighth of its size, and that size (width, height)."""
    if not png_is_whole(encoded):
        raise PhotoError("photo_unreadable", "a checksum of the PNG is wrong")
    # Decoding all pixels finds truncated files, on which training's decoder would stop.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(encoded), formats=_FORMATS)
            size = image.size
            if max_side is not None and max(size) > max_side:
                # A JPEG decodes at a fraction of its size several times faster; twice the size
                # wanted leaves the rest to a better filter.
                share = 2 * max_side / max(size)
                image.draft(None, (round(size[0] * share), round(size[1] * share)))
            image.load()
            image.getexif()
    except Exception as error:  # Pillow's decoders raise many kinds (OSError, SyntaxError, ...)
        raise unreadable(encoded, error) from error
    return image, size


def unreadable(encoded: bytes, error: Exception) -> PhotoError:
    """What to raise where Pillow cannot read a photo: tells what it is instead, if known."""
    kind = kind_of(encoded)
    if kind in ("HEIC", "web page", "empty file"):
        reason = f"photo_is_{kind.lower().replace(' ', '_')}"
        return PhotoError(reason, f"is of the kind {kind}; expected {', '.join(_FORMATS)}")
    if isinstance(error, UnidentifiedImageError):
        told = f"begins with {encoded[:12]!r}; expected {', '.join(_FORMATS)}"
        return PhotoError("photo_unreadable", told)
    return PhotoError("photo_unreadable", str(error)[:100])


def _is_clean_jpeg(encoded: bytes, is_progressive: bool) -> bool:
    """Whether TensorFlow's decoder, stricter than Pillow's, reads the compressed data.

    That data may hold only stuffed zeros, restart markers and, if progressive, the segments
    between scans; it must end with the end marker (ITU T.81, B.1.1).
    """
    *_, (_, scan_start, _) = _segments(encoded)
    stray = _STRAY_MARKER_PROGRESSIVE if is_progressive else _STRAY_MARKER
    found = stray.search(encoded, scan_start + 2, len(encoded) - 2)
    return found is None and encoded.endswith(b"\xff\xd9")


def _kind(image: Image.Image, encoded: bytes) -> str:
    is_png16 = image.format == "PNG" and encoded[24:25] == b"\x10"  # IHDR's bit depth
    if image.mode.startswith(("I", "F")) or is_png16:
        return "16_bit"
    if _has_alpha(image):
        return "alpha"
    if image.mode in ("1", "L"):
        return "grey"
    if image.mode == "CMYK":
        return "cmyk"
    return (image.format or "").lower()


def _has_alpha(image: Image.Image) -> bool:
    return "A" in image.mode or "a" in image.mode or "transparency" in image.info


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and not _has_alpha(image):
        return image
    if image.mode.startswith(("I", "F")):
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if _has_alpha(image):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _to_jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    _to_rgb(image).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def _without_exif(jpeg: bytes) -> bytes:
    """Cuts the EXIF segments out; the pixels stay as they are."""
    return jpeg[:2] + b"".join(
        jpeg[start:end] for marker, start, end in _segments(jpeg) if marker != _EXIF_MARKER
    )


def _segments(jpeg: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each header segment; the last runs from the scan to the end."""
    position = 2
    while position + 4 <= len(jpeg) and jpeg[position + 1] != _SCAN_MARKER:
        end = position + 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
        yield jpeg[position + 1], position, end
        position = end
    yield _SCAN_MARKER, position, len(jpeg)
