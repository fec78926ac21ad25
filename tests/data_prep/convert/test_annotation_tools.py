"""What we write, the tools' own packages read; what they write, we read."""

import shutil

import numpy as np
import pytest

from data_prep.convert.run import ConversionOptions, convert
from tests.data_prep.convert import drawn_labels
from tests.data_prep.convert.tool_runs import run_tool

# Datumaro and supervision write polygons of their own tracing, through pixels' centres: they lose
# half a pixel all around. This is the least IoU of the drawn garments, which are small.
TRACED_IOU = 0.75


@pytest.fixture
def photos_dir(tmp_path):
    return drawn_labels.write_photos(tmp_path / "photos")


@pytest.fixture
def coco_path(tmp_path):
    return drawn_labels.write_coco(tmp_path / "source.json")


def ours(source, source_path, target, target_path, photos_dir=None, masks_as="source", **more):
    options = ConversionOptions(photos_dir, masks_as, **more)
    report = convert(source, source_path, target, target_path, options)
    assert not {"photo_not_found", "unknown_category", "malformed_rle"} & set(report.noted)
    return report


def assert_ious(found, least, without=()):
    """Each garment is there, its mask at least so alike."""
    for name, labels in drawn_labels.garments().items():
        wanted = [(category, mask) for category, mask in labels if category not in without]
        got = [label for label in found[name] if label[0] not in without]
        assert sorted(c for c, _ in got) == sorted(c for c, _ in wanted)
        for category, mask in wanted:
            (other,) = [m for c, m in got if c == category]
            iou = (mask & other).sum() / (mask | other).sum()
            assert iou >= least, f"{category} of {name}: {iou}"


def named(path, photos_dir, source, tmp_path):
    """Reads a tool's answer; photos by their own names, whatever it made of them."""
    back = tmp_path / f"back_{path.name}.json"
    ours(source, path, "coco", back, photos_dir)
    return drawn_labels.coco_masks(back)


def test_datumaro_reads_our_coco_and_we_read_its_cvat_xml(tmp_path, photos_dir, coco_path):
    raw = tmp_path / "dm"
    (raw / "annotations").mkdir(parents=True)
    ours("coco", coco_path, "coco", raw / "annotations/instances_default.json", photos_dir)
    shutil.copytree(photos_dir, raw / "images/default")

    out = tmp_path / "cvat"
    run_tool("datumaro", "datumaro_convert.py", raw, "coco_instances", out, "cvat")

    assert_ious(named(out, photos_dir, "cvat_xml", tmp_path), 1.0)


@pytest.mark.parametrize("stream", [(), ("stream",)])
def test_datumaro_writes_coco_that_we_read(tmp_path, photos_dir, coco_path, stream):
    raw = tmp_path / "dm"
    (raw / "annotations").mkdir(parents=True)
    ours("coco", coco_path, "coco", raw / "annotations/instances_default.json", photos_dir)
    shutil.copytree(photos_dir, raw / "images/default")

    out = tmp_path / "coco"
    formats = "coco_instances", out, "coco_instances"
    run_tool("datumaro", "datumaro_convert.py", raw, *formats, *stream)

    assert_ious(named(out, photos_dir, "coco", tmp_path), TRACED_IOU, without=("bag",))


def test_datumaro_reads_our_cvat_xml(tmp_path, photos_dir, coco_path):
    raw = tmp_path / "cvat"
    raw.mkdir()
    ours("coco", coco_path, "cvat_xml", raw / "annotations.xml", photos_dir)
    shutil.copytree(photos_dir, raw / "images")

    out = tmp_path / "again"
    run_tool("datumaro", "datumaro_convert.py", raw, "cvat", out, "cvat")

    assert_ious(named(out, photos_dir, "cvat_xml", tmp_path), 1.0)


def test_label_studio_reads_our_brush_masks_and_we_read_its(tmp_path, photos_dir, coco_path):
    tasks, out = tmp_path / "tasks.json", tmp_path / "ls"
    ours("coco", coco_path, "label_studio", tasks, photos_dir)

    config = tmp_path / "tasks.label_config.xml"
    run_tool("label_studio_sdk", "label_studio_export.py", tasks, config, out)

    alphas = np.load(out / "masks.npz")
    wanted = [mask for labels in drawn_labels.garments().values() for _, mask in labels]
    for alpha, mask in zip(alphas.values(), wanted, strict=True):
        np.testing.assert_array_equal(alpha, mask * 255)
    assert_ious(named(out / "tasks.json", photos_dir, "label_studio", tmp_path), 1.0)


def test_label_studio_exports_our_polygons_as_coco(tmp_path, photos_dir, coco_path):
    tasks, out = tmp_path / "tasks.json", tmp_path / "ls"
    ours("coco", coco_path, "label_studio", tasks, photos_dir, "polygons")

    config = tmp_path / "tasks.label_config.xml"
    run_tool("label_studio_sdk", "label_studio_export.py", tasks, config, out)

    found = named(out / "coco/result.json", photos_dir, "coco", tmp_path)
    found.setdefault("top/plain.jpg", [])
    assert_ious(found, 0.93, without=("bag",))


