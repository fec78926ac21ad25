"""Which fetched files are photos worth keeping: no icons, banners, bombs or near-duplicates."""

import io
import warnings
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from tfseg.io.photo_files import kind_of

_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif"}
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")  # an MPO opens as JPEG and then tells what it is
_MAX_PIXELS = 100_000_000
_MIN_SIDE = 200  # pixels; smaller ones are icons
_MAX_ASPECT = 4.0  # longer ones are banners
_HASH_SIDE = 16
_NEAR_BITS = 26  # of 256 that near-duplicates may differ in


class UnusableError(Exception):
    """A file that is left out; `reason` is the manifest's key."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class CheckedPhoto:
    """A photo worth keeping: its size in pixels, its file's suffix and its perceptual hash."""

    width: int
    height: int
    suffix: str
    perceptual_hash: str


def check_photo(encoded: bytes) -> CheckedPhoto:
    """Checks a file's bytes; only after its stated size is known to be sane are pixels decoded.

    Raises:
        UnusableError: "not_an_image", "heic_not_taken" and so on, "too_many_pixels", "icon",
            "banner" or "damaged".
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(encoded), formats=_FORMATS)
    except Exception as error:  # Pillow's decoders raise many kinds
        too_large = isinstance(error, Image.DecompressionBombError)
        kind = kind_of(encoded)
        is_other_photo = kind in ("HEIC", "AVIF", "TIFF", "BMP")
        reason = f"{kind.lower()}_not_taken" if is_other_photo else "not_an_image"
        raise UnusableError("too_many_pixels" if too_large else reason) from error
    with image:
        width, height = image.size
        if width * height > _MAX_PIXELS:
            raise UnusableError("too_many_pixels")
        if min(width, height) < _MIN_SIDE:
            raise UnusableError("icon")
        if max(width, height) > _MAX_ASPECT * min(width, height):
            raise UnusableError("banner")
        try:
            grey = np.asarray(_to_grey(image))
        except Exception as error:
            raise UnusableError("damaged") from error
        return CheckedPhoto(width, height, _SUFFIXES[image.format or ""], perceptual_hash(grey))


def perceptual_hash(grey: np.ndarray) -> str:
    """256 bits as hex: which of the lowest frequencies are above their median.

    Robust against scaling, compression and small changes of color (Zauner, Implementation and
    Benchmarking of Perceptual Image Hash Functions, 2010, section 3.2.1).

    Args:
        grey: uint8 [height, width].
    """
    side = 4 * _HASH_SIDE
    small = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:_HASH_SIDE, :_HASH_SIDE].ravel()
    low[0] = np.median(low[1:])  # the mean brightness tells nothing
    return np.packbits(low > np.median(low)).tobytes().hex()


class NearDuplicates:
    """Finds photos that look like one kept before."""

    def __init__(self):
        self._hashes = np.zeros((0, _HASH_SIDE * _HASH_SIDE // 8), np.uint8)
        self._names: list[str] = []

    def add(self, perceptual_hash: str, name: str) -> None:
        """Remembers a kept photo."""
        row = np.frombuffer(bytes.fromhex(perceptual_hash), np.uint8)
        self._hashes = np.vstack([self._hashes, row])
        self._names.append(name)

    def find(self, perceptual_hash: str) -> str | None:
        """The name of a kept photo that looks the same; None where there is none."""
        if not self._names:
            return None
        row = np.frombuffer(bytes.fromhex(perceptual_hash), np.uint8)
        distances = np.bitwise_count(self._hashes ^ row).sum(1)
        nearest = int(distances.argmin())
        return self._names[nearest] if distances[nearest] <= _NEAR_BITS else None


def _to_grey(image: Image.Image) -> Image.Image:
    """Mode L, transparent parts white."""
    image.load()
    if image.mode.startswith(("I", "F")):  # 16 bits a pixel, which convert would clip to white
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if "A" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L")
