"""What the report shows of a training beside its metrics: losses, and pictures that were served."""

import base64
import json
from pathlib import Path

from markupsafe import Markup
from PIL import Image

from tfseg.reporting.charts import curve_chart
from tfseg.reporting.templates import render

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
    # Its files are named by the clock, and read in that order: where the clock was set back, what
    # comes after a later step is not what replaced it.
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}, purge_orphaned_data=False)
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
    return curve_chart(metrics, "step", "AP50 on the val split, percent")


def loss_chart(losses: dict[str, list[tuple[int, float]]]) -> str:
    """Draws loss curves by step; empty where there is no point."""
    named = {_LOSS_NAMES.get(name, name): curve for name, curve in losses.items()}
    return curve_chart(named, "step", "loss")


def training_charts(model_dir: str) -> Markup:
    """Draws the losses of a training and, where it was evaluated, its AP50.

    Raises:
        ValueError: There are no losses.
    """
    losses, metrics = loss_chart(read_losses(model_dir)), metric_chart(read_metrics(model_dir))
    return render("training", losses=losses, metrics=metrics)


def picture_figures(pictures_dir: str) -> Markup:
    """Inlines the pictures of pictures_dir, each with what was found (detections.json).

    Raises:
        ValueError: There are no pictures, one is damaged, or detections.json is missing or not
            serving.client's.
    """
    found = _read_found(Path(pictures_dir) / "detections.json")
    pictures = []
    for path in sorted(Path(pictures_dir).glob("*.jpg")):
        detections = sorted(found.get(path.stem, []), key=lambda d: -d["score"])
        listed = ", ".join(f"{d['category_name']} {d['score']:.2f}" for d in detections)
        try:
            with Image.open(path) as image:
                width, height = image.size
        except OSError as error:
            raise ValueError(
                f"{path}: not a picture ({error}); run serving.client again."
            ) from None
        uri = f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"
        found_text = listed or "nothing found"
        pictures.append(
            {"uri": uri, "width": width, "height": height, "name": path.name, "found": found_text}
        )
    if not pictures:
        raise ValueError(f"--pictures_dir={pictures_dir}: no *.jpg; run serving.client first.")
    return render("served_pictures", pictures=pictures)


def _read_found(path: Path) -> dict[str, list[dict]]:
    """Reads serving.client's detections.json, by the photos' names without their endings."""
    found: dict[str, list[dict]] = {}
    for index, detection in enumerate(_read_json(path, list)):
        keys = detection.keys() if isinstance(detection, dict) else ()
        missing = [key for key in ("file_name", "category_name", "score") if key not in keys]
        if missing:
            raise ValueError(
                f"{path}: detection {index} has no {', '.join(missing)}; expected "
                "serving.client's file, run it again."
            )
        found.setdefault(Path(detection["file_name"]).stem, []).append(detection)
    return found


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
