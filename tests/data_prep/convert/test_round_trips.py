import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_prep.convert.run import ConversionOptions, convert
from tests.data_prep.convert import drawn_labels

REPO_DIR = Path(__file__).resolve().parents[3]


@pytest.fixture
def photos_dir(tmp_path):
    return drawn_labels.write_photos(tmp_path / "photos")


@pytest.fixture
def coco_path(tmp_path):
    return drawn_labels.write_coco(tmp_path / "source.json")


def there_and_back(tmp_path, photos_dir, coco_path, target, masks_as="source"):
    """Converts to a format and back; the first report and the json that came back."""
    there, back = tmp_path / f"there_{target}", tmp_path / "back.json"
    if target in ("coco", "label_studio"):
        there = there.with_suffix(".json")
    elif target == "cvat_xml":
        there = there.with_suffix(".xml")
    is_folder = target == "yolo_seg"
    options = ConversionOptions(photos_dir, masks_as, copies_photos=is_folder)
    report = convert("coco", coco_path, target, there, options)
    back_options = ConversionOptions(None if is_folder else photos_dir)
    second = convert(target, there, "coco", back, back_options)
    assert second.left_out == {}
    return report, back


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, labels in expected.items():
        assert [category for category, _ in found[name]] == [category for category, _ in labels]
        for (_, got), (category, mask) in zip(found[name], labels, strict=True):
            np.testing.assert_array_equal(got, mask, f"{category} of {name}")


@pytest.mark.parametrize("target", ["coco", "cvat_xml", "labelme"])
def test_round_trip_keeps_every_pixel(tmp_path, photos_dir, coco_path, target):
    report, back = there_and_back(tmp_path, photos_dir, coco_path, target)

    assert report.lines() == []
    assert_same(drawn_labels.coco_masks(back), drawn_labels.garments())


def test_round_trip_through_label_studio_keeps_every_pixel(tmp_path, photos_dir, coco_path):
    """A photo without garments stays: its size is the file's, which a task does not say."""
    report, back = there_and_back(tmp_path, photos_dir, coco_path, "label_studio")

    assert report.lines() == []
    assert_same(drawn_labels.coco_masks(back), drawn_labels.garments())


@pytest.mark.parametrize("target", ["coco", "cvat_xml", "labelme", "label_studio", "yolo_seg"])
def test_polygons_tell_what_they_lose(tmp_path, photos_dir, target):
    coco_path = drawn_labels.write_coco(tmp_path / "source.json", without=("bag",))
    report, back = there_and_back(tmp_path, photos_dir, coco_path, target, "polygons")

    assert len(report.polygon_ious) == 3
    assert "polygons: 3 masks, IoU with the masks they are of: mean 0.9" in report.lines()[-1]
    ious = []
    for name, labels in drawn_labels.coco_masks(back).items():
        name = name.removeprefix("images/")
        wanted = [(c, m) for c, m in drawn_labels.garments()[name] if c != "bag"]
        assert [c for c, _ in labels] == [c for c, _ in wanted]
        ious += [
            (got & mask).sum() / (got | mask).sum()
            for (_, got), (_, mask) in zip(labels, wanted, strict=True)
        ]
    assert ious == pytest.approx(report.polygon_ious)
    assert min(ious) > 0.93


@pytest.mark.parametrize("target", ["cvat_xml", "labelme", "label_studio", "yolo_seg"])
def test_polygons_stay_the_polygons_that_were_drawn(tmp_path, photos_dir, target):
    polygon = [3.25, 4.5, 60.125, 9.0, 41.0, 70.75]
    coco_path = drawn_labels.write_coco(tmp_path / "source.json", without=drawn_labels.CATEGORIES)
    text = coco_path.read_text()
    annotation = f'{{"id": 1, "image_id": 1, "category_id": 2, "segmentation": [{polygon}]}}'
    coco_path.write_text(text.replace('"annotations": []', f'"annotations": [{annotation}]'))

    report, back = there_and_back(tmp_path, photos_dir, coco_path, target)

    assert report.polygon_ious == [1.0]
    assert f'"segmentation": [{polygon}]' in back.read_text()


def test_command_converts_and_tells(tmp_path, photos_dir, coco_path):
    arguments = ["--from=coco", str(coco_path), "--to=yolo_seg", str(tmp_path / "yolo")]

    ended = subprocess.run(
        [sys.executable, "-m", "data_prep.convert", *arguments, f"--photos_dir={photos_dir}"],
        cwd=REPO_DIR,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"{tmp_path}/yolo: 3 photos, 5 masks\n"
    assert "polygons: 5 masks, IoU with the masks they are of: mean 0." in ended.stderr
    labels = tmp_path / "yolo" / "labels"
    assert len((labels / "dress/red one.txt").read_text().splitlines()) == 3
    assert (labels / "top/plain.txt").read_text() == ""
