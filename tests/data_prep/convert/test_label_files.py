"""Small files by hand: what the readers make of what tools write, what they count or refuse."""

import json

import numpy as np
import pytest

from data_prep.convert.label_studio_masks import brush_from_mask, mask_from_brush
from data_prep.convert.run import ConversionOptions, convert
from tests.data_prep.raw_modanet import draw_jpeg

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><labels><label><name>top</name><attributes></attributes></label>
  <label><name>shoe</name></label></labels></task></meta>
  <image id="0" name="folder/a.jpg" width="8" height="6">{shapes}</image>
</annotations>
"""


def write_cvat(tmp_path, shapes):
    path = tmp_path / "annotations.xml"
    path.write_text(CVAT.format(shapes=shapes))
    return path


def to_coco(source, path, tmp_path, photos_dir=None, max_bad_percent=5.0):
    """The report and the json: its masks as 0/1 lists by pycocotools, its file names."""
    from pycocotools.coco import COCO

    out = tmp_path / "out.json"
    options = ConversionOptions(photos_dir, overwrite=True, max_bad_percent=max_bad_percent)
    report = convert(source, path, "coco", out, options)
    coco = COCO(str(out))
    found = [
        (coco.cats[a["category_id"]]["name"], coco.annToMask(a).tolist())
        for a in coco.anns.values()
    ]
    return report, found, [image["file_name"] for image in coco.imgs.values()]


def test_cvat_mask_runs_along_the_rows_of_its_box(tmp_path):
    path = write_cvat(
        tmp_path,
        '<mask label="top" source="manual" occluded="0" rle="1, 2, 2, 1" left="5" top="3" '
        'width="3" height="2" z_order="0"></mask>',
    )
    _, found, names = to_coco("cvat_xml", path, tmp_path)

    mask = np.zeros((6, 8), int)
    mask[3, 6] = mask[3, 7] = mask[4, 7] = 1
    assert found == [("top", mask.tolist())]
    assert names == ["folder/a.jpg"]


def test_cvat_group_is_one_garment_and_what_is_no_mask_is_counted(tmp_path):
    path = write_cvat(
        tmp_path,
        '<polygon label="shoe" points="0,0;2,0;2,2;0,2" group_id="3"/>'
        '<polygon label="shoe" points="4,0;6,0;6,2;4,2" group_id="3"/>'
        '<polygon label="shoe" points="4,3;6,3;6,5;4,5" group_id="0"/>'
        '<box label="top" xtl="1" ytl="1" xbr="3" ybr="3"/><ellipse label="top"/>',
    )
    report, found, _ = to_coco("cvat_xml", path, tmp_path)

    pair, single = np.zeros((6, 8), int), np.zeros((6, 8), int)
    pair[:2, :2] = pair[:2, 4:6] = 1
    single[3:5, 4:6] = 1
    assert found == [("shoe", pair.tolist()), ("shoe", single.tolist())]
    assert report.left_out == {"box_is_no_mask": 1, "ellipse_is_no_mask": 1}
    assert report.noted == {"shapes_of_a_group_joined": 1}
    assert "left out: 1 box_is_no_mask, such as of folder/a.jpg" in report.lines()


@pytest.mark.parametrize(
    ("shapes", "told"),
    [
        ('<mask label="top" rle="1, 2" left="0" top="0" width="3" height="2"/>', "runs of 3 pix"),
        (
            '<mask label="top" rle="6" left="0" top="0" width="x" height="2"/>',
            "<mask> of 'top': inv",
        ),
        ('<mask label="top" rle="6" left="0" top="0" width="900000" height="90"/>', "900000x90"),
        ('<polygon label="top" points="0,0;2"/>', "expected 'x,y;x,y;...'"),
        ("<polygon", "not XML"),
    ],
)
def test_damaged_cvat_is_refused_by_name(tmp_path, shapes, told):
    path = write_cvat(tmp_path, shapes)
    with pytest.raises(ValueError, match=told) as refused:
        to_coco("cvat_xml", path, tmp_path)
    assert str(path) in str(refused.value)
    assert not (tmp_path / "out.json").exists()


def test_cvat_of_an_unknown_encoding_is_refused(tmp_path):
    path = tmp_path / "annotations.xml"
    path.write_text('<?xml version="1.0" encoding="u-tf-8"?><annotations/>')
    with pytest.raises(ValueError, match=r"annotations.xml: not XML \(unknown encoding"):
        to_coco("cvat_xml", path, tmp_path)


def test_cvat_for_video_is_refused(tmp_path):
    path = tmp_path / "annotations.xml"
    path.write_text('<annotations><track id="0" label="top"></track></annotations>')
    with pytest.raises(ValueError, match="expected the one for images"):
        to_coco("cvat_xml", path, tmp_path)


def test_brush_of_label_studio_itself():
    """Bytes of label_studio_sdk 2.1.2's mask2rle of this mask."""
    mask = np.array([[0, 255, 255], [0, 0, 255]], np.uint8)
    rle = [0, 0, 0, 24, 57, 27, 252, 96, 19, 255, 206, 1, 31, 248]
    np.testing.assert_array_equal(mask_from_brush(rle, (2, 3)), mask // 255)


@pytest.mark.parametrize("size_hw", [(1, 1), (3, 70001), (200, 7)])
def test_brush_round_trip(size_hw):
    rng = np.random.default_rng(2)
    for mask in (np.zeros(size_hw), np.ones(size_hw), rng.random(size_hw) > 0.97):
        mask = mask.astype(np.uint8)
        np.testing.assert_array_equal(mask_from_brush(brush_from_mask(mask), size_hw), mask)


@pytest.mark.parametrize("cut", [0, 3, 8, -1])
def test_brush_cut_short_is_refused(cut):
    rle = brush_from_mask(np.eye(9, dtype=np.uint8))[:cut]
    with pytest.raises(ValueError, match="cut short"):
        mask_from_brush(rle, (9, 9))


def label_studio_task(name, result):
    return {"id": 1, "data": {"image": name}, "annotations": [{"result": result}]}


def region(value, kind):
    known = {"original_width": 8, "original_height": 6, "image_rotation": 0, "id": "r1"}
    return {**known, "type": kind, "value": value}


SQUARE = [[25, 50], [75, 50], [75, 100], [25, 100]]  # percent of 8 x 6: x 2..6, y 3..6


@pytest.mark.parametrize(
    "name",
    [
        "/data/upload/3/0a1b2c3d-a_photo.jpg",
        "/data/local-files/?d=shop%2Fa_photo.jpg",
        "s3://bucket/shop/a_photo.jpg",
        "C:\\photos\\a_photo.JPG",
        "https://shop.example/a_photo.jpg?width=600",
    ],
)
def test_label_studio_photo_is_found_whatever_its_name_became(tmp_path, name):
    photos_dir = tmp_path / "photos"
    (photos_dir / "shop").mkdir(parents=True)
    (photos_dir / "shop/a_photo.jpg").write_bytes(draw_jpeg(8, 6))
    value = {"points": SQUARE, "closed": True, "polygonlabels": ["top"]}
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([label_studio_task(name, [region(value, "polygonlabels")])]))

    report, found, names = to_coco("label_studio", path, tmp_path, photos_dir)

    mask = np.zeros((6, 8), int)
    mask[3:6, 2:6] = 1
    assert found == [("top", mask.tolist())]
    assert names == ["shop/a_photo.jpg"]
    assert report.left_out == report.noted == {}


