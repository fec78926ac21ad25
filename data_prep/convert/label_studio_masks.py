"""Label Studio's masks: of brushes, a list of bytes with run lengths; of bit masks, a PNG.

The values of all pixels' red, green, blue and alpha, row by row, packed as bits: 32 bits with the
number of values, 5 with a value's bits - 1, four times 4 with the bits of a run's length - 1; then
runs: 1 bit whether one value is repeated, 2 bits which of the four sizes the length has, the
length - 1, and the value or the values.
Format: https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack
"""

import base64
import re

import cv2
import numpy as np

_DATA_URL = re.compile(r"^data:image/png;base64,")
_LENGTH_BITS = (3, 4, 8, 16)
_OPAQUE_FROM = 1  # Label Studio's own exports count every pixel that is not fully transparent


def mask_from_brush(rle: list[int], size_hw: tuple[int, int]) -> np.ndarray:
    """Decodes the alpha channel.

    Args:
        rle: bytes, as the json has them.
        size_hw: (height, width) of the photo, pixels.

    Returns:
        uint8 [height, width] of 0 and 1.

    Raises:
        ValueError: It is damaged, or of another size.
    """
    height, width = size_hw
    bits = _Bits(rle)
    num_values, value_bits = bits.take(32), bits.take(5) + 1
    length_bits = [bits.take(4) + 1 for _ in range(4)]
    if num_values != 4 * height * width:
        raise ValueError(f"got {num_values} values, expected 4 x {width} x {height}")
    pieces: list[np.ndarray] = []
    position = 0
    while position < num_values:
        is_run = bits.take(1)
        length = bits.take(length_bits[bits.take(2)]) + 1
        if is_run:
            pieces.append(np.full(length, bits.take(value_bits) >= _OPAQUE_FROM))
        else:
            pieces.append(bits.take_many(length, value_bits) >= _OPAQUE_FROM)
        position += length
    if position != num_values:
        raise ValueError(f"got {position} values, expected {num_values}")
    return np.concatenate(pieces)[3::4].reshape(height, width).astype(np.uint8)


class _Bits:
    def __init__(self, encoded: list[int]):
        try:
            self._text = "".join(f"{byte:08b}" for byte in bytes(encoded))
        except TypeError as error:
            raise ValueError("got something else than bytes") from error
        self._at = 0

    def take(self, num_bits: int) -> int:
        """The next bits as a number.

        Raises:
            ValueError: There are not so many.
        """
        end = self._at + num_bits
        if end > len(self._text):
            raise ValueError("is cut short")
        number = int(self._text[self._at : end], 2)
        self._at = end
        return number

    def take_many(self, num_values: int, value_bits: int) -> np.ndarray:
        """Several numbers, int64 [num_values]."""
        return np.array([self.take(value_bits) for _ in range(num_values)], np.int64)


def brush_from_mask(mask: np.ndarray) -> list[int]:
    """Encodes a mask; its pixels are white and opaque, the others transparent.

    Args:
        mask: uint8 [height, width], anything but 0 counts.

    Returns:
        Bytes, for the json.
    """
    values = (mask != 0).ravel()
    edges = np.flatnonzero(np.diff(values)) + 1
    starts = np.concatenate(([0], edges))
    lengths = np.diff(np.concatenate((starts, [values.size]))) * 4
    bits = [f"{4 * values.size:032b}", f"{8 - 1:05b}", *(f"{n - 1:04b}" for n in _LENGTH_BITS)]
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        value = "1" * 8 if values[start] else "0" * 8
        while length:
            piece = min(length, 1 << _LENGTH_BITS[-1])
            which = next(i for i, n in enumerate(_LENGTH_BITS) if piece <= 1 << n)
            bits.append(f"1{which:02b}{piece - 1:0{_LENGTH_BITS[which]}b}{value}")
            length -= piece
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def mask_from_data_url(url: str, size_hw: tuple[int, int]) -> np.ndarray:
    """Decodes a bit mask: what is neither transparent nor black.

    Args:
        url: data:image/png;base64,...
        size_hw: (height, width) of the photo, pixels.

    Returns:
        uint8 [height, width] of 0 and 1.

    Raises:
        ValueError: It is no such address, damaged, or of another size.
    """
    if not _DATA_URL.match(url):
        raise ValueError(f"got {url[:30]!r}, expected data:image/png;base64,...")
    encoded = np.frombuffer(base64.b64decode(_DATA_URL.sub("", url)), np.uint8)
    pixels = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape[:2] != size_hw:
        got = "no picture" if pixels is None else f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise ValueError(f"got {got}, expected {size_hw[1]}x{size_hw[0]}")
    colors = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    is_marked = np.any(colors[..., :3] > 0, axis=2)
    if colors.shape[2] == 4:
        is_marked &= colors[..., 3] > 0
    return is_marked.astype(np.uint8)
