"""Draws, prepares, trains two steps, evaluates, exports, serves and asks, as a user would."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
import yaml
from pycocotools import mask as coco_mask

from data_prep import prepared
from tests import forked

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[1]
TINY = [
    "--params_override=task.model.input_size=[64,64,3]",
    "--params_override=task.train_data.global_batch_size=2",
    # Two steps teach nothing: let every guess through, so that there is something to serve.
    "--params_override=task.model.detection_generator.pre_nms_score_threshold=0.0",
    "--params_override=task.model.detection_generator.max_num_detections=5",
    "--params_override=trainer.steps_per_loop=1",
    "--params_override=trainer.summary_interval=1",
    "--params_override=trainer.checkpoint_interval=1",
]


QUIET = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


def run(module, *arguments):
    """Runs an entry point; returns its exit code and all it printed."""
    done = forked.run(module, *arguments, env=QUIET, merged=True)
    return done.returncode, done.stdout


def must_run(module, *arguments):
    returncode, printed = run(module, *arguments)
    assert returncode == 0, printed
    return printed


def wait_until(condition, process, timeout_s=300):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def prepared_dir(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    must_run("data_prep.sample.draw", f"--out_dir={root}/raw", "--num_images=24", "--seed=1")
    must_run(
        "data_prep.build_tfrecords",
        "--dataset=modanet",
        f"--raw_dir={root}/raw",
        f"--data_dir={root}/prepared",
        "--val_percent=30",
        "--max_bad_percent=20",
    )
    return root / "prepared"


@pytest.fixture(scope="module")
def model_dir(prepared_dir):
    model_dir = prepared_dir.parent / "model"
    must_run(
        "tfseg.train",
        "--flagfile=configs/demo.flags",
        f"--data_dir={prepared_dir}",
        f"--model_dir={model_dir}",
        "--params_override=trainer.train_steps=2",
        *TINY,
    )
    return model_dir


@pytest.fixture(scope="module")
def export_dir(model_dir):
    export_dir = model_dir.parent / "export"
    must_run(
        "tfseg.export",
        f"--model_dir={model_dir}",
        f"--export_dir={export_dir}",
        "--score_threshold=0.0",
    )
    return export_dir


def test_an_export_fits_photos_into_the_size_asked_for(model_dir, tmp_path):
    must_run(
        "tfseg.export",
        f"--model_dir={model_dir}",
        f"--export_dir={tmp_path}",
        "--input_size=192x128",
    )

    extras = tmp_path / "1" / "assets.extra"
    card = json.loads((extras / "model_card.json").read_text())
    assert card["model"]["input_size_hw"] == [192, 128]
    params = yaml.safe_load((extras / "params.yaml").read_text())
    assert params["task"]["model"]["input_size"] == [192, 128, 3]


def test_a_stopped_training_is_saved_and_goes_on(prepared_dir, tmp_path):
    model_dir = tmp_path / "model"
    resnet = "--params_override=task.model.backbone.type=resnet"  # built sooner than EfficientNet
    arguments = ["--flagfile=configs/demo.flags", f"--data_dir={prepared_dir}", *TINY, resnet]
    training = subprocess.Popen(
        [sys.executable, "-m", "tfseg.train", f"--model_dir={model_dir}", *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_until(lambda: (model_dir / "ckpt-1.index").is_file(), training)
        training.send_signal(signal.SIGTERM)
        printed = training.communicate(timeout=120)[0]
    finally:
        training.kill()

    assert training.returncode == 130, printed
    step = int(re.search(r"interrupted, saved at step (\d+)", printed)[1])
    assert (model_dir / f"ckpt-{step}.index").is_file()

    further = ["tfseg.train", f"--model_dir={model_dir}", *arguments]
    further.append(f"--params_override=trainer.train_steps={step + 1}")
    assert f"going on from step {step} of {step + 1}" in must_run(*further)
    assert list((model_dir / "train").glob("events.out.tfevents.*"))
    assert f"already trained for {step + 1} of {step + 1} steps" in must_run(*further)


@pytest.fixture(scope="module")
def evaluated_dir(prepared_dir, model_dir):
    """What tfseg.evaluate wrote of the val split."""
    output_dir = model_dir.parent / "evaluated"
    printed = must_run(
        "tfseg.evaluate",
        f"--model_dir={model_dir}",
        f"--data_dir={prepared_dir}",
        "--split=val",
        f"--metrics_path={output_dir}/metrics.json",
        f"--detections_path={output_dir}/detections.json",
    )
    assert "mask AP50" in printed
    return output_dir


def test_evaluation_writes_all_metrics(evaluated_dir):
    metrics = json.loads((evaluated_dir / "metrics.json").read_text())
    assert metrics["split"] == "val"
    for key in ("box/AP", "box/AP50", "mask/AP", "mask/AP50"):
        assert 0 <= metrics[key] <= 1
    assert {"mask/AP50/bag", "mask/AP50/scarf/tie", "box/AP/footwear"} <= metrics.keys()


def test_evaluation_of_an_unknown_split_names_those_there_are(prepared_dir, model_dir):
    returncode, printed = run(
        "tfseg.evaluate", f"--model_dir={model_dir}", f"--data_dir={prepared_dir}", "--split=night"
    )

    assert returncode == 1
    assert "no split 'night'" in printed
    assert "train, val" in printed
    assert "Traceback" not in printed


def assert_equal_detections(found, expected):
    """Two COCO results lists of one photo: the same garments, boxes and, but for a pixel, masks."""
    assert [one["category_name"] for one in found] == [one["category_name"] for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["score"] == pytest.approx(other["score"], abs=1e-3)
        assert one["bbox"] == pytest.approx(other["bbox"], abs=0.1)
        masks = [coco_mask.decode(result["segmentation"]) for result in (one, other)]
        assert (masks[0] != masks[1]).sum() <= 0.002 * masks[0].size


def test_a_served_model_answers_as_evaluation_does(
    prepared_dir, export_dir, evaluated_dir, tmp_path
):
    must_run(
        "data_prep.extract_photos",
        f"--data_dir={prepared_dir}",
        "--split=val",
        f"--output_dir={tmp_path}/photos",
    )
    photos = sorted((tmp_path / "photos").glob("*.jpg"))[:2]
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not a photo")
    server = subprocess.Popen(
        [sys.executable, "-m", "serving.server", "--model_name=fashion", "--port=0"]
        + [f"--model_base_path={export_dir}"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        ready = server.stdout.readline()
        assert ready.startswith("serving fashion version 1 at 127.0.0.1:")
        returncode, printed = run(
            "serving.client",
            f"--server={ready.split()[-1]}",
            "--model_name=fashion",
            f"--output_dir={tmp_path}/out",
            "--score_threshold=0.05",
            *map(str, photos),
            str(broken),
        )
    finally:
        server.terminate()
        server.wait(timeout=30)

    assert returncode == 1, printed  # one of the photos is broken, the others are done
    assert "broken.jpg" in printed
    assert len(photos) == 2
    detections = json.loads((tmp_path / "out" / "detections.json").read_text())
    sizes = {path.name: cv2.imread(str(path)).shape[:2] for path in photos}
    assert {detection["image_id"] for detection in detections} == {0, 1}
    for detection in detections:
        assert tuple(detection["segmentation"]["size"]) == sizes[Path(detection["file_name"]).name]
    assert all((tmp_path / "out" / path.name).is_file() for path in photos)
    names = json.loads(prepared.open_prepared(prepared_dir).ground_truth_path("val").read_text())
    names = {image["id"]: Path(image["file_name"]).name for image in names["images"]}
    evaluated = json.loads((evaluated_dir / "detections.json").read_text())
    for path in photos:
        assert_equal_detections(
            [one for one in detections if one["file_name"] == path.name],
            [one for one in evaluated if names[one["image_id"]] == path.name],
        )
