"""What the report shows of a training beside its metrics: losses, and pictures that were served."""

import base64
import html
import json
from pathlib import Path

from tfseg.reporting.charts import curve_chart

_LOSS_NAMES = {"model_loss": "all losses", "mask_loss": "mask loss"}


def read_losses(model_dir: str) -> dict[str, list[tuple[int, float]]]:
    """Reads the training losses from model_dir's TensorBoard summaries.

    Returns:
        (step, loss) points by name, `model_loss` and `mask_loss`, in the order of the steps; a
        step that was trained again after an interruption counts once, as it was last.

    Raises:
        ValueError: There are none.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    folder = Path(model_dir) / "train"
    if not folder.is_dir():
        raise ValueError(f"--training_dir={model_dir}: no train/ in it; expected a --model_dir.")
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    losses = {}
    for name in ("model_loss", "mask_loss"):
        if name in events.Tags()["tensors"]:
            points = {e.step: float(make_ndarray(e.tensor_proto)) for e in events.Tensors(name)}
            losses[name] = sorted(points.items())
    return losses


def read_metrics(model_dir: str) -> dict[str, list[tuple[int, float]]]:
    """Reads what the val split's photos gave during training.

    Returns:
        (step, percent) points by name, AP50 of boxes and masks; empty where nothing was evaluated.
    """
    from tfseg.evaluation.history import read_history

    history = read_history(model_dir)
    return {
        name: [(line["step"], 100 * line[key]) for line in history if line.get(key) is not None]
        for name, key in (("box AP50", "box/AP50"), ("mask AP50", "mask/AP50"))
    }


def metric_chart(metrics: dict[str, list[tuple[int, float]]]) -> str:
    """Draws AP50 by step; empty where there is no point."""
    return _chart(metrics, "AP50 on the val split, percent")


def loss_chart(losses: dict[str, list[tuple[int, float]]]) -> str:
    """Draws loss curves by step; empty where there is no point."""
    named = {_LOSS_NAMES.get(name, name): curve for name, curve in losses.items()}
    return _chart(named, "loss")


def _chart(curves: dict[str, list[tuple[int, float]]], title: str) -> str:
    chart = curve_chart(curves, "step", title)
    return f'<div style="max-width:760px">{chart}</div>' if chart else ""


def picture_figures(pictures_dir: str) -> str:
    """Inlines the pictures of pictures_dir, each with what was found (detections.json).

    Raises:
        ValueError: There are no pictures, or detections.json is missing or not serving.client's.
    """
    found = {}
    detections_path = Path(pictures_dir) / "detections.json"
    for index, detection in enumerate(_read_json(detections_path, list)):
        keys = detection.keys() if isinstance(detection, dict) else ()
        missing = [key for key in ("file_name", "category_name", "score") if key not in keys]
        if missing:
            raise ValueError(
                f"{detections_path}: detection {index} has no {', '.join(missing)}; expected "
                "serving.client's file, run it again."
            )
        found.setdefault(Path(detection["file_name"]).stem, []).append(detection)
    figures = []
    for path in sorted(Path(pictures_dir).glob("*.jpg")):
        detections = sorted(found.get(path.stem, []), key=lambda d: -d["score"])
        listed = ", ".join(f"{d['category_name']} {d['score']:.2f}" for d in detections)
        caption = html.escape(listed or "nothing found")
        encoded = base64.b64encode(path.read_bytes()).decode()
        figures.append(
            f'<figure><img src="data:image/jpeg;base64,{encoded}" alt="{html.escape(path.name)}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    if not figures:
        raise ValueError(f"--pictures_dir={pictures_dir}: no *.jpg; run serving.client first.")
    return f'<div class="photos">{"".join(figures)}</div>'


def _read_json(path: Path, expected_type: type):
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be read ({error.strerror}); run the command that writes it first."
        ) from None
    except ValueError as error:
        raise ValueError(f"{path}: not valid json ({error}).") from None
    if not isinstance(content, expected_type):
        raise ValueError(f"{path}: expected a json {expected_type.__name__}.")
    return content
