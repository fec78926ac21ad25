import io
import re

import numpy as np
import pytest
from PIL import Image

from data_prep.annotations import masks
from data_prep.browse.pictures import (
    MAX_OVERLAY_CHARACTERS,
    MAX_PHOTO_BYTES,
    FigureDrawer,
    category_color,
)
from data_prep.browse.records import read_facts
from tests.data_prep.browse.test_browse_records import write_record

NAMES = ("bag", 'scarf/tie <b>"')


def jpeg(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def png(mask):
    return masks.png_from_rle(masks.rle_from_mask(mask))


def figure(tmp_path, pixels, instances, emphasis=None, attributes=None):
    """Instances are (category id, mask)."""
    height, width = pixels.shape[:2]
    boxes = [masks.bbox_from_rle(masks.rle_from_mask(mask)) for _, mask in instances]
    path = tmp_path / "a.tfrecord"
    write_record(
        path,
        **{
            "image/encoded": [jpeg(pixels)],
            "image/height": [height],
            "image/width": [width],
            "image/object/bbox/xmin": [b.xmin / width for b in boxes],
            "image/object/bbox/xmax": [b.xmax / width for b in boxes],
            "image/object/bbox/ymin": [b.ymin / height for b in boxes],
            "image/object/bbox/ymax": [b.ymax / height for b in boxes],
            "image/object/class/label": [category for category, _ in instances],
            "image/object/area": [float(mask.sum()) for _, mask in instances],
            "image/object/is_crowd": [0] * len(instances),
            "image/object/attributes": attributes or [b""] * len(instances),
            "image/object/mask": [png(mask) for _, mask in instances],
        },
    )
    drawn = []
    drawer = FigureDrawer(NAMES, lambda: drawn.append(1), {20: "red", 30: "a <zip>"})
    html = drawer.draw(next(read_facts(str(path))), "caption", emphasis)
    assert drawn == [1]
    return html


def test_figure_outlines_masks_with_holes_at_the_pages_scale(tmp_path):
    mask = np.zeros((800, 400), np.uint8)
    mask[100:300, 40:240] = 1
    mask[150:250, 100:200] = 0
    html = figure(tmp_path, np.full((800, 400, 3), 90, np.uint8), [(1, mask)])
    assert 'viewBox="0 0 200 400"' in html
    assert 'class="box" x="20.0" y="50.0" width="100.0" height="100.0"' in html
    (path,) = re.findall(r'class="mask" d="([^"]*)"', html)
    outer, hole = path.strip("MZ").split("ZM")
    # Through the centres of the outermost pixels of the half-size mask.
    assert set(outer.split()) == {"20.5,50.5", "20.5,149.5", "119.5,149.5", "119.5,50.5"}
    assert len(hole.split()) >= 4
    assert "bag, 200 x 200 px, 9.4 % of the photo" in html


def test_figure_tells_the_category_it_is_for_from_the_others(tmp_path):
    mask = np.zeros((40, 40), np.uint8)
    mask[5:20, 5:20] = 1
    html = figure(tmp_path, np.zeros((40, 40, 3), np.uint8), [(1, mask), (2, mask.T)], emphasis=2)
    assert f'<g class="other" style="--c:{category_color(1)}"><title>bag' in html
    assert f'<g class="main" style="--c:{category_color(2)}"><title>scarf' in html


def test_figure_tells_an_instances_attributes(tmp_path):
    mask = np.ones((40, 40), np.uint8)
    attributes = [b"20_30_41", b"none", b""]
    pixels = np.zeros((40, 40, 3), np.uint8)
    html = figure(tmp_path, pixels, [(1, mask)] * 3, attributes=attributes)
    titles = re.findall(r"<title>bag, 40 x 40 px, 1e\+02 % of the photo(.*?)</title>", html)
    assert sorted(titles) == ["", "; no attributes", "; red, a &lt;zip&gt;, 41"]


def test_figure_escapes_names(tmp_path):
    mask = np.ones((40, 40), np.uint8)
    html = figure(tmp_path, np.zeros((40, 40, 3), np.uint8), [(2, mask)])
    assert "<b>" not in html
    assert ">scarf/tie &lt;b&gt;&quot;</text>" in html


def test_figure_shows_the_smallest_mask(tmp_path):
    mask = np.zeros((1600, 1600), np.uint8)
    mask[1000, 500] = 1
    html = figure(tmp_path, np.zeros((1600, 1600, 3), np.uint8), [(1, mask)])
    (path,) = re.findall(r'class="mask" d="([^"]*)"', html)
    assert path.startswith("M125.5,250.5 ")


@pytest.mark.parametrize(("grid", "num_instances"), [(300, 2), (25, 60)], ids=["noise", "blobs"])
def test_figure_keeps_its_bound_whatever_the_photo(tmp_path, grid, num_instances):
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (600, 600, 3)).astype(np.uint8)
    coarse = (rng.random((num_instances, grid, grid)) < 0.5).astype(np.uint8)
    spots = [np.kron(mask, np.ones((600 // grid, 600 // grid), np.uint8)) for mask in coarse]
    html = figure(tmp_path, photo, [(1, mask) for mask in spots])
    assert len(html) < MAX_PHOTO_BYTES * 4 / 3 + MAX_OVERLAY_CHARACTERS + 500
    assert html.count("<path") >= 2


def test_names_do_not_cover_each_other(tmp_path):
    mask = np.zeros((400, 400), np.uint8)
    mask[100:300, 100:300] = 1
    html = figure(tmp_path, np.zeros((400, 400, 3), np.uint8), [(1, mask)] * 4)
    baselines = sorted(float(y) for y in re.findall(r'<text[^>]* y="([\d.]+)"', html))
    assert len(baselines) == 4
    assert min(np.diff(baselines)) >= 14


def test_figure_names_a_record_whose_photo_is_damaged(tmp_path):
    path = tmp_path / "a.tfrecord"
    write_record(path)
    with pytest.raises(ValueError, match="image 7 has a damaged photo or mask"):
        FigureDrawer(NAMES, lambda: None).draw(next(read_facts(str(path))), "")


def test_category_colors_differ():
    assert len({category_color(i) for i in range(1, 100)}) == 99
