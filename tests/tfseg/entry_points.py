"""Runs an entry point as a user does, in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]


def run(module, folder, *arguments):
    """Runs python -m module in a folder; returns subprocess.CompletedProcess, streams as text."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(_REPOSITORY)},
    )
