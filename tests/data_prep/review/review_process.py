"""python -m data_prep.review as a process of its own."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_REPO_DIR = Path(__file__).resolve().parents[3]


@contextmanager
def reviewing(review_dir: Path, *flags: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """Serves a folder's page; gives the process and the page's address, which ends in "/".

    Raises:
        RuntimeError: The process ended before it said where; with what it said instead.
    """
    command = [sys.executable, "-m", "data_prep.review", f"--dir={review_dir}", "--port=0", *flags]
    process = subprocess.Popen(
        command,
        cwd=_REPO_DIR,
        stdout=subprocess.PIPE,
        text=True,
        # A shell's background job ignores it, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout
        found = (re.search(r"http://\S+", line) for line in process.stdout)
        url = next((match.group() for match in found if match), None)
        if url is None:
            raise RuntimeError(f"{' '.join(command)}: ended with {process.wait()}")
        yield process, url
    finally:
        process.kill()
        process.wait()
