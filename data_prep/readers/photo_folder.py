"""Photos that lie as files below a folder."""

import errno
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from data_prep.readers.photo_conversion import RawPhoto
from data_prep.readers.photo_encoding import PhotoError
from tfseg.io.photo_files import find_files, read_photo_bytes


@dataclass(frozen=True)
class PhotoFolder:
    """Reads photos by their names below one folder, never beside it, by a link neither."""

    path: Path

    @cached_property
    def _contents(self) -> str:
        if not self.path.is_dir():
            return "no such folder"
        photos = find_files(self.path).photos
        example = f", such as {photos[0].relative_to(self.path)}" if photos else ""
        return f"{len(photos)} photos there{example}"

    def read_photo(self, raw: RawPhoto) -> bytes:
        """The photo's bytes.

        Raises:
            PhotoError: There is no such file, its name leads out of the folder, it is no file (a
                device or pipe), or it cannot be read.
        """
        name = raw.file_name
        try:
            path = (self.path / name).resolve()
            if not path.is_relative_to(self.path.resolve()):
                raise PhotoError("photo_name_outside_folder", f"{name!r} is not below {self.path}")
            return read_photo_bytes(path)
        except (FileNotFoundError, NotADirectoryError):
            raise PhotoError("photo_missing", f"looked in {self.path}: {self._contents}") from None
        except (OSError, ValueError, RuntimeError) as error:  # a name with a NUL; links in a ring
            if isinstance(error, PhotoError):
                raise
            too_large = isinstance(error, OSError) and error.errno == errno.EFBIG
            told = getattr(error, "strerror", None) or error
            raise PhotoError(
                "photo_too_large" if too_large else "photo_unreadable", f"{name} {told}"
            ) from error
