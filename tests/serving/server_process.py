"""The embedded server as a process of its own."""

import os
from pathlib import Path

from tests import forked

REPOSITORY = Path(__file__).parents[2]


def start_server(*arguments, **environment):
    """Starts the embedded server with its output readable line by line."""
    return forked.Process("serving.server", *arguments, env={**os.environ, **environment})
