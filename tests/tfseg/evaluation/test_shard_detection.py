from pathlib import Path

import cv2
import numpy as np
import pytest

from tfseg.evaluation.shard_detection import detect_records, read_photos
from tfseg.inference.detector import Detector


@pytest.fixture
def write_records(tmp_path):
    import tensorflow as tf

    def write(*photos):
        path = str(tmp_path / "modanet-val.tfrecord-00000-of-00001")
        with tf.io.TFRecordWriter(path) as writer:
            for source_id, encoded in photos:
                values = {"image/encoded": encoded, "image/source_id": str(source_id).encode()}
                features = {
                    key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                    for key, value in values.items()
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())
        return [path]

    return write


@pytest.fixture(scope="module")
def detect(tiny_module):
    return Detector(tiny_module.detect, "tiny", tiny_module.category_names, None).detect


def draw_jpeg(height, width, seed):
    photo = np.random.default_rng(seed).integers(0, 255, (height, width, 3)).astype(np.uint8)
    return cv2.imencode(".jpg", photo)[1].tobytes()


def test_detect_records_gives_results_in_original_pixels(detect, write_records):
    paths = write_records((7, draw_jpeg(90, 60, 1)), (41, draw_jpeg(30, 120, 2)))

    image_ids, coco_results = detect_records(detect, paths)

    assert image_ids == [7, 41]
    assert {result["image_id"] for result in coco_results} == {7, 41}
    sizes = {7: [90, 60], 41: [30, 120]}
    for result in coco_results:
        height, width = sizes[result["image_id"]]
        x, y, box_width, box_height = result["bbox"]
        assert result["segmentation"]["size"] == [height, width]
        assert 0 <= x <= x + box_width <= width + 1e-3
        assert 0 <= y <= y + box_height <= height + 1e-3


def test_detect_records_stops_after_num_examples(detect, write_records):
    paths = write_records(*((i, draw_jpeg(40, 40, i)) for i in (3, 4, 5)))

    image_ids, _ = detect_records(detect, paths, num_examples=2, batch_size=1)

    assert image_ids == [3, 4]


def test_detect_records_names_a_photo_that_cannot_be_decoded(detect, write_records):
    paths = write_records((3, draw_jpeg(40, 40, 3)), (4, b"not a photo"))

    with pytest.raises(ValueError, match="image 4 of the data set: .*; build it again"):
        detect_records(detect, paths)


def test_detect_records_names_a_damaged_shard(detect, write_records):
    paths = write_records((3, draw_jpeg(40, 40, 3)))
    with Path(paths[0]).open("r+b") as shard:
        shard.truncate(100)

    with pytest.raises(ValueError, match="modanet-val.*is damaged .*build the data set again"):
        detect_records(detect, paths)


def test_read_photos_gives_the_stored_bytes(write_records):
    photos = [(3, draw_jpeg(40, 40, 3)), (9, b"anything")]

    assert list(read_photos(write_records(*photos))) == photos
    assert list(read_photos(write_records(*photos), num_examples=1)) == photos[:1]
