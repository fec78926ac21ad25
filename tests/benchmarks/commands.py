"""The project's commands as benchmarks of trainings run them: stopped, they go on."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

from data_prep.prepared import open_prepared


def run(module: str, *args: str) -> None:
    """Runs one of the project's commands; what it says goes to stderr."""
    subprocess.run([sys.executable, "-m", module, *args], check=True, stdout=sys.stderr)


def is_prepared(data_dir: Path) -> bool:
    """Whether a data set has been built there, to the end."""
    with contextlib.suppress(ValueError):
        open_prepared(str(data_dir))
        return True
    return False


def train(
    folder: Path,
    data_dir: Path,
    start: str,
    *overrides: str,
    recipe: str,
    seed: int,
    trainer: str = "tfseg.train",
) -> None:
    """Trains into folder/model, or goes on.

    Args:
        folder: Of the training.
        data_dir: The data set.
        start: The flag of tfseg.train that names the start.
        overrides: Of the recipe's params.
        recipe: Its flagfile.
        seed: Of the training.
        trainer: The module to run, in place of tfseg.train.
    """
    params = (f"--params_override={one}" for one in overrides)
    where = (f"--data_dir={data_dir}", f"--model_dir={folder / 'model'}")
    run(trainer, f"--flagfile={recipe}", start, f"--seed={seed}", *where, *params)


def train_and_judge(folder: Path, data_dir: Path, start: str, *overrides: str, **how) -> dict:
    """Trains into folder/model and judges on val, each once; returns the metrics.

    Args:
        folder, data_dir, start, overrides, how: As train's.
    """
    if not _metrics_path(folder).exists():
        train(folder, data_dir, start, *overrides, **how)
    return judge(folder, data_dir, f"--model_dir={folder / 'model'}")


def _metrics_path(folder: Path) -> Path:
    return folder / "evaluation" / "metrics.json"


def judge(folder: Path, data_dir: Path, model: str) -> dict:
    """Evaluates on val into folder/evaluation, once; returns the metrics.

    Args:
        folder: Of the training.
        data_dir: The data set.
        model: The flag of tfseg.evaluate that names the model.
    """
    metrics = _metrics_path(folder)
    if not metrics.exists():
        run("tfseg.evaluate", model, f"--data_dir={data_dir}", f"--output_dir={metrics.parent}")
    return json.loads(metrics.read_text())
