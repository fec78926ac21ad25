"""Photos that lie as files below a folder."""

from dataclasses import dataclass
from pathlib import Path

from data_prep.readers.photo_conversion import RawPhoto
from data_prep.readers.photo_encoding import PhotoError


@dataclass(frozen=True)
class PhotoFolder:
    """Reads photos by their names below one folder, never beside it, by a link neither."""

    path: Path

    def read_photo(self, raw: RawPhoto) -> bytes | None:
        """The photo's bytes; None where there is no such file.

        Raises:
            PhotoError: The name leads out of the folder, or the file cannot be read.
        """
        name = raw.file_name
        try:
            path = (self.path / name).resolve()
            if not path.is_relative_to(self.path.resolve()):
                raise PhotoError("photo_name_outside_folder", f"{name!r} is not below {self.path}")
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:  # ValueError: a name with a NUL
            if isinstance(error, PhotoError):
                raise
            raise PhotoError("photo_unreadable", str(error)) from error