def test_label_studios_converter_reads_our_coco_polygons(tmp_path, photos_dir, coco_path):
    """It takes the first polygon of a garment alone, and puts addresses before the names."""
    polygons, tasks = tmp_path / "polygons.json", tmp_path / "tasks.json"
    ours("coco", coco_path, "coco", polygons, photos_dir, "one_polygon")

    run_tool("label_studio_converter", "label_studio_import.py", polygons, tasks)

    found = named(tasks, photos_dir, "label_studio", tmp_path)
    assert_ious(found, 0.93, without=("bag",))


def test_labelme_draws_our_masks_and_we_read_what_it_saves(tmp_path, photos_dir, coco_path):
    out = tmp_path / "labelme"
    ours("coco", coco_path, "labelme", out, photos_dir, copies_photos=True)
    for name in drawn_labels.SIZES_HW:
        path = (out / name).with_suffix(".json")
        run_tool("labelme", "labelme_masks.py", path, tmp_path / "masks.npz", path)
        wanted = [mask for _, mask in drawn_labels.garments()[name]]
        drawn = np.load(tmp_path / "masks.npz")
        for got, mask in zip(drawn.values(), wanted, strict=True):
            np.testing.assert_array_equal(got, mask == 1)

    assert_ious(named(out, photos_dir, "labelme", tmp_path), 1.0)


def test_labelme_draws_our_polygons(tmp_path, photos_dir, coco_path):
    """It draws the pixels under the outline too: half a pixel more all around."""
    out = tmp_path / "labelme"
    ours("coco", coco_path, "labelme", out, photos_dir, "polygons")
    path = (out / "dress/red one.jpg").with_suffix(".json")

    run_tool("labelme", "labelme_masks.py", path, tmp_path / "masks.npz", tmp_path / "out.json")

    dress = drawn_labels.garments()["dress/red one.jpg"][0][1] == 1
    drawn = np.load(tmp_path / "masks.npz")
    parts = [mask for key, mask in drawn.items() if key.endswith("dress")]
    whole = np.any(parts, axis=0)
    assert (whole & dress).sum() / (whole | dress).sum() > 0.85
    assert len({key.split()[1] for key in drawn if key.endswith("dress")}) == 1


def test_supervision_reads_our_coco_and_we_read_its(tmp_path, photos_dir, coco_path):
    ours("coco", coco_path, "coco", tmp_path / "ours.json", photos_dir, "rle")
    out = tmp_path / "sv"
    run_tool(
        "supervision", "supervision_convert.py", "coco", photos_dir, tmp_path / "ours.json", out
    )

    wanted = [mask for labels in drawn_labels.garments().values() for _, mask in labels]
    masks_read = np.load(out / "masks.npz")
    for got, mask in zip(masks_read.values(), wanted, strict=True):
        np.testing.assert_array_equal(got, mask == 1)
    assert_ious(
        named(out / "coco/labels.json", photos_dir, "coco", tmp_path), TRACED_IOU, without=("bag",)
    )


def test_supervision_reads_our_yolo_and_we_read_its(tmp_path, photos_dir):
    coco_path = drawn_labels.write_coco(tmp_path / "source.json", without=("bag",))
    yolo, out = tmp_path / "yolo", tmp_path / "sv"
    ours("coco", coco_path, "yolo_seg", yolo, photos_dir, copies_photos=True)

    for folder in ("dress", "top"):
        images, texts = yolo / "images" / folder, yolo / "labels" / folder
        run_tool(
            "supervision", "supervision_convert.py", "yolo", images, texts, out / folder,
            yolo / "data.yaml",
        )  # fmt: skip

    read = [m for folder in ("dress", "top") for m in np.load(out / folder / "masks.npz").values()]
    wanted = [m for labels in drawn_labels.garments().values() for c, m in labels if c != "bag"]
    for got, mask in zip(read, wanted, strict=True):
        assert (got & (mask == 1)).sum() / (got | (mask == 1)).sum() > TRACED_IOU
    found = named(out / "top/yolo", photos_dir / "top", "yolo_seg", tmp_path)
    ((category, mask),) = found["b.jpg"]
    wanted_mask = drawn_labels.garments()["top/b.jpg"][0][1]
    assert category == "top & <more>"
    assert (mask & wanted_mask).sum() / (mask | wanted_mask).sum() > TRACED_IOU


@pytest.mark.parametrize("target", ["coco", "cvat_xml"])
def test_fiftyone_reads_ours_and_we_read_its_coco(tmp_path, photos_dir, coco_path, target):
    labels = tmp_path / ("ours.json" if target == "coco" else "ours.xml")
    masks_as = "source" if target == "coco" else "one_polygon"
    ours("coco", coco_path, target, labels, photos_dir, masks_as)

    out = tmp_path / "fiftyone"

    run_tool("fiftyone", "fiftyone_convert.py", photos_dir, labels, target, out)

    found = named(out, photos_dir, "coco", tmp_path)
    assert_ious(found, TRACED_IOU, without=("bag",))
