import dataclasses

import pytest

from data_prep.annotations.annotated_image import AnnotatedImage, BBox, Instance

RLE = {"size": [4, 5], "counts": b"5220003"}
BELT = Instance(category_id=2, rle=RLE, bbox=BBox(1, 1, 4, 3), area=6)


def image(**changes):
    fields = dict(image_id=7, file_name="7.jpg", encoded=b"", height=4, width=5, instances=(BELT,))
    return AnnotatedImage(**{**fields, **changes})


def test_bbox_from_xywh_is_half_open():
    assert BBox.from_xywh(10, 20, 3, 4) == (10, 20, 13, 24)
    assert BBox(10, 20, 13, 24).xywh == (10, 20, 3, 4)


def test_annotated_image_accepts_the_largest_id_and_no_instances():
    assert image(image_id=16777215, instances=()).instances == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_id": 16777216}, "image 16777216: expected an id in 0..16777215"),
        ({"image_id": -1}, "image -1"),
        ({"height": 0}, "got size 5x0"),
        ({"height": 5}, r"height, width \(4, 5\), expected the image's \(5, 5\)"),
    ],
)
def test_annotated_image_refuses_fields_out_of_range(changes, message):
    with pytest.raises(ValueError, match=message):
        image(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"category_id": 0}, "image 7, instance 0: got category id 0"),
        ({"bbox": BBox(1, 1, 6, 3)}, "outside the 5x4 image"),
        ({"bbox": BBox(1, 1, 1, 3)}, "is empty or outside"),
        ({"area": 0}, "got area 0"),
        ({"area": 7}, "got area 7"),
    ],
)
def test_annotated_image_refuses_an_instance_that_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        image(instances=(dataclasses.replace(BELT, **changes),))
