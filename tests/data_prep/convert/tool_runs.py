"""Runs the annotation tools' own packages, each in an environment that has it.

ANNOTATION_TOOL_PYTHONS names interpreters; tool_scripts/README.md says how to make them.
"""

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPTS_DIR = Path(__file__).parent / "tool_scripts"
_CHECK = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"


@functools.cache
def interpreter(package: str) -> str | None:
    """An interpreter that has a package; this one where it does."""
    others = os.environ.get("ANNOTATION_TOOL_PYTHONS", "").split(":")
    for python in (sys.executable, *filter(None, others)):
        if subprocess.run([python, "-c", _CHECK, package], check=False).returncode == 0:
            return python
    return None


def run_tool(package: str, script: str, *arguments: object) -> None:
    """Runs one of tool_scripts; skips the test where no interpreter has the package."""
    python = interpreter(package)
    if python is None:
        pytest.skip(f"needs {package}: tool_scripts/README.md says how to install it")
    ended = subprocess.run(
        [python, str(_SCRIPTS_DIR / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-3000:]
