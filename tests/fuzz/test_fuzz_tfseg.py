"""Damaged weights, and images whose headers say something else than their decoder finds."""

import pickle

import cv2
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given

from tests.fuzz.damage import FUZZ, damaged_bytes
from tests.tfseg import small_experiment

pytestmark = pytest.mark.slow

WEIGHTS = {"stem.weight": np.arange(12, dtype=np.float32).reshape(3, 4), "stem.bias": np.ones(3)}


@pytest.mark.parametrize("protocol", [2, 5])
def test_weights_of_pytorch(tmp_path_factory, protocol):
    from tfseg.checkpoint.torch_files import read_weights

    path = tmp_path_factory.mktemp("weights") / "fuzzed.pkl"

    @FUZZ
    @given(contents=damaged_bytes(pickle.dumps({"model": WEIGHTS}, protocol)))
    def one(contents):
        path.write_bytes(contents)
        try:
            read_weights(str(path))
        except ValueError as error:
            assert "fuzzed.pkl" in str(error)

    one()


def test_safetensors(tmp_path_factory):
    from tfseg.checkpoint import weight_files
    from tfseg.modeling import factory

    prepared = small_experiment.open_written(tmp_path_factory.mktemp("none"))
    params = small_experiment.build(prepared, "trainer.train_steps=1")
    model = factory.build_model(params.task)
    path = tmp_path_factory.mktemp("weights") / "fuzzed.safetensors"
    weight_files.save_weights(model, path, {})
    whole = path.read_bytes()
    assert safetensors.numpy.load(whole)

    @FUZZ
    @given(contents=damaged_bytes(whole))
    def one(contents):
        path.write_bytes(contents)
        try:
            weight_files.load_weights(model, path)
        except ValueError as error:
            assert "fuzzed.safetensors" in str(error)

    one()


def pictures():
    pixels = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)
    for suffix, flags in (
        (".jpg", []),
        (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2]),
        (".png", []),
        (".bmp", []),
        (".gif", []),
        (".webp", []),
    ):
        yield pytest.param(cv2.imencode(suffix, pixels, flags)[1].tobytes(), id=suffix)


@pytest.mark.parametrize("whole", pictures())
def test_no_more_pixels_are_decoded_than_the_headers_say(whole):
    """What the decoder makes of an image is what its headers said, or the image has an error."""
    import tensorflow as tf

    from tfseg.inference import preprocessing

    layout = preprocessing.input_layout((64, 64), 5, 5)
    read = tf.function(
        lambda image: preprocessing.inputs_from_bytes(image, layout, 24 * 32),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    assert read(tf.constant([whole])).error.numpy() == [b""]

    @FUZZ
    @given(contents=damaged_bytes(whole))
    def one(contents):
        inputs = read(tf.constant([contents, whole]))
        assert inputs.error.numpy()[1] == b""
        height, width = inputs.image_size_hw.numpy()[inputs.row.numpy()[0]]
        if inputs.error.numpy()[0] == b"":
            assert height * width <= 24 * 32

    one()
