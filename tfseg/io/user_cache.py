"""The user's cache folder: what can be made again."""

import os
from importlib import metadata
from pathlib import Path

import platformdirs

VARIABLE = "TFSEG_CACHE_DIR"


def cache_dir() -> Path:
    """Returns $TFSEG_CACHE_DIR, else the project's folder in the user's cache folder."""
    given = os.environ.get(VARIABLE)
    return Path(given).expanduser() if given else platformdirs.user_cache_path("tfseg")


def tensorflow_version() -> str:
    """Returns TensorFlow's package and version, without importing it; "" where there is none.

    What is kept here and follows from TensorFlow has it in its key.
    """
    for package in ("tensorflow", "tensorflow-cpu"):
        try:
            return f"{package} {metadata.version(package)}"
        except metadata.PackageNotFoundError:
            continue
    return ""
