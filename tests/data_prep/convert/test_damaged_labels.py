"""One damaged shape or photo in each format is counted and named, the rest converted; no mask at
all is an error."""

import json
import re

import pytest

from data_prep.convert.annotation_formats import format_of
from data_prep.convert.run import ConversionOptions, convert
from tests.data_prep.raw_modanet import draw_jpeg

NUM_GOOD = 20
SQUARE = [[0, 0], [4, 0], [4, 3], [0, 3]]  # pixels of 8 x 6


def write_cvat(folder, damage):
    good = '<polygon label="top" points="0,0;4,0;4,3;0,3"/>'
    shape = '<mask label="top" rle="1, 2" left="0" top="0" width="3" height="2"/>'
    images = [("a.jpg", "8", good * NUM_GOOD)] + [(f"{n}.jpg", "8", "") for n in range(NUM_GOOD)]
    if damage == "shape":
        images[3] = ("2.jpg", "8", shape)
    elif damage == "photo":
        images[3] = ("2.jpg", "wide", good)
    path = folder / "annotations.xml"
    text = "".join(f'<image name="{n}" width="{w}" height="6">{s}</image>' for n, w, s in images)
    path.write_text(f"<annotations><version>1.1</version>{text}</annotations>")
    return path


def write_labelme(folder, damage):
    good = {"label": "top", "points": SQUARE, "shape_type": "polygon"}
    known = {"imageHeight": 6, "imageWidth": 8}
    for name in ("a", *range(NUM_GOOD)):
        shapes = [good] * NUM_GOOD if name == "a" else []
        if damage == "shape" and name == 2:
            shapes = [{"label": "top", "shape_type": "mask", "points": [[0, 0], [1, 1]]}]
        content = json.dumps({**known, "imagePath": f"{name}.jpg", "shapes": shapes})
        is_cut = damage == "photo" and name == 2
        (folder / f"{name}.json").write_text(content[:-9] if is_cut else content)
    return folder


def write_label_studio(folder, damage):
    known = {"original_width": 8, "original_height": 6, "type": "polygonlabels"}
    points = [[x * 100 / 8, y * 100 / 6] for x, y in SQUARE]
    good = {**known, "value": {"points": points, "polygonlabels": ["top"]}}
    bad = {**known, "value": {"rle": [0, 0], "brushlabels": ["top"]}, "type": "brushlabels"}
    results = {"a.jpg": [good] * NUM_GOOD, **{f"{n}.jpg": [] for n in range(NUM_GOOD)}}
    if damage == "shape":
        results["2.jpg"] = [bad]
    elif damage == "photo":
        results["2.jpg"] = [good, {**good, "original_width": 9}]
    tasks = [
        {"id": i, "data": {"image": name}, "annotations": [{"result": result}]}
        for i, (name, result) in enumerate(results.items())
    ]
    for name in results:
        (folder / name).write_bytes(draw_jpeg(8, 6))
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks))
    return path


def write_yolo(folder, damage):
    for name in ("images", "labels"):
        (folder / name).mkdir()
    good = "0 0 0 0.5 0 0.5 0.5 0 0.5\n"
    for name in ("a", *range(NUM_GOOD)):
        (folder / f"images/{name}.jpg").write_bytes(draw_jpeg(8, 6))
        (folder / f"labels/{name}.txt").write_text(good * NUM_GOOD if name == "a" else "")
    if damage == "shape":
        (folder / "labels/2.txt").write_text("0 0 x 1 0 1 1\n")
    elif damage == "photo":
        (folder / "images/2.jpg").write_bytes(b"<html>")
    (folder / "data.yaml").write_text("names: [top]\n")
    return folder


WRITERS = {
    "cvat_xml": write_cvat,
    "labelme": write_labelme,
    "label_studio": write_label_studio,
    "yolo_seg": write_yolo,
}
each_format = pytest.mark.parametrize("source", WRITERS)


def to_coco(source, path, tmp_path, max_bad_percent=5.0):
    options = ConversionOptions(max_bad_percent=max_bad_percent)
    out = tmp_path / "out.json"
    return convert(source, path, "coco", out, options), json.loads(out.read_text())


@each_format
def test_one_damaged_shape_is_counted_and_named(tmp_path, source):
    folder = tmp_path / "labels"
    folder.mkdir()
    path = WRITERS[source](folder, "shape")

    report, coco = to_coco(source, path, tmp_path)

    assert len(coco["annotations"]) == NUM_GOOD
    assert len(coco["images"]) == NUM_GOOD + 1
    assert report.left_out == {"malformed_shape": 1}
    (line,) = [line for line in report.lines() if line.startswith("left out: ")]
    assert re.search(r"1 malformed_shape, such as of (images/)?2\.jpg \(.+\)", line)


