"""A metric is defined in one place, and shows in every place."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tfseg import perturbed_truth
from tfseg.evaluation import coco_metrics
from tfseg.evaluation.evaluation_run import EvaluationRun
from tfseg.evaluation.metrics import METRICS, Metric, Shown, compute_metrics
from tfseg.inference import model_card
from tfseg.structures import thresholds

REPOSITORY = Path(__file__).parents[3]
# Registers a metric and runs an entry point, as one more Metric in the file of metrics would.
WITH_ONE_MORE = """
import sys
from absl import app
from tfseg.evaluation.metrics import METRICS, Metric, Shown
METRICS["mine/photos_found"] = Metric(
    "mine/photos_found", "photos <found>", "share of photos where a <detection> is",
    lambda run: sum(len(image.scores) > 0 for image in run.images) / len(run.images),
    lambda run: dict.fromkeys(run.category_names, 0.4321),
    shown=Shown.LIST | Shown.COMPARISON | Shown.CATEGORIES | Shown.CARD, card_note="mine & new",
)
from tfseg import {module}
{module}.define_flags()
app.run({module}.main)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics")
    content, results = perturbed_truth.make(12, 3, seed=3)
    kept = {image["id"] for image in content["images"][:9]}
    results = [result for result in results if result["image_id"] in kept]
    (folder / "truth.json").write_text(json.dumps(content))
    (folder / "now.json").write_text(json.dumps(results))
    (folder / "before.json").write_text(json.dumps(results[::2]))
    return folder


def run_with_one_more(module, folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", WITH_ONE_MORE.format(module=module), *arguments],
        cwd=folder, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_new_metric_is_printed_written_and_on_the_card(folder):
    printed = run_with_one_more(
        "evaluate", folder, "--results_path=now.json", "--ground_truth_path=truth.json",
        "--output_dir=judged",
    )  # fmt: skip

    line = r"^  75\.0  mine/photos_found +share of photos where a <detection> is$"
    assert re.search(line, printed, re.MULTILINE)
    metrics = json.loads((folder / "judged/metrics.json").read_text())
    assert metrics["mine/photos_found"] == 0.75
    assert metrics["mine/photos_found/kind 1"] == 0.4321
    facts = {
        "model": {"kind": "k", "backbone": "b", "num_weights": 1, "input_size_hw": [8, 8]},
        "recipe": dict.fromkeys(
            ("trained_steps", "planned_steps", "global_batch_size", "num_train_examples"), 1
        ),
        "data": {"shards": "s", "fingerprint": "f", "category_names": ["bag"]},
        "serving": {
            "score_thresholds": {"bag": 0.5}, "score_thresholds_of": "hand", "nms_iou": None,
            "num_proposals": 1, "max_pixels": 1,
        },
        "metrics": model_card.read_metrics(None, folder / "judged"),
    }  # fmt: skip
    text = model_card.card_text(facts)
    assert "| mine/photos_found | 75.0 |" in text
    assert "kind 1" not in text


def test_a_new_metric_is_in_the_report(folder):
    run_with_one_more(
        "report", folder, "--results_path=now.json", "--compare_with=before.json",
        "--ground_truth_path=truth.json", "--output_path=report.html",
    )  # fmt: skip

    page = (folder / "report.html").read_text()
    assert re.search(
        r'<div class="figure"><b>75\.0.*?</b>photos &lt;found&gt;<span>mine &amp; new</span>', page
    )
    assert "<tr><td>photos &lt;found&gt;</td><td>" in page
    assert "<th>photos &lt;found&gt;</th>" in page and page.count('data-value="0.432100"') == 3
    assert (
        "<dt>photos &lt;found&gt;: 75.0</dt>"
        "<dd>share of photos where a &lt;detection&gt; is</dd>" in page
    )


def test_metrics_of_a_run_are_those_that_their_modules_compute(folder):
    truth = coco_metrics.load_ground_truth(folder / "truth.json")
    results = json.loads((folder / "now.json").read_text())
    run = EvaluationRun("now", "truth", truth, results, thresholds.DEFAULT)

    values = compute_metrics(run)

    coco = coco_metrics.evaluate_coco(truth, results)
    assert {key: values[key] for key in coco} == pytest.approx(coco, nan_ok=True)
    rates = run.confusion.precision_recall_f1()
    assert values["shown/recall"] == pytest.approx(rates[-1, 1])
    assert values["shown/f1/kind 2"] == pytest.approx(rates[1, 2])


def test_every_metric_can_be_shown_where_it_says():
    for key, metric in METRICS.items():
        assert isinstance(metric, Metric) and key == metric.key
        assert re.fullmatch(r"[\w]+/[\w.]+", key)  # the card tells a category's by more slashes
        assert metric.label and metric.explanation
        assert (Shown.CARD not in metric.shown) or metric.card_note
        assert (Shown.CATEGORIES not in metric.shown) or metric.by_category
