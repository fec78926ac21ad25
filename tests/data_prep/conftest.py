from pathlib import Path

import pytest

from tests.data_prep.built_modanet import build
from tests.data_prep.raw_modanet import RawModanet, box_polygon, draw_jpeg


@pytest.fixture(scope="session")
def raw_dir(tmp_path_factory) -> Path:
    """Twenty-two photos in the train json, one of everything that goes wrong; two in the val json.

    Of the posts 1 to 8, the hash puts 2, 4 and 8 into val (tests/data_prep/build/test_splits.py).
    """
    raw = RawModanet()
    raw.add_photo(101, post_id=1, size=(40, 30))
    raw.annotate(1, 101, 1, [box_polygon(4, 6, 24, 16)], bbox=[4, 6, 20, 10])
    raw.annotate(2, 101, 4, [box_polygon(2, 20, 8, 24)], bbox=[30, 21, 6, 4])
    raw.annotate(3, 101, 4, [box_polygon(30, 21, 36, 25)], bbox=[2, 20, 6, 4])
    raw.add_photo(102, post_id=2, size=(30, 40))  # val
    raw.annotate(4, 102, 13, [box_polygon(0, 0, 5, 5), box_polygon(20, 30, 25, 45), [1, 2, 3, 4]])
    raw.annotate(5, 102, 6, [box_polygon(10, 10, 20, 30)])
    raw.annotate(6, 102, 6, [box_polygon(10, 10, 20, 30)])
    raw.add_photo(103, post_id=2, size=(20, 20))  # of the same outfit as 102
    raw.annotate(7, 103, 9, [box_polygon(5, 5, 15, 10)])
    raw.annotate(8, 103, 2, [[1, 1, 9, 9]])
    raw.annotate(9, 103, 14, [box_polygon(0, 0, 5, 5)])
    raw.add_photo(104, post_id=None)
    raw.annotate(10, 104, 8, [box_polygon(0, 0, 40, 30)])
    for photo_id in range(105, 118):
        raw.add_photo(photo_id, post_id=3)
        raw.annotate(photo_id, photo_id, 11, [box_polygon(1, 2, 11, 22)])

    raw.add_photo(201, post_id=5)  # not in photos.lmdb
    raw.annotate(20, 201, 1, [box_polygon(0, 0, 5, 5)])
    raw.annotate(21, 201, 2, [box_polygon(0, 0, 5, 5)])
    del raw.photos[201]
    raw.add_photo(202, post_id=5, encoded=draw_jpeg(40, 30)[:300])
    raw.annotate(22, 202, 1, [box_polygon(0, 0, 5, 5)])
    raw.add_photo(203, post_id=5, encoded=draw_jpeg(30, 40))
    raw.annotate(23, 203, 1, [box_polygon(0, 0, 5, 5)])
    raw.add_photo(204, post_id=5)  # without annotations
    raw.add_photo(205, post_id=5)  # without a row in the table
    raw.annotate(24, 205, 1, [box_polygon(0, 0, 5, 5)])
    del raw.post_ids[205]
    raw.annotate(25, 999, 1, [box_polygon(0, 0, 5, 5)])

    raw.add_challenge_photo(301)
    raw.add_challenge_photo(302)
    del raw.photos[302]
    return raw.write(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="session")
def data_dir(raw_dir, tmp_path_factory) -> Path:
    """The data set that is built of raw_dir; tests only read it."""
    data_dir = tmp_path_factory.mktemp("prepared")
    build(raw_dir, data_dir)
    return data_dir
