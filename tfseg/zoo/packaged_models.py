"""The models that come with the package, and the SavedModels made of them on first use.

A model is a folder tfseg/zoo/<name>/ with params.yaml (what builds it), weights.safetensors,
thresholds.json, metrics.json and model_card.md. Its SavedModel follows from these and from the code
that exports, so it is not shipped: it is made on the user's machine, once, in the cache folder.
"""

import contextlib
import functools
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import filelock

from tfseg.io import child_process, user_cache

DEFAULT_MODEL = "fashion_lite"
WEIGHTS_FILE = "weights.safetensors"
_FOLDER = Path(__file__).parent
_SILENT_S = 0.5  # a wait that needs no word
_EXPORTING = ("configs", "modeling", "ops", "inference")  # what the graph is made by


def names() -> tuple[str, ...]:
    """The models there are."""
    return tuple(sorted(path.parent.name for path in _FOLDER.glob(f"*/{WEIGHTS_FILE}")))


def folder(name: str | os.PathLike) -> Path | None:
    """The folder of a model by its name; None where there is none, or a folder of the user's."""
    name = str(name)
    if name not in names() or Path(name).is_dir():
        return None
    return _FOLDER / name


@functools.cache
def saved_model(name: str = DEFAULT_MODEL) -> Path:
    """Returns the folder of a model's numbered SavedModel versions, made where it is missing.

    Several processes may ask at once: one makes it, the others wait. It is made anew when the
    model's files, the code that exports it or TensorFlow's version are others.

    Raises:
        ValueError: There is no such model, or it cannot be made.
    """
    source = folder(name)
    if source is None:
        raise ValueError(f"no model {name!r} in the box; there are: {', '.join(names())}.")
    versions_dir = user_cache.cache_dir() / f"{name}-{_digest(source)}"
    if _is_there(versions_dir):
        return versions_dir
    try:
        versions_dir.parent.mkdir(parents=True, exist_ok=True)
        with _in_turn(versions_dir):
            if not _is_there(versions_dir):
                _make(name, versions_dir)
    except OSError as error:
        raise ValueError(
            f"{versions_dir}: cannot keep the model there ({error.strerror}); set "
            f"{user_cache.VARIABLE} to a folder that can be written."
        ) from None
    return versions_dir


def _is_there(versions_dir: Path) -> bool:
    return (versions_dir / "1" / "saved_model.pb").is_file()  # an export appears whole


@contextlib.contextmanager
def _in_turn(versions_dir: Path) -> Iterator[None]:
    """Waits for others that make the same SavedModel, and says so."""
    lock = filelock.FileLock(f"{versions_dir}.lock")
    try:
        lock.acquire(timeout=_SILENT_S)
    except filelock.Timeout:
        print(f"waiting for another process that makes {versions_dir} ...", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _make(name: str, versions_dir: Path) -> None:
    print(f"making the SavedModel of {name}, once, in {versions_dir} ...", file=sys.stderr)
    command = [sys.executable, "-m", "tfseg.export", f"--model={name}"]
    done = subprocess.run(
        [*command, f"--export_dir={versions_dir}"],
        env=child_process.environment(),
        capture_output=True,
        text=True,
    )
    if done.returncode or not _is_there(versions_dir):
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        advice = "; pip install 'tfseg[train]' brings it" if "No module named" in reason else ""
        raise ValueError(f"the SavedModel of {name} cannot be made: {reason}{advice}")


def _digest(source: Path) -> str:
    """Names what the SavedModel follows from: the model's files, our code, TensorFlow's version."""
    digest = hashlib.sha256(user_cache.tensorflow_version().encode())
    code = (path for folder in _EXPORTING for path in (_FOLDER.parent / folder).rglob("*.py"))
    for path in (*sorted(source.iterdir()), *sorted(code), _FOLDER.parent / "export.py"):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
