"""Runs an entry point as a user does, in a folder of its own."""

import os
from pathlib import Path

from tests import forked

_REPOSITORY = Path(__file__).parents[2]


def run(module, folder, *arguments):
    """Runs python -m module in a folder; returns subprocess.CompletedProcess, streams as text."""
    env = {**os.environ, "PYTHONPATH": str(_REPOSITORY)}
    return forked.run(module, *arguments, cwd=folder, env=env, timeout=300)
