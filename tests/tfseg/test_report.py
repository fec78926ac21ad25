import json

import cv2
import numpy as np
import pytest

from tfseg import report

METRICS = {
    "step": 7,
    "split": "val",
    "box/AP": 0.5,
    "box/AP50": 0.75,
    "mask/AP": 0.25,
    "mask/AP50": 0.625,
    "box/AP/bag": 0.5,
    "box/AP50/bag": 0.75,
    "mask/AP/bag": 0.25,
    "mask/AP50/bag": 0.625,
    "box/AP/scarf/tie": None,
    "box/AP50/scarf/tie": None,
    "mask/AP/scarf/tie": None,
    "mask/AP50/scarf/tie": None,
}


@pytest.fixture
def pictures_dir(tmp_path):
    directory = tmp_path / "pictures"
    directory.mkdir()
    cv2.imwrite(str(directory / "one.jpg"), np.full((8, 6, 3), 200, np.uint8))
    found = [{"file_name": "photos/one.jpg", "category_name": "<bag>", "score": 0.876}]
    (directory / "detections.json").write_text(json.dumps(found))
    return directory


def test_metrics_table_shows_percent_and_a_dash_for_no_ground_truth():
    table = report.metrics_table(METRICS)

    all_row, bag_row, scarf_row = table.split("<tr>")[2:]
    assert "<td>50.0</td><td>75.0</td><td>25.0</td><td>62.5</td>" in all_row
    assert "<td>bag</td><td>50.0</td>" in bag_row
    assert "<td>scarf/tie</td><td>-</td><td>-</td><td>-</td><td>-</td>" in scarf_row


def test_loss_curve_places_the_first_and_last_point():
    svg = report.loss_curve_svg({"model_loss": [(0, 2.0), (10, 1.0)]})

    assert '<polyline points="44.0,12.0 744.0,137.0"' in svg
    assert "all losses" in svg


def test_loss_curve_without_points_is_empty():
    assert report.loss_curve_svg({}) == ""


def test_read_losses_keeps_the_last_value_of_a_repeated_step(tmp_path):
    import tensorflow as tf

    for losses in ([3.0, 2.0], [1.5]):
        with tf.summary.create_file_writer(str(tmp_path / "train")).as_default():
            for index, loss in enumerate(losses):
                tf.summary.scalar(
                    "model_loss", loss, step=20 if len(losses) == 1 else 10 + 10 * index
                )

    assert report.read_losses(str(tmp_path)) == {"model_loss": [(10, 3.0), (20, 1.5)]}


def test_picture_figures_name_what_was_found_escaped(pictures_dir):
    figures = report.picture_figures(str(pictures_dir))

    assert "&lt;bag&gt; 0.88" in figures
    assert 'src="data:image/jpeg;base64,/9j/' in figures


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[{"file_name": "a.jpg", "score": 0.5}]', "detection 0 has no category_name"),
        ('["a.jpg"]', "detection 0 has no file_name, category_name, score"),
        ("{}", "expected a json list"),
        ("[", "not valid json"),
    ],
)
def test_picture_figures_of_other_json_name_the_file(pictures_dir, content, expected):
    (pictures_dir / "detections.json").write_text(content)

    with pytest.raises(ValueError, match=rf"detections\.json: {expected}"):
        report.picture_figures(str(pictures_dir))


def test_picture_without_detections_says_so(pictures_dir):
    (pictures_dir / "detections.json").write_text("[]")

    assert "<figcaption>nothing found</figcaption>" in report.picture_figures(str(pictures_dir))


def test_metrics_table_escapes_names():
    table = report.metrics_table({"box/AP": 0.5, "mask/AP50/<b>": 0.5})

    assert "<td>&lt;b&gt;</td>" in table


def test_write_report_needs_no_other_file(tmp_path, pictures_dir):
    metrics_path = tmp_path / "metrics.json"
    metrics_path.write_text(json.dumps(METRICS))
    (tmp_path / "model" / "train").mkdir(parents=True)
    output_path = tmp_path / "out" / "index.html"

    report.write_report(
        str(metrics_path), str(tmp_path / "model"), str(pictures_dir), str(output_path), "A & B"
    )

    page = output_path.read_text()
    assert "<h1>A &amp; B</h1>" in page
    assert "http" not in page
    assert "url(" not in page
    assert "(step 7)" in page


def test_write_report_of_other_json_names_the_file(tmp_path, pictures_dir):
    metrics_path = tmp_path / "other.json"
    metrics_path.write_text('{"box/AP": 1}')

    with pytest.raises(ValueError, match=r"other\.json: no box/AP50, mask/AP, mask/AP50"):
        report.write_report(str(metrics_path), "", str(pictures_dir), str(tmp_path / "x"), "t")


def test_write_report_without_pictures_says_what_to_run(tmp_path):
    (tmp_path / "detections.json").write_text("[]")

    with pytest.raises(ValueError, match=r"no \*\.jpg; run serving\.client"):
        report.picture_figures(str(tmp_path))
