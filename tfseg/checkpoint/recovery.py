"""Checkpoints of a training: the last good one, the best one, and what damage and full disks do."""

import errno
import shutil
from pathlib import Path

import tensorflow as tf

from tfseg.io.atomic_files import write_whole

BEST_DIR = "best"
_BEST_BEFORE = f"{BEST_DIR}.before"
_STEP_KEY = "global_step/.ATTRIBUTES/VARIABLE_VALUE"


def saved_steps(model_dir: str) -> list[int]:
    """The steps of the checkpoints in a folder, ascending, whole or not."""
    names = [path.stem for path in Path(model_dir).glob("ckpt-*.index")]
    return sorted(int(name[5:]) for name in names if name[5:].isdigit())


def damage(checkpoint_path: str) -> str | None:
    """Reads every tensor of a checkpoint, which checks their sums; returns what is wrong, or None.

    Args:
        checkpoint_path: Its prefix.
    """
    try:
        reader = tf.train.load_checkpoint(checkpoint_path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
        step = int(reader.get_tensor(_STEP_KEY))
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        return str(error).splitlines()[0]
    expected = int(checkpoint_path.rsplit("-", 1)[1])
    return None if step == expected else f"holds step {step}"


def recover(model_dir: str) -> tuple[int, list[str]]:
    """Makes the last good checkpoint the one that a training goes on from.

    Damaged ones, as a full disk or a machine that lost its power leave them, are put aside into
    model_dir/damaged. Remains of a save that was killed are removed.

    Args:
        model_dir: Folder of a training; may be missing.

    Returns:
        The step of the last good checkpoint, 0 where there is none; and a line for each that was
        put aside.

    Raises:
        ValueError: There are checkpoints and every one is damaged.
    """
    folder = Path(model_dir)
    recover_best(model_dir)
    for remains in folder.glob("ckpt-*.tempstate*"):
        remains.unlink()
    steps, notes = saved_steps(model_dir), []
    while steps:
        prefix = folder / f"ckpt-{steps[-1]}"
        problem = damage(str(prefix))
        if problem is None:
            break
        notes.append(f"{prefix}: a damaged checkpoint, put aside ({problem})")
        (folder / "damaged").mkdir(exist_ok=True)
        for path in folder.glob(f"{prefix.name}.*"):
            path.replace(folder / "damaged" / path.name)
        steps.pop()
    if not steps:
        if notes:
            raise ValueError(
                "\n".join([*notes, f"--model_dir={model_dir}: no whole checkpoint is left."])
                + " Start anew with another --model_dir."
            )
        return 0, []
    if tf.train.latest_checkpoint(model_dir) != str(folder / f"ckpt-{steps[-1]}"):
        write_state(folder, steps)
    return steps[-1], notes


def write_state(folder: str | Path, steps: list[int]) -> None:
    """Writes the file that tells TensorFlow which checkpoints there are; the last is the latest."""
    lines = [f'model_checkpoint_path: "ckpt-{steps[-1]}"']
    lines += [f'all_model_checkpoint_paths: "ckpt-{step}"' for step in steps]
    write_whole(
        Path(folder) / "checkpoint", "\n".join(lines) + "\n", "the checkpoint state", sync=True
    )


def keep_best(model_dir: str, checkpoint_path: str, metrics_json: str, params_path: Path) -> None:
    """Copies a checkpoint into model_dir/best, in the place of the one that was there.

    The folder can be used as a model_dir of its own. A whole one exists at every moment
    (recover_best).

    Args:
        model_dir: Folder of the training.
        checkpoint_path: Prefix of the checkpoint, in model_dir.
        metrics_json: What it reached; becomes best/metrics.json.
        params_path: Becomes best/params.yaml.
    """
    best, fresh = Path(model_dir) / BEST_DIR, Path(model_dir) / f"{BEST_DIR}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    prefix = Path(checkpoint_path)
    for path in prefix.parent.glob(f"{prefix.name}.*"):
        shutil.copy(path, fresh / path.name)
    shutil.copy(params_path, fresh / params_path.name)
    (fresh / "metrics.json").write_text(metrics_json, encoding="utf-8")
    write_state(fresh, [int(prefix.name.removeprefix("ckpt-"))])
    aside = best.with_name(_BEST_BEFORE)
    shutil.rmtree(aside, ignore_errors=True)
    if best.exists():
        best.replace(aside)
    fresh.replace(best)
    shutil.rmtree(aside, ignore_errors=True)


def recover_best(model_dir: str) -> None:
    """Puts model_dir/best back where keep_best was killed between putting it aside and replacing
    it."""
    best, aside = Path(model_dir) / BEST_DIR, Path(model_dir) / _BEST_BEFORE
    if aside.exists() and not best.exists():
        aside.replace(best)


def is_full_disk(error: BaseException) -> bool:
    """Whether an error says that a disk or a quota is full."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    words = ("No space left", "Disk quota exceeded", "File too large")
    return isinstance(error, tf.errors.OpError) and any(word in str(error) for word in words)


def num_bytes(params, num_values: int) -> int:
    """Bytes that the checkpoints of a training take in all.

    Args:
        params: ExperimentConfig.
        num_values: Values of the model's weights.
    """
    optimizer = params.trainer.optimizer_config
    copies = 1 + (2 if "adam" in optimizer.optimizer.type else 1) + bool(optimizer.ema)
    kept = params.trainer.max_to_keep + 1 + (2 if params.trainer.validation_interval > 0 else 0)
    return 4 * num_values * copies * kept
