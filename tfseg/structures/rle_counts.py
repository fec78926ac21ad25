"""COCO's run lengths: the compressed string <-> numbers, safe on any input.

pycocotools trusts its input: a damaged string makes it read past its buffers. Everything that
comes from a raw file or a reply passes through here first. No other library has the codec alone.
Format: rleToString and rleFrString in
https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c
"""

import numpy as np

_MAX_CHARACTERS = 7  # of one number: 35 bits, more than any photo has pixels


def counts_from_string(text: bytes) -> np.ndarray:
    """Decodes a compressed RLE's string.

    Args:
        text: characters 48..111, each with 5 bits of a number and, but for its last, bit 6 set;
            from the fourth number on each is the difference from the one before the last.

    Returns:
        int64 [num_runs], lengths in pixels of runs of 0, 1, 0, ... down the columns.

    Raises:
        ValueError: The string is not one; says what is wrong.
    """
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if codes.size == 0:
        return codes
    if codes.min() < 0 or codes.max() > 63:
        raise ValueError("has characters outside the code")
    is_last = (codes & 0x20) == 0
    if not is_last[-1]:
        raise ValueError("is cut short")
    lasts = np.flatnonzero(is_last)
    firsts = np.concatenate(([0], lasts[:-1] + 1))
    if (lasts - firsts).max() >= _MAX_CHARACTERS:
        raise ValueError("has a number of too many characters")
    place = np.arange(codes.size) - np.repeat(firsts, lasts - firsts + 1)
    numbers = np.add.reduceat((codes & 0x1F) << (5 * place), firsts)
    is_negative = (codes[lasts] & 0x10) != 0
    numbers[is_negative] -= np.int64(1) << (5 * (place[lasts[is_negative]] + 1))
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    if numbers.min() < 0:
        raise ValueError("has a run of negative length")
    return numbers


def counts_from_runs(starts: np.ndarray, lengths: np.ndarray, num_pixels: int) -> np.ndarray:
    """Writes runs of 1 as lengths of runs of 0, 1, 0, ...

    Args:
        starts: int64 [num_runs], first pixel of each run, from 0, increasing.
        lengths: int64 [num_runs], pixels, 1 or more; a run ends where or before the next starts.
        num_pixels: of the mask; the last run ends there or before.

    Returns:
        int64 [2 * num_runs + 1], they add up to num_pixels.
    """
    ends = starts + lengths
    counts = np.empty(2 * starts.size + 1, np.int64)
    counts[0::2] = np.concatenate((starts, [num_pixels])) - np.concatenate(([0], ends))
    counts[1::2] = lengths
    return counts
