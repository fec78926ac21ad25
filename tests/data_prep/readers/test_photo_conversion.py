import json
from dataclasses import replace

import numpy as np
import pytest

from data_prep.annotations import masks
from data_prep.readers.coco_json import CocoImage, CocoRecord
from data_prep.readers.photo_conversion import PhotoConverter
from tests.data_prep.raw_modanet import box_polygon, draw_jpeg

# Category 13 is one that the data set leaves out.
CONVERTER = PhotoConverter({i: i for i in range(1, 13)} | {13: None}, max_side=None)


def convert(*annotations, photo=None, max_side=None):
    """Of a photo 40 wide and 30 high with the id 7."""
    texts = [
        json.dumps({"id": index, "image_id": 7, "category_id": 6, **annotation})
        for index, annotation in enumerate(annotations, start=101)
    ]
    record = CocoRecord(CocoImage(7, "7.jpg", height=30, width=40), tuple(texts))
    photo = draw_jpeg(40, 30) if photo is None else photo
    return replace(CONVERTER, max_side=max_side).convert(record.raw_photo(), photo)


def pairs(notes):
    """Without the file name, which is the photo's in all of them."""
    assert {note.file_name for note in notes} <= {"7.jpg"}
    return [note[:2] for note in notes]


SQUARE = {"segmentation": [box_polygon(4, 5, 14, 15)]}


def test_convert_takes_box_and_area_from_the_mask():
    conversion = convert({**SQUARE, "category_id": 3, "bbox": [0, 0, 1, 2], "area": 2})
    (instance,) = conversion.image.instances
    assert (instance.category_id, instance.bbox, instance.area) == (3, (4, 5, 14, 15), 100)
    assert (conversion.dropped, conversion.repairs) == ([], [])


def test_convert_joins_the_parts_of_an_instance():
    parts = [box_polygon(0, 0, 2, 2), box_polygon(30, 20, 33, 22)]
    (instance,) = convert({"segmentation": parts}).image.instances
    expected = np.zeros((30, 40), np.uint8)
    expected[0:2, 0:2] = expected[20:22, 30:33] = 1
    np.testing.assert_array_equal(masks.mask_from_rle(instance.rle), expected)
    assert (instance.bbox, instance.area) == ((0, 0, 33, 22), 10)


def test_convert_clips_to_the_photo():
    conversion = convert({"segmentation": [box_polygon(-5, 20, 10, 35)]})
    (instance,) = conversion.image.instances
    assert (instance.bbox, instance.area) == ((0, 20, 10, 30), 100)
    assert pairs(conversion.repairs) == [("clipped_to_photo", 101)]


def test_convert_leaves_out_a_polygon_of_two_points_only():
    conversion = convert({"segmentation": [[1, 1, 30, 20], *SQUARE["segmentation"]]})
    assert conversion.image.instances[0].bbox == (4, 5, 14, 15)
    assert pairs(conversion.repairs) == [("polygon_under_3_points", 101)]


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ({"segmentation": [[1, 1, 5, 5]]}, "no_polygon_of_3_points"),
        ({"segmentation": []}, "no_mask"),
        ({"segmentation": [box_polygon(50, 5, 60, 15)]}, "empty_mask"),
        ({"segmentation": [box_polygon(3, 3, 3, 3)]}, "empty_mask"),
        ({**SQUARE, "category_id": 14}, "unknown_category"),
        ({**SQUARE, "category_id": 0}, "unknown_category"),
        ({"segmentation": [[1, 1, 5, 5, 1]]}, "malformed_polygon"),
        ({"segmentation": [[1, 1, 5, 5, 1, float("nan")]]}, "malformed_polygon"),
        ({"segmentation": [[1, 1, 5, 5, 1, float("inf")]]}, "malformed_polygon"),
        ({"segmentation": [[1, 1, 5, 5, 1, 10**400]]}, "malformed_polygon"),
        ({"segmentation": [[1, 1, 5, 5, 1, "2x"]]}, "malformed_polygon"),
        ({"segmentation": [[1, 1, 5, 5, 1, None]]}, "malformed_polygon"),
        ({"segmentation": [[1, 1, 5, 5, 1, 10**6]]}, "malformed_polygon"),
        ({"segmentation": [7]}, "malformed_polygon"),
        ({**SQUARE, "category_id": 13}, "category_left_out"),
        ({"segmentation": {"size": [30, 40], "counts": [1200]}}, "empty_mask"),
        ({"segmentation": {"size": [40, 30], "counts": [0, 1200]}}, "rle_height_and_width_swapped"),
        ({"segmentation": {"size": [30, 41], "counts": [0, 1200]}}, "rle_of_another_size"),
        ({"segmentation": None}, "no_mask"),
    ],
)
def test_convert_drops_and_counts(annotation, reason):
    conversion = convert(annotation, SQUARE)
    assert [instance.bbox for instance in conversion.image.instances] == [(4, 5, 14, 15)]
    assert pairs(conversion.dropped) == [(reason, 101)]


