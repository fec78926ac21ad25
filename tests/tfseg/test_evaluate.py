import json
import re

import pytest

from tests.tfseg import entry_points, perturbed_truth
from tfseg.structures.thresholds import Thresholds


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged")
    content, results = perturbed_truth.make(20, 3, seed=2)
    (folder / "truth.json").write_text(json.dumps(content))
    (folder / "detections.json").write_text(json.dumps(results))
    return folder


def evaluate(folder, *arguments):
    done = entry_points.run("tfseg.evaluate", folder, *arguments)
    return done.returncode, done.stdout + done.stderr


def test_anyones_results_are_judged(folder):
    Thresholds({"kind 1": 0.9}, 0.3).save(folder / "thresholds.json")

    returncode, printed = evaluate(
        folder,
        "--results_path=detections.json",
        "--ground_truth_path=truth.json",
        "--thresholds_path=thresholds.json",
        "--output_dir=out",
    )

    assert returncode == 0, printed
    assert "matterport/mAP50" in printed and "lost_AP50/missed" in printed
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    for prefix in ("box", "mask"):
        for name in ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs"):
            assert 0 <= metrics[f"{prefix}/{name}"] <= 1
            assert f"{prefix}/{name}/kind 3" in metrics
    lost = sum(value for key, value in metrics.items() if key.startswith("lost_AP50/"))
    assert lost == pytest.approx(1 - metrics["mask/AP50"], abs=1e-5)
    assert metrics["shown/recall/kind 1"] < metrics["shown/recall/kind 2"]
    assert metrics["name"] == "detections.json" and metrics["split"] == "truth.json"
    written = json.loads((folder / "out" / "detections.json").read_text())
    assert written == json.loads((folder / "detections.json").read_text())


def test_boxes_alone_are_judged_by_their_boxes(folder):
    results = json.loads((folder / "detections.json").read_text())
    boxes = [{k: v for k, v in result.items() if k != "segmentation"} for result in results]
    (folder / "boxes.json").write_text(json.dumps(boxes))

    returncode, printed = evaluate(
        folder,
        "--results_path=boxes.json",
        "--ground_truth_path=truth.json",
        "--metrics_path=boxes_metrics.json",
    )

    assert returncode == 0, printed
    metrics = json.loads((folder / "boxes_metrics.json").read_text())
    assert metrics["mask/AP"] is None
    lost = sum(value for key, value in metrics.items() if key.startswith("lost_AP50/"))
    assert lost == pytest.approx(1 - metrics["box/AP50"], abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "give one of --model, --model_dir, --saved_model and --results_path"),
        (
            ("--results_path=detections.json", "--model_dir=m"),
            "give one of --model, --model_dir, --saved_model and --results_path",
        ),
        (("--results_path=detections.json",), "give --data_dir, .* or --ground_truth_path"),
        (("--model_dir=m", "--ground_truth_path=truth.json"), "together with --results_path"),
        (("--saved_model=m", "--data_dir=nowhere"), "nowhere: no such folder"),
        (
            ("--saved_model=m", "--data_dir=d", "--checkpoint_path=c"),
            "--checkpoint_path goes with --model_dir alone",
        ),
        (
            ("--saved_model=m", "--data_dir=d", "--input_size=96x64"),
            "--input_size goes with --model_dir and --model",
        ),
        (
            ("--results_path=truth.json", "--ground_truth_path=truth.json"),
            "truth.json: a json dict, expected a list",
        ),
    ],
)
def test_flags_that_do_not_fit_say_so_in_a_line(folder, arguments, expected):
    returncode, printed = evaluate(folder, *arguments)

    assert returncode == 1
    assert printed.startswith("error: ") and printed.count("\n") == 1
    assert re.search(expected, printed)
