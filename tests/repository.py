"""The files of the repository."""

import subprocess
from pathlib import Path

REPO_DIR = Path(__file__).resolve().parents[1]


def git_files(*patterns: str) -> list[str]:
    """Names of the files that git tracks, or would, as its patterns say."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=REPO_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.splitlines() if (REPO_DIR / name).is_file()]
