import itertools

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tfseg.structures.detections import Detections
from tfseg.structures.visualize import category_color, draw_detections, enlargement


def _rectangles(height, width, *boxes_yxyx, category_ids=None, name="dress"):
    masks = []
    for ymin, xmin, ymax, xmax in boxes_yxyx:
        mask = np.zeros((height, width), np.uint8, order="F")
        mask[ymin:ymax, xmin:xmax] = 1
        counts = coco_mask.encode(mask)["counts"].decode()
        masks.append({"size": [height, width], "counts": counts})
    ids = category_ids or [6] * len(masks)
    return Detections(
        boxes_yxyx=np.array(boxes_yxyx, np.float32).reshape(-1, 4),
        scores=np.full(len(masks), 0.93, np.float32),
        category_ids=np.array(ids, np.int32),
        category_names=(name,) * len(masks),
        rles=tuple(masks),
        image_size_hw=(height, width),
    )


def _grey(height, width):
    return np.full((height, width, 3), 100, np.uint8)


def _changed(drawn, before):
    return (drawn != before).any(axis=2)


def test_category_color_is_literal_and_stable():
    assert category_color(1) == (255, 159, 28)
    assert category_color(13) == (180, 190, 255)
    assert category_color(14) == category_color(14) != category_color(15)


@pytest.mark.parametrize("category_ids", [range(1, 14), range(14, 27)])
def test_category_color_neighbours_are_distinct(category_ids):
    colors = np.array([[category_color(number) for number in category_ids]], np.uint8)
    lab = cv2.cvtColor(colors.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[0]

    for first, second in itertools.combinations(lab, 2):
        assert np.linalg.norm(first - second) > 15  # 2 can just be told apart


def test_draw_tints_inside_the_mask_only():
    image = _grey(600, 500)
    detections = _rectangles(600, 500, (100, 50, 400, 300))

    drawn = draw_detections(image, detections, show_labels=False, mask_opacity=0.5)

    assert drawn.shape == (600, 500, 3) and drawn.dtype == np.uint8
    assert drawn[250, 150].tolist() == [178, 102, 140]  # halfway from 100 to (255, 105, 180)
    rows, columns = np.nonzero(_changed(drawn, image))
    assert (rows.min(), rows.max()) == (pytest.approx(100, abs=4), pytest.approx(399, abs=4))
    assert (columns.min(), columns.max()) == (pytest.approx(50, abs=4), pytest.approx(299, abs=4))
    assert (image == 100).all()  # the photo itself is left alone


def test_draw_box_is_half_open():
    drawn = draw_detections(
        _grey(600, 500), _rectangles(600, 500, (100, 50, 400, 300)), mask_opacity=0
    )

    assert drawn[399, 299].tolist() == [255, 105, 180]
    assert drawn[410, 310].tolist() == [100, 100, 100]


def test_draw_label_stays_on_the_canvas_at_every_corner():
    height, width = 600, 800
    boxes = [(0, 0, 20, 20), (0, 780, 20, 800), (580, 0, 600, 20), (580, 780, 600, 800)]

    for box in boxes:
        detections = _rectangles(height, width, box)
        with_label = draw_detections(_grey(height, width), detections)
        without = draw_detections(_grey(height, width), detections, show_labels=False)
        rows, columns = np.nonzero(_changed(with_label, without))
        plate_area = (with_label == (255, 105, 180)).all(axis=2).sum()
        assert columns.max() - columns.min() > 60  # the plate is there in full length
        assert rows.max() - rows.min() > 15
        assert plate_area > 800


def test_draw_labels_do_not_hide_each_other():
    boxes = [(200 + 5 * step, 300 + 4 * step, 500, 600) for step in range(6)]
    detections = _rectangles(900, 900, *boxes, category_ids=[1, 3, 4, 5, 6, 7])

    drawn = draw_detections(_grey(900, 900), detections, mask_opacity=0, show_boxes=False)

    for category_id in (1, 3, 4, 5, 6, 7):
        plate = (drawn == category_color(category_id)).all(axis=2).sum()
        assert plate > 1000, category_id


def test_draw_without_scores_has_a_shorter_label():
    detections = _rectangles(600, 800, (200, 200, 400, 400))

    def plate_width(**options):
        drawn = draw_detections(_grey(600, 800), detections, **options)
        columns = np.nonzero(_changed(drawn[180:192], _grey(600, 800)[180:192]))[1]
        return columns.max() - columns.min()

    assert plate_width(show_scores=False) < 0.75 * plate_width()


@pytest.mark.parametrize(
    ("size_hw", "factor"), [((200, 133), 4), ((499, 10), 2), ((500, 10), 1), ((4000, 3000), 1)]
)
def test_draw_enlarges_small_photos_by_a_whole_factor(size_hw, factor):
    assert enlargement(*size_hw) == factor
    if max(size_hw) < 1000:
        drawn = draw_detections(_grey(*size_hw), _rectangles(*size_hw, (2, 2, 9, 9)))
        assert drawn.shape == (size_hw[0] * factor, size_hw[1] * factor, 3)


def test_draw_enlarged_mask_stays_in_place():
    drawn = draw_detections(
        _grey(100, 100), _rectangles(100, 100, (20, 30, 60, 80)), show_labels=False
    )

    factor = enlargement(100, 100)
    rows, columns = np.nonzero(_changed(drawn, np.full_like(drawn, 100)))
    assert (rows.min(), columns.min()) == (
        pytest.approx(20 * factor, abs=4),
        pytest.approx(30 * factor, abs=4),
    )
    assert (rows.max(), columns.max()) == (
        pytest.approx(60 * factor, abs=4),
        pytest.approx(80 * factor, abs=4),
    )


def test_draw_nothing_found_returns_a_copy():
    image = _grey(600, 500)

    drawn = draw_detections(image, _rectangles(600, 500))

    assert np.array_equal(drawn, image) and not np.shares_memory(drawn, image)


def test_draw_small_instance_stays_visible_on_a_large_one():
    detections = _rectangles(
        600, 600, (290, 100, 310, 500), (50, 50, 550, 550), category_ids=[2, 6]
    )

    drawn = draw_detections(_grey(600, 600), detections, mask_opacity=1, show_labels=False)

    assert drawn[300, 300].tolist() == [150, 85, 45]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((9, 9), np.uint8), r"expected a uint8 \[height, width, 3\] image, got uint8"),
        (np.zeros((9, 9, 3), np.float32), "got float32"),
        (np.zeros((9, 8, 3), np.uint8), "the image is 8x9, but its detections are for 9x9"),
    ],
)
def test_draw_refuses(image, message):
    with pytest.raises(ValueError, match=message):
        draw_detections(image, _rectangles(9, 9, (1, 1, 3, 3)))


@pytest.mark.parametrize("category_id", range(1, 27))
def test_draw_outline_has_a_dark_and_a_light_line(category_id):
    # Far enough apart, one of the two differs from any garment, that of its own colour too.
    image = np.full((600, 600, 3), category_color(category_id), np.uint8)
    detections = _rectangles(600, 600, (100, 100, 500, 500), category_ids=[category_id])

    drawn = draw_detections(image, detections, show_labels=False, show_boxes=False)

    assert (drawn[300, :96] == image[300, :96]).all()
    across = drawn[300, 96:106].astype(float) @ (0.299, 0.587, 0.114)  # over the left edge
    garment = image[0, 0].astype(float) @ (0.299, 0.587, 0.114)
    assert across.max() - across.min() > 100
    assert (abs(across - garment) > 20).sum() >= 4  # pixels of the line that show


def test_draw_names_with_half_a_surrogate_pair():
    image = _grey(600, 600)
    detections = _rectangles(600, 600, (100, 100, 500, 500), name="\udcff")
    escaped = _rectangles(600, 600, (100, 100, 500, 500), name="\\udcff")

    drawn = draw_detections(image, detections)

    assert (drawn == draw_detections(image, escaped)).all()