def test_label_studio_takes_the_latest_annotation_and_counts_the_rest(tmp_path):
    old = region({"points": SQUARE, "polygonlabels": ["skirt"]}, "polygonlabels")
    new = region({"points": SQUARE, "polygonlabels": ["top"]}, "polygonlabels")
    box = region({"x": 1, "y": 1, "width": 9, "rectanglelabels": ["top"]}, "rectanglelabels")
    turned = region({"points": SQUARE, "polygonlabels": ["top"]}, "polygonlabels")
    turned["image_rotation"] = 90
    annotations = [
        {"result": [new, box, turned], "updated_at": "2026-05-02"},
        {"result": [old], "updated_at": "2026-05-01"},
        {"result": [old], "updated_at": "2026-05-03", "was_cancelled": True},
    ]
    tasks = [
        {"id": 1, "data": {"image": "a.jpg"}, "annotations": annotations},
        {"id": 2, "data": {"image": "b.jpg"}, "annotations": []},
        {"id": 3, "data": {"image": "c.jpg"}, "annotations": [annotations[2]]},
    ]
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps(tasks))

    report, found, names = to_coco("label_studio", path, tmp_path, max_bad_percent=50)

    assert ([category for category, _ in found], names) == (["top"], ["a.jpg"])
    assert report.left_out == {
        "rectanglelabels_is_no_mask": 1,
        "drawn_on_a_rotated_photo": 1,
        "task_not_annotated": 1,
        "task_skipped_by_its_annotator": 1,
    }
    assert report.noted == {"another_annotation_of_the_task_passed_over": 1}


def test_label_studio_region_that_comes_twice_is_one(tmp_path):
    """With <Polygon> and <Labels> apart, the shape and its names are two results of one id."""
    shape = region({"points": SQUARE, "closed": True}, "polygon")
    names = region({"points": SQUARE, "closed": True, "labels": ["top"]}, "labels")
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([label_studio_task("a.jpg", [shape, names])]))

    report, found, _ = to_coco("label_studio", path, tmp_path)

    assert [category for category, _ in found] == ["top"]
    assert report.left_out == {}