@pytest.mark.parametrize(
    ("bbox", "is_elsewhere"),
    [
        ([200, 506, 27, 53], True),
        ([109, 473, 27, 53], False),
        ([110, 474, 26, 54], False),
        ([109, 506, 27, 53], True),
        ([200, 506, 40, 53], False),
        ([0, 0, 1], False),
        (None, False),
        ([None, 506, 27, 53], False),
    ],
)
def test_convert_notices_the_box_of_the_other_shoe(bbox, is_elsewhere):
    record = CocoRecord(
        CocoImage(7, "7.jpg", height=600, width=400),
        (
            json.dumps(
                {
                    "id": 101,
                    "category_id": 4,
                    "bbox": bbox,
                    "segmentation": [box_polygon(109, 473, 136, 526)],
                }
            ),
        ),
    )
    conversion = CONVERTER.convert(record.raw_photo(), draw_jpeg(400, 600))
    assert conversion.image.instances[0].bbox.xywh == (109, 473, 27, 53)
    assert pairs(conversion.repairs) == ([("box_of_another_instance", 101)] if is_elsewhere else [])


def test_convert_merges_the_same_mask_of_one_category():
    same = {"segmentation": [[14, 15, 4, 15, 4, 5, 14, 5]]}  # other points, the same pixels
    other_category = {**SQUARE, "category_id": 9}
    conversion = convert(SQUARE, same, other_category)
    assert [instance.category_id for instance in conversion.image.instances] == [6, 9]
    assert pairs(conversion.dropped) == [("duplicate_merged", 102)]


def test_convert_unites_the_attributes_of_merged_instances():
    first, second = {**SQUARE, "attribute_ids": [30, 4]}, {**SQUARE, "attribute_ids": [4, 20]}
    (instance,) = convert(first, second).image.instances
    assert instance.attribute_ids == (4, 20, 30)


def test_convert_unites_unknown_attributes_with_known_ones():
    (instance,) = convert({**SQUARE, "attribute_ids": []}, SQUARE).image.instances
    assert instance.attribute_ids == ()


@pytest.mark.parametrize("attribute_ids", [None, 5, ["4"], [True]])
def test_convert_takes_malformed_attributes_for_not_annotated(attribute_ids):
    (instance,) = convert({**SQUARE, "attribute_ids": attribute_ids}).image.instances
    assert instance.attribute_ids is None


def test_convert_keeps_a_crowd_s_rle():
    counts = [30, 60, 1110]  # the columns 1 and 2
    annotation = {"segmentation": {"size": [30, 40], "counts": counts}, "iscrowd": 1}
    (instance,) = convert(annotation).image.instances
    assert (instance.bbox, instance.area, instance.is_crowd) == ((1, 0, 3, 30), 60, True)


def test_convert_counts_a_mask_that_vanishes_with_the_photo_s_size():
    conversion = convert(SQUARE, {"segmentation": [box_polygon(0, 0, 1, 1)]}, max_side=4)
    assert pairs(conversion.dropped) == [("empty_mask_at_this_size", 102)]


def test_convert_keeps_a_photo_without_annotations():
    assert convert().image.instances == ()


def test_convert_rasterises_at_the_size_it_keeps():
    conversion = convert({"segmentation": [box_polygon(4, 6, 24, 16)]}, max_side=20)
    image = conversion.image
    assert (image.height, image.width) == (15, 20)
    assert (image.instances[0].bbox, image.instances[0].area) == ((2, 3, 12, 8), 50)
    assert pairs(conversion.repairs) == [("photo_resized", 7)]


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        (b"damaged", "photo_unreadable"),
        (draw_jpeg(41, 30), "photo_size_differs"),
    ],
)
def test_convert_leaves_out_a_photo_with_all_its_annotations(photo, reason):
    conversion = convert(SQUARE, {"segmentation": [[1, 1]]}, photo=photo)
    assert conversion.image is None
    assert conversion.left_out_reason == reason
    assert pairs(conversion.dropped) == [("photo_left_out", 101), ("photo_left_out", 102)]


def test_convert_without_a_photo():
    record = CocoRecord(CocoImage(7, "7.jpg", 30, 40), ())
    conversion = CONVERTER.convert(record.raw_photo(), None)
    assert conversion.left_out_reason == "photo_missing"


def test_convert_leaves_out_a_photo_whose_annotations_are_all_unusable():
    conversion = convert({"segmentation": [[1, 1, 2, 2]]})
    assert conversion.left_out_reason == "no_usable_annotation"
    assert pairs(conversion.dropped) == [("no_polygon_of_3_points", 101)]
    assert pairs(conversion.repairs) == []


def test_convert_tells_a_photo_of_other_categories_from_a_damaged_one():
    conversion = convert({**SQUARE, "category_id": 13})
    assert conversion.left_out_reason == "all_annotations_left_out_on_purpose"
    assert pairs(conversion.dropped) == [("category_left_out", 101)]
