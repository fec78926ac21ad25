"""What an exported model is and how good it is: the card that travels inside the export."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from tfseg.io.atomic_files import write_whole

_HEADLINES = ("box/AP", "box/AP50", "mask/AP", "mask/AP50")


def read_metrics(metrics_path: str | Path | None, model_dir: str | Path) -> dict | None:
    """Reads what tfseg.evaluate wrote.

    Args:
        metrics_path: The file; None looks for metrics.json in model_dir.
        model_dir: Folder written by tfseg.train.

    Returns:
        The metrics; None where metrics_path is None and model_dir has none.

    Raises:
        ValueError: The file is missing or holds no metrics.
    """
    path = Path(metrics_path) if metrics_path else Path(model_dir) / "metrics.json"
    if not metrics_path and not path.is_file():
        return None
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"--metrics_path={path}: cannot be read as json ({error}); give a file that "
            "tfseg.evaluate wrote."
        ) from None
    if not isinstance(metrics, dict) or not any(name in metrics for name in _HEADLINES):
        raise ValueError(
            f"--metrics_path={path}: holds none of {', '.join(_HEADLINES)}; give a file that "
            "tfseg.evaluate wrote."
        )
    return metrics


def model_card(trained, module, metrics: Mapping | None, thresholds_text: str) -> dict:
    """Collects the facts of a model.

    Args:
        trained: trained_model.TrainedModel.
        module: Its serving_module.ServingModule.
        metrics: As of read_metrics.
        thresholds_text: What the score thresholds were tuned for, or "set by hand".

    Returns:
        What json can hold; no path of this machine.
    """
    task, trainer = trained.params.task, trained.params.trainer
    num_weights = sum(int(weight.shape.num_elements()) for weight in trained.model.weights)
    by_name = dict(zip(module.category_names, module.score_thresholds, strict=True))
    said_from = dict(zip(module.attribute_names, module.attribute_thresholds, strict=True))
    return {
        "task": "instance segmentation of garments in photos",
        "model": {
            "kind": "Mask R-CNN",
            "backbone": _backbone_name(task.model.backbone),
            "input_size_hw": list(module.input_size_hw),
            "num_weights": num_weights,
            "detection_head": task.model.detection_head.as_dict(),
            "mask_head": task.model.mask_head.as_dict(),
        },
        "recipe": {
            "trained_steps": trained.step,
            "planned_steps": trainer.train_steps,
            "global_batch_size": task.train_data.global_batch_size,
            "num_train_examples": task.train_data.num_examples,
        },
        "data": {
            "shards": Path(task.train_data.input_path.split(",")[0]).name,
            "fingerprint": task.data_fingerprint,
            "category_names": list(module.category_names),
            "attribute_names": list(module.attribute_names),
        },
        "serving": {
            "score_thresholds": {name: round(value, 6) for name, value in by_name.items()},
            "score_thresholds_of": thresholds_text,
            "attribute_thresholds": {name: round(v, 6) for name, v in said_from.items()},
            "num_proposals": module.num_proposals,
            "nms_iou": module.nms_iou,
            "max_pixels": module.max_pixels,
        },
        "metrics": dict(metrics) if metrics else None,
    }


def _backbone_name(backbone) -> str:
    """Such as ResNet-50 or EfficientNet-b0, of official.vision.configs.backbones.Backbone."""
    known = {"resnet": "ResNet", "efficientnet": "EfficientNet", "mobilenet": "MobileNet"}
    kind = known.get(backbone.type, backbone.type)
    return f"{kind}-{getattr(backbone.get(), 'model_id', '')}".rstrip("-")


def write_card(card: Mapping, extras_dir: Path) -> None:
    """Writes model_card.json and, for people, model_card.md."""
    write_whole(extras_dir / "model_card.json", json.dumps(card, indent=1) + "\n", "the model card")
    write_whole(extras_dir / "model_card.md", card_text(card), "the model card")


def card_text(card: Mapping) -> str:
    """Writes the card for people, as Markdown."""
    model, recipe, data, serving = (card[k] for k in ("model", "recipe", "data", "serving"))
    height, width = model["input_size_hw"]
    thresholds = ", ".join(f"{k} {v:g}" for k, v in serving["score_thresholds"].items())
    lines = [
        "# Model card",
        f"Finds garments in photos: {', '.join(data['category_names'])}.",
        "",
        "| fact | value |",
        "|---|---|",
        f"| model | {model['kind']}, {model['backbone']}, {model['num_weights']:,} weights |",
        f"| input | photos of any size, fitted into {width} x {height} pixels |",
        f"| trained | {recipe['trained_steps']:,} of {recipe['planned_steps']:,} steps of "
        f"{recipe['global_batch_size']} photos, from {recipe['num_train_examples']:,} photos |",
        f"| data | {data['shards']}, fingerprint {data['fingerprint'][:16]} |",
        f"| score thresholds ({serving['score_thresholds_of']}) | {thresholds} |",
        f"| second non-maximum suppression | {serving['nms_iou'] or 'none'} |",
        f"| proposals | at most {serving['num_proposals']} |",
        f"| refuses | photos above {serving['max_pixels']:,} pixels |",
        *_attribute_lines(card),
        "",
        "## Metrics",
    ]
    metrics = card["metrics"]
    if not metrics:
        return "\n".join([*lines, "Not evaluated when it was exported.", ""])
    lines += [
        f"Split {metrics.get('split', 'not stated')}, step {metrics.get('step', 'not stated')}, "
        "percent.",
        "",
        "| metric | value |",
        "|---|---|",
    ]
    return "\n".join(
        [*lines, *(f"| {name} | {100 * metrics[name]:.1f} |" for name in _of_all(metrics)), ""]
    )


def _attribute_lines(card: Mapping) -> list[str]:
    """The table of attributes; none where the model knows none, as all did of older cards."""
    said_from = card["serving"].get("attribute_thresholds")
    if not said_from:
        return []
    metrics = card["metrics"] or {}

    def figure(kind: str, name: str) -> str:
        value = metrics.get(f"attributes/{kind}/{name}")
        if not isinstance(value, int | float) or math.isnan(value):
            return "-"
        return f"{100 * value:.1f}"

    return [
        "",
        "## Attributes",
        f"Says of each garment which of {len(said_from)} attributes it has, from these scores on. "
        "AP and F1 are of garments that were found, percent; - is not measured.",
        "",
        "| attribute | said from | AP | F1 |",
        "|---|---|---|---|",
        *(
            f"| {name} | {value:g} | {figure('AP', name)} | {figure('F1', name)} |"
            for name, value in said_from.items()
        ),
    ]


def _of_all(metrics: Mapping) -> list[str]:
    """The metrics of all categories: their keys have one slash, those of a category have more."""
    return [
        key
        for key, value in metrics.items()
        if key.count("/") == 1
        and isinstance(value, int | float)
        and not key.startswith("lost_AP50/")  # of the report: what AP50 is lost to
    ]