# labelme 6.3.1's own PNG of [[0, 1, 1], [0, 0, 1]]; its pixels are 0 and 1.
LABELME_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAC4HznGAAAAEElEQVR4nGNkYGRgYGBgBAAAFwAETLEJ3AAAAABJRU5E"
    "rkJggg=="
)


def test_labelme_mask_and_group(tmp_path):
    shape = {"flags": {}, "description": ""}
    pair = [[[0, 0], [2, 0], [2, 2], [0, 2]], [[4, 0], [6, 0], [6, 2], [4, 2]]]
    content = {
        "version": "6.3.1",
        "flags": {},
        "imagePath": "..\\photos\\a.jpg",
        "imageData": None,
        "imageHeight": 6,
        "imageWidth": 8,
        "shapes": [
            {**shape, "label": "shoe", "points": points, "shape_type": "polygon", "group_id": 1}
            for points in pair
        ]
        + [
            {
                **{**shape, "label": "top", "shape_type": "mask", "mask": LABELME_PNG},
                "points": [[5, 3], [7, 4]],
            },
            {**shape, "label": "top", "points": [[0, 0], [3, 3]], "shape_type": "rectangle"},
        ],
    }
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.json").write_text(json.dumps(content))

    report, found, names = to_coco("labelme", tmp_path / "labels", tmp_path)

    shoes, top = np.zeros((6, 8), int), np.zeros((6, 8), int)
    shoes[:2, :2] = shoes[:2, 4:6] = 1
    top[3, 6] = top[3, 7] = top[4, 7] = 1
    assert found == [("shoe", shoes.tolist()), ("top", top.tolist())]
    assert report.left_out == {"rectangle_is_no_mask": 1}
    assert names == ["a.jpg"]


def write_yolo(root, lines, names="{0: top, 1: shoe}"):
    for folder in ("train/images", "train/labels"):
        (root / folder).mkdir(parents=True)
    (root / "train/images/a.jpg").write_bytes(draw_jpeg(8, 6))
    (root / "train/images/plain.jpg").write_bytes(draw_jpeg(8, 6))
    (root / "train/labels/a.txt").write_text("\n".join(lines))
    (root / "train/labels/lost.txt").write_text("0 0 0 1 0 1 1")
    (root / "data.yaml").write_text(f"train: ../train/images\nnc: 2\nnames: {names}\n")
    return root


@pytest.mark.parametrize("names", ["{0: top, 1: shoe}", "[top, shoe]"])
def test_yolo_as_roboflow_lays_it_out(tmp_path, names):
    lines = ["1 0.25 0.5 0.75 0.5 0.75 1 0.25 1", "0 0.5 0.5 0.2 0.2", "0 0.5 0.5 0.7 0.7"]
    root = write_yolo(tmp_path / "yolo", lines, names)

    report, found, file_names = to_coco("yolo_seg", root, tmp_path, max_bad_percent=50)

    mask = np.zeros((6, 8), int)
    mask[3:6, 2:6] = 1
    assert found == [("shoe", mask.tolist())]
    assert file_names == ["train/images/a.jpg", "train/images/plain.jpg"]
    assert report.left_out == {"box_is_no_mask": 2, "txt_without_photo": 1}
    assert report.noted == {"photo_without_txt_taken_as_one_without_garments": 1}


@pytest.mark.parametrize("line", ["7 0 0 1 0 1 1", "0 0 x 1 0 1 1"])
def test_damaged_yolo_line_is_refused_by_file_and_line(tmp_path, line):
    root = write_yolo(tmp_path / "yolo", ["0 0 0 1 0 1 1", line])
    (root / "train/labels/lost.txt").unlink()
    with pytest.raises(ValueError, match=r"a\.txt, line 2: .*expected"):
        to_coco("yolo_seg", root, tmp_path)


def test_yolo_txt_that_is_no_text_is_named(tmp_path):
    root = write_yolo(tmp_path / "yolo", [])
    (root / "train/labels/a.txt").write_bytes(b"\x80 0 0 0 1 1 1")
    with pytest.raises(ValueError, match=r"a\.txt: no text"):
        to_coco("yolo_seg", root, tmp_path)


def test_nothing_is_written_over(tmp_path):
    path = write_cvat(tmp_path, '<polygon label="shoe" points="0,0;2,0;2,2;0,2"/>')
    out = tmp_path / "mine"
    out.mkdir()
    (out / "kept.txt").write_text("mine")
    with pytest.raises(ValueError, match="mine: not empty, expected a new folder"):
        convert("cvat_xml", path, "labelme", out, ConversionOptions())
    with pytest.raises(ValueError, match=r"kept.txt: is there already"):
        convert("cvat_xml", path, "coco", out / "kept.txt", ConversionOptions())
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == ["mine"]


