"""What of a tar from elsewhere is unpacked."""

import tarfile
from collections.abc import Iterator


def plain_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yields a tar's files and folders, for extractall(members=..., filter="data").

    The filter alone lets chains of links lead outside before Python 3.11.13 and 3.12.11
    (CVE-2025-4517). No data set and no checkpoint needs links.

    Raises:
        tarfile.ExtractError: A member is anything else.
    """
    for member in tar:
        if not (member.isreg() or member.isdir()):
            kind = "a link" if member.issym() or member.islnk() else "a device"
            raise tarfile.ExtractError(f"{member.name!r} is {kind}; expected files and folders")
        yield member
