"""The examples made so far, kept until the data set is whole: an interrupted build goes on."""

import contextlib
import pickle
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from data_prep.build.examples import PreparedExample
from data_prep.build.preparation import ExampleSource
from data_prep.readers.raw_dataset import RawSource

_HEADER = struct.Struct("<QQI")  # image id, bytes of the pickled example, CRC-32 of it all
_BUFFER_BYTES = 1 << 20


class JournaledExamples:
    """Makes only the examples that an earlier, interrupted build of the same did not.

    Every example goes into the file as soon as it is made; a restarted build reads it back from
    there. A record that a kill cut short is made again, and photos that were left out are looked
    at again: what was wrong may have been mended.

    Args:
        inner: makes the examples.
        path: the journal, made where it is missing; of this very build, or an earlier run of it.
    """

    def __init__(self, inner: ExampleSource, path: Path):
        self._inner = inner
        self._path = path
        self._offsets: dict[int, int] = {}  # by image id, of the headers
        self._file = path.open("a+b", buffering=_BUFFER_BYTES)
        self._file.truncate(self._find_records())

    def made(self, source: RawSource, image_ids: list[int]) -> Iterator[PreparedExample]:
        """Yields what becomes of each photo of a raw source, in that order."""
        fresh_ids = [image_id for image_id in image_ids if image_id not in self._offsets]
        fresh = self._inner.made(source, fresh_ids)
        for image_id in image_ids:
            if image_id in self._offsets:
                yield self._read(image_id)
            else:
                example = next(fresh)
                if example.image_id is not None:
                    self._append(image_id, example)
                yield example

    def close(self) -> None:
        """Ends what is underway; the file stays."""
        self._inner.close()
        with contextlib.suppress(OSError):  # what a full disk did not take is made again
            self._file.close()

    def _find_records(self) -> int:
        num_bytes, offset = self._path.stat().st_size, 0
        while offset + _HEADER.size <= num_bytes:
            self._file.seek(offset)
            image_id, length, _ = _HEADER.unpack(self._file.read(_HEADER.size))
            end = offset + _HEADER.size + length
            if end > num_bytes:
                break
            self._offsets[image_id] = offset
            offset = end
        return offset

    def _read(self, image_id: int) -> PreparedExample:
        self._file.seek(self._offsets[image_id])
        got_id, length, crc = _HEADER.unpack(self._file.read(_HEADER.size))
        pickled = self._file.read(length)
        if got_id != image_id or _checksum(image_id, pickled) != crc:
            raise ValueError(
                f"{self._path}: image {image_id} in it is damaged; remove the file and run the "
                "same command again."
            )
        return pickle.loads(pickled)

    def _append(self, image_id: int, example: PreparedExample) -> None:
        pickled = pickle.dumps(example, protocol=pickle.HIGHEST_PROTOCOL)
        try:
            header = _HEADER.pack(image_id, len(pickled), _checksum(image_id, pickled))
            self._file.write(header)
            self._file.write(pickled)
        except OSError as error:
            raise ValueError(
                f"{self._path}: cannot be written ({error.strerror}); see that the disk has space "
                "and run the same command again."
            ) from error


def _checksum(image_id: int, pickled: bytes) -> int:
    return zlib.crc32(pickled, zlib.crc32(struct.pack("<QQ", image_id, len(pickled))))
