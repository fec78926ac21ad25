"""Files as the tools' own packages wrote them (write_tool_files.py), of the drawn garments."""

import pytest

from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.convert.run import ConversionOptions, convert
from data_prep.datasets.coco.coco_dataset_builder import Builder
from tests.data_prep.convert import drawn_labels
from tests.data_prep.convert.write_tool_files import FILES_DIR
from tests.data_prep.decoded import features


@pytest.fixture
def photos_dir(tmp_path):
    return drawn_labels.write_photos(tmp_path / "photos")


@pytest.mark.parametrize(
    ("name", "source", "least_iou"),
    [
        ("datumaro_1.13.12.xml", "cvat_xml", 1.0),
        ("datumaro_1.13.12_coco.json", "coco", 0.87),  # traces through pixels' centres
        ("label_studio_sdk_2.1.2.json", "label_studio", 1.0),
        ("label_studio_converter_0.0.59.json", "label_studio", 0.97),  # given polygons
        ("labelme_6.3.1.json", "labelme", 1.0),
        ("supervision_0.31.2_coco.json", "coco", 0.87),  # traces through pixels' centres
        ("fiftyone_1.22.1_coco.json", "coco", 0.87),
    ],
)
def test_file_of_a_tool_is_read_and_its_photos_found(tmp_path, photos_dir, name, source, least_iou):
    out = tmp_path / "out.json"
    report = convert(source, FILES_DIR / name, "coco", out, ConversionOptions(photos_dir))

    assert "photo_not_found" not in report.noted
    # They write a box beside each mask.
    assert set(report.left_out) <= {"rectanglelabels_is_no_mask", "box_is_no_mask"}
    found = drawn_labels.coco_masks(out)
    for file_name, labels in found.items():
        wanted = [(c, m) for c, m in drawn_labels.garments()[file_name] if c != "bag"]
        assert sorted(c for c, _ in labels) == sorted(c for c, _ in wanted)
        for category, mask in wanted:
            (got,) = [m for c, m in labels if c == category]
            assert (got & mask).sum() / (got | mask).sum() >= least_iou
    assert {"dress/red one.jpg"} <= found.keys() <= drawn_labels.SIZES_HW.keys()


def test_data_set_is_built_of_a_converted_file(tmp_path, photos_dir):
    out = tmp_path / "out.json"
    options = ConversionOptions(photos_dir)
    convert("cvat_xml", FILES_DIR / "datumaro_1.13.12.xml", "coco", out, options)
    paths = {"annotations": out, "photos_dir": photos_dir}

    options = PrepOptions(num_workers=1, raw_paths=paths)
    build_dataset(Builder, tmp_path, tmp_path / "prepared", options)

    areas = {
        example["image/filename"][0].decode(): sorted(example["image/object/area"])
        for split in ("train", "val")
        for example in features(tmp_path / "prepared", split).values()
    }
    assert areas == {
        name: sorted(float(mask.sum()) for category, mask in labels if category != "bag")
        for name, labels in drawn_labels.garments().items()
    }