@each_format
def test_one_damaged_photo_is_counted_and_named(tmp_path, source):
    folder = tmp_path / "labels"
    folder.mkdir()
    path = WRITERS[source](folder, "photo")

    report, coco = to_coco(source, path, tmp_path)

    assert len(coco["annotations"]) == len(coco["images"]) == NUM_GOOD
    assert report.left_out == {"malformed_entry_of_a_photo": 1}
    assert re.search(r"such as of (images/)?2\.(jpg|json) \(.+\)", "\n".join(report.lines()))


@each_format
@pytest.mark.parametrize(("damage", "what"), [("shape", "annotations"), ("photo", "photos")])
def test_more_damage_than_allowed_is_refused(tmp_path, source, damage, what):
    folder = tmp_path / "labels"
    folder.mkdir()
    path = WRITERS[source](folder, damage)
    with pytest.raises(ValueError, match=rf"1 of 21 {what} cannot be used, more than 2 %: .*2\.j"):
        to_coco(source, path, tmp_path, max_bad_percent=2)
    assert not (tmp_path / "out.json").exists()


def test_reasons_name_a_few_photos(tmp_path):
    polygons = '<polygon label="top" points="0,0;2"/>'
    images = "".join(
        f'<image name="{n}.jpg" width="8" height="6">{polygons}</image>' for n in range(9)
    )
    path = tmp_path / "annotations.xml"
    path.write_text(f"<annotations>{images}</annotations>")
    with pytest.raises(ValueError, match=r"9 malformed_shape, such as of 0\.jpg .*, 2\.jpg [^3]*$"):
        to_coco("cvat_xml", path, tmp_path)


def test_no_mask_at_all_is_an_error(tmp_path):
    path = tmp_path / "annotations.xml"
    box = '<box label="top" xtl="1" ytl="1" xbr="3" ybr="3"/>'
    image = '<image name="a.jpg" width="8" height="6">{}</image>'
    path.write_text(f"<annotations>{image.format(box)}</annotations>")
    with pytest.raises(ValueError, match="no mask to write; read as CVAT.* 1 photo") as refused:
        to_coco("cvat_xml", path, tmp_path)
    assert "1 box_is_no_mask, such as of a.jpg" in str(refused.value)
    assert "export masks or polygons" in str(refused.value)

    path.write_text(f"<annotations>{image.format('')}</annotations>")
    with pytest.raises(ValueError, match=r"1 photo without garments \(nothing was left out\)"):
        to_coco("cvat_xml", path, tmp_path)
    path.write_text("<annotations></annotations>")
    with pytest.raises(ValueError, match="no mask to write; .* 0 photos"):
        to_coco("cvat_xml", path, tmp_path)
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("given", [".", "obj.names", "obj.data"])
def test_yolo_1_1_of_cvat_is_told_what_to_export(tmp_path, given):
    folder = tmp_path / "export"
    (folder / "obj_train_data").mkdir(parents=True)
    (folder / "obj.names").write_text("top\nshoe\n")
    (folder / "obj.data").write_text("classes = 2\ntrain = data/train.txt\nnames = data/obj.names")
    (folder / "train.txt").write_text("data/obj_train_data/a.jpg\n")
    (folder / "obj_train_data/a.jpg").write_bytes(draw_jpeg(8, 6))
    (folder / "obj_train_data/a.txt").write_text("0 0.5 0.5 0.2 0.2\n")

    assert format_of(folder / given) == "yolo_seg"
    with pytest.raises(ValueError, match=r"CVAT's 'YOLO 1\.1'.*'CVAT for images 1\.1'"):
        to_coco("yolo_seg", folder / given, tmp_path)


def test_label_studio_photo_without_garments_needs_no_size(tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    path = write_label_studio(folder, None)
    for photo in folder.glob("*.jpg"):
        photo.unlink()

    report, coco = to_coco("label_studio", path, tmp_path)

    assert [image["file_name"] for image in coco["images"]] == ["a.jpg"]
    assert report.left_out == {"photo_without_garments_of_unknown_size": NUM_GOOD}


def test_json_min_of_label_studio_is_told_what_to_export(tmp_path):
    value = {"points": SQUARE, "polygonlabels": ["top"], "original_width": 8}
    row = {"image": "a.jpg", "id": 1, "label": [value], "annotator": 1, "annotation_id": 1}
    path = tmp_path / "min.json"
    for rows in ([row], [{"image": "a.jpg", "label": [value]}]):
        path.write_text(json.dumps(rows))
        assert format_of(path) == "label_studio"
        with pytest.raises(ValueError, match=r"min\.json: Label Studio's JSON-MIN.*choose 'JSON'"):
            to_coco("label_studio", path, tmp_path)
