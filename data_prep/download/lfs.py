"""Git LFS: pointers and the objects they stand for.

Source: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md and docs/api/batch.md there.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import requests

_MAX_POINTER_BYTES = 1024
_MEDIA_TYPE = "application/vnd.git-lfs+json"
# version https://git-lfs.github.com/spec/v1
# oid sha256:b7d2d3266b0594f3e16831008b58770334e375eb58fda0be141005c5fd4854d2
# size 215183
_POINTER = re.compile(
    rb"version https://git-lfs\S*\n(?:\S+ .*\n)*oid sha256:(?P<oid>[0-9a-f]{64})\n"
    rb"size (?P<size>\d+)\n?"
)


class Pointer(NamedTuple):
    """What a clone without Git LFS has in a file's place."""

    sha256: str
    num_bytes: int


def read_pointer(path: Path) -> Pointer | None:
    """Reads a pointer; None where the file is something else."""
    with path.open("rb") as stream:
        found = _POINTER.fullmatch(stream.read(_MAX_POINTER_BYTES + 1))
    return Pointer(found["oid"].decode(), int(found["size"])) if found else None


@dataclass(frozen=True)
class LfsObject:
    """A file that a repository keeps in Git LFS.

    Attributes:
        repository: its clone URL, ending in .git.
        sha256: the object's id, as hex.
        num_bytes: its size.
    """

    repository: str
    sha256: str
    num_bytes: int

    def resolve(self, timeout_s: float) -> tuple[str, dict[str, str]]:
        """Asks the repository's host where the bytes are.

        Returns:
            A URL and the headers to ask it with, good for minutes.

        Raises:
            requests.HTTPError: The host does not give it.
            requests.RequestException: The host does not answer.
        """
        response = requests.post(
            f"{self.repository}/info/lfs/objects/batch",
            json={
                "operation": "download",
                "transfers": ["basic"],
                "objects": [{"oid": self.sha256, "size": self.num_bytes}],
            },
            headers={"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE},
            timeout=timeout_s,
        )
        try:
            answer = response.json()
            if response.status_code == 200 and "actions" in answer["objects"][0]:
                action = answer["objects"][0]["actions"]["download"]
                return action["href"], dict(action.get("header", {}))
            reason = answer["message"] if "message" in answer else answer["objects"][0]["error"]
        except (ValueError, LookupError, TypeError):
            reason = "the answer is not that of Git LFS"
        raise requests.HTTPError(
            f"answered with HTTP status {response.status_code}: {reason}", response=response
        )
