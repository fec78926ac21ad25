"""The user's cache folder: what can be made again."""

import os
from pathlib import Path

import platformdirs

VARIABLE = "TFSEG_CACHE_DIR"


def cache_dir() -> Path:
    """Returns $TFSEG_CACHE_DIR, else the project's folder in the user's cache folder."""
    given = os.environ.get(VARIABLE)
    return Path(given).expanduser() if given else platformdirs.user_cache_path("tfseg")
