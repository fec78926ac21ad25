"""One self-contained HTML page of a training: pictures, metrics and loss curve.

python -m tfseg.report --metrics_path=metrics.json --model_dir=DIR --pictures_dir=DIR \
    --output_path=index.html

Opens from disk and needs no network. The pictures are those that serving.client wrote.
"""

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags

from tfseg import cli
from tfseg.whole_files import write_whole

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    flags.DEFINE_string("metrics_path", None, "Written by tfseg.evaluate.", required=True)
    flags.DEFINE_string("model_dir", None, "Folder written by tfseg.train.", required=True)
    flags.DEFINE_string("pictures_dir", None, "Folder written by serving.client.", required=True)
    flags.DEFINE_string("output_path", None, "The page.", required=True)
    flags.DEFINE_string("title", "Fashion instance segmentation", "Heading of the page.")


_COLUMNS = ("box/AP", "box/AP50", "mask/AP", "mask/AP50")
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --ink: #3b6fb6; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto;
  padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2.5rem }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 1rem }
figure { margin: 0 } figure img { width: 100%; border-radius: 6px; display: block }
figcaption { font-size: .8rem; opacity: .8; margin-top: .3rem }
.table { overflow-x: auto }
table { border-collapse: collapse } th, td { padding: .25rem .9rem; text-align: right }
th:first-child, td:first-child { text-align: left } tr { border-bottom: 1px solid var(--line) }
td.best { width: 9rem } .bar { height: .5rem; border-radius: 3px; background: var(--ink) }
svg { width: 100%; height: auto; max-width: 760px } svg text { font-size: 11px; fill: currentColor }
"""


def read_losses(model_dir: str) -> dict[str, list[tuple[int, float]]]:
    """Reads the training losses from model_dir's TensorBoard summaries.

    Returns:
        (step, loss) points by name, `model_loss` and `mask_loss`, in the order of the steps; a
        step that was trained again after an interruption counts once, as it was last.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(Path(model_dir) / "train"), size_guidance={"tensors": 0})
    events.Reload()
    losses = {}
    for name in ("model_loss", "mask_loss"):
        if name in events.Tags()["tensors"]:
            points = {e.step: float(make_ndarray(e.tensor_proto)) for e in events.Tensors(name)}
            losses[name] = sorted(points.items())
    return losses


def loss_curve_svg(losses: dict[str, Sequence[tuple[int, float]]]) -> str:
    """Draws loss curves as an inline SVG of 760 x 300 units; empty where there is no point."""
    points = [point for curve in losses.values() for point in curve]
    if not points:
        return ""
    left, top, width, height = 44, 12, 700, 250
    last_step = max(step for step, _ in points) or 1
    highest = max(loss for _, loss in points) or 1.0

    def place(step, loss):
        return f"{left + width * step / last_step:.1f},{top + height * (1 - loss / highest):.1f}"

    parts = ['<svg viewBox="0 0 760 300" role="img" aria-label="loss by step">']
    for tick in range(5):
        y, value = top + height * (1 - tick / 4), highest * tick / 4
        parts.append(
            f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8884"/>'
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>'
            f'<text x="{left + width * tick / 4:.1f}" y="{top + height + 16}" '
            f'text-anchor="middle">{round(last_step * tick / 4)}</text>'
        )
    for index, (name, curve) in enumerate(losses.items()):
        color = ("#3b6fb6", "#d1603d")[index % 2]
        line = " ".join(place(step, loss) for step, loss in curve)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        label = html.escape({"model_loss": "all losses", "mask_loss": "mask loss"}.get(name, name))
        x = left + width - 110
        parts.append(
            f'<rect x="{x}" y="{top + 6 + 18 * index}" width="12" height="4" fill="{color}"/>'
            f'<text x="{x + 18}" y="{top + 12 + 18 * index}">{label}</text>'
        )
    return "".join([*parts, "</svg>"])


def metrics_table(metrics: dict) -> str:
    """Lays out tfseg.evaluate's metrics: all categories, then each from the best mask AP50 down."""
    names = [key.removeprefix("mask/AP50/") for key in metrics if key.startswith("mask/AP50/")]
    names.sort(key=lambda name: -(metrics[f"mask/AP50/{name}"] or 0.0))
    rows = [
        "<tr><th></th><th>box AP</th><th>box AP50</th><th>mask AP</th><th>mask AP50</th>"
        "<th></th></tr>"
    ]
    for name in ["", *names]:
        values = [metrics.get(f"{column}/{name}" if name else column) for column in _COLUMNS]
        cells = "".join(f"<td>{'-' if v is None else f'{100 * v:.1f}'}</td>" for v in values)
        bar = f'<div class="bar" style="width:{100 * (values[-1] or 0):.0f}%"></div>'
        label = html.escape(name) if name else "<b>all</b>"
        rows.append(f'<tr><td>{label}</td>{cells}<td class="best">{bar}</td></tr>')
    return f'<div class="table"><table>{"".join(rows)}</table></div>'


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
    return f'<div class="pictures">{"".join(figures)}</div>'


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


def write_report(
    metrics_path: str, model_dir: str, pictures_dir: str, output_path: str, title: str
) -> None:
    """Writes the page, whole or not at all.

    Raises:
        ValueError: A file is missing or is not what it should be.
    """
    metrics = _read_json(Path(metrics_path), dict)
    missing = [column for column in _COLUMNS if column not in metrics]
    if missing:
        raise ValueError(
            f"{metrics_path}: no {', '.join(missing)}; expected tfseg.evaluate's file."
        )
    figures = picture_figures(pictures_dir)
    split = html.escape(str(metrics.get("split", "")))
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style><h1>{html.escape(title)}</h1>"
        "<h2>Garments found in photos the model has never seen</h2>"
        f"{figures}<h2>COCO metrics on the {split} split, percent "
        f"(step {metrics.get('step', '?')})</h2>{metrics_table(metrics)}"
        f"<h2>Training loss by step</h2>{loss_curve_svg(read_losses(model_dir))}</html>"
    )
    write_whole(output_path, page)


def main(argv) -> None:
    """Reads the flags and writes the page."""
    cli.refuse_arguments(argv)
    with cli.one_line_errors():
        write_report(
            FLAGS.metrics_path,
            FLAGS.model_dir,
            FLAGS.pictures_dir,
            FLAGS.output_path,
            FLAGS.title,
        )
        print(f"{FLAGS.output_path}: written")


if __name__ == "__main__":
    define_flags()
    app.run(main)