def test_photo_that_is_not_there_is_counted(tmp_path):
    (tmp_path / "photos").mkdir()
    path = write_cvat(tmp_path, '<polygon label="shoe" points="0,0;2,0;2,2;0,2"/>')
    report, _, _ = to_coco("cvat_xml", path, tmp_path, tmp_path / "photos")
    assert report.noted == {"photo_not_found": 1}


def test_a_name_that_no_file_can_have_is_that_of_no_photo(tmp_path):
    (tmp_path / "photos").mkdir()
    path = write_cvat(tmp_path, '<polygon label="shoe" points="0,0;2,0;2,2;0,2"/>')
    path.write_text(path.read_text().replace("folder/a.jpg", "a" * 300 + ".jpg"))
    report, _, _ = to_coco("cvat_xml", path, tmp_path, tmp_path / "photos")
    assert report.noted == {"photo_not_found": 1}


def test_photo_of_another_size_is_counted(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_bytes(draw_jpeg(16, 12))
    path = write_cvat(tmp_path, '<polygon label="shoe" points="0,0;2,0;2,2;0,2"/>')
    report, _, names = to_coco("cvat_xml", path, tmp_path, tmp_path / "photos")
    assert names == ["a.jpg"]
    assert report.lines()[0] == (
        "changed: 1 photo_of_another_size_than_its_masks, such as of a.jpg "
        "(the file 16x12, its masks 8x6)"
    )


def labelme_shape(label, points):
    return {"label": label, "points": points, "shape_type": "polygon", "group_id": None}


def write_labelme(folder, **changed):
    folder.mkdir()
    content = {
        "shapes": [labelme_shape("top", [[0, 0], [2, 0], [2, 2], [0, 2]])],
        "imagePath": "..\\photos\\a.jpg",
        "imageHeight": 6,
        "imageWidth": 8,
    }
    (folder / "a.json").write_text(json.dumps({**content, **changed}))
    return folder


@pytest.mark.parametrize("size", [(6.0, 8.0), (None, None)])
def test_labelme_size_as_scripts_and_old_versions_write_it(tmp_path, size):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_bytes(draw_jpeg(8, 6))
    labels = write_labelme(tmp_path / "labels", imageHeight=size[0], imageWidth=size[1])

    _, found, _ = to_coco("labelme", labels, tmp_path)

    assert [np.shape(mask) for _, mask in found] == [(6, 8)]


def test_labelme_without_a_size_and_photo_is_refused(tmp_path):
    labels = write_labelme(tmp_path / "labels", imageHeight=None, imageWidth=None)
    with pytest.raises(ValueError, match=r"a\.json: has no imageHeight .*a\.jpg is no file"):
        to_coco("labelme", labels, tmp_path)


def test_category_in_other_case_and_spaces_is_one_and_counted(tmp_path):
    square = [[0, 0], [2, 0], [2, 2], [0, 2]]
    shapes = [labelme_shape(name, square) for name in ("Polo shirt", " polo  Shirt", "hat")]
    labels = write_labelme(tmp_path / "labels", shapes=shapes)

    report, found, _ = to_coco("labelme", labels, tmp_path)

    assert [category for category, _ in found] == ["Polo shirt", "Polo shirt", "hat"]
    assert report.noted["category_spelt_in_two_ways"] == 1
    assert any("' polo  Shirt' is taken as 'Polo shirt'" in line for line in report.lines())


def test_label_studio_region_of_two_categories_is_counted(tmp_path):
    value = {"points": [[0, 0], [50, 0], [50, 50]], "polygonlabels": ["shoe", "top"]}
    result = {
        "id": "x",
        "type": "polygonlabels",
        "original_width": 8,
        "original_height": 6,
        "value": value,
    }
    path = tmp_path / "tasks.json"
    task = {"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"result": [result]}]}
    path.write_text(json.dumps([task]))

    report, found, _ = to_coco("label_studio", path, tmp_path)

    assert [category for category, _ in found] == ["shoe"]
    assert report.noted == {"mask_of_several_categories": 1}


def test_yolo_of_label_studio_has_classes_txt(tmp_path):
    root = write_yolo(tmp_path / "yolo", ["1.0 0 0 1 0 1 1", "0 0 0 400 0 400 300"])
    (root / "data.yaml").unlink()
    (root / "classes.txt").write_text("top\nshoe\n")

    report, found, _ = to_coco("yolo_seg", root, tmp_path, max_bad_percent=50)

    assert [category for category, _ in found] == ["shoe"]
    assert report.left_out == {"polygon_in_pixels": 1, "txt_without_photo": 1}
