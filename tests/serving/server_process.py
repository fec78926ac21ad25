"""The embedded server as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def start_server(*arguments, **environment):
    """Starts the embedded server with its output readable line by line."""
    return subprocess.Popen(
        [sys.executable, "-m", "serving.server", *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
