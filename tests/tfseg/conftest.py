import pytest


@pytest.fixture(scope="session")
def tiny_model():
    """A random Mask R-CNN for 3 categories, 64x96 pixels (stride 32), at most 6 detections."""
    from tests.tfseg import tiny_model

    return tiny_model.build()


@pytest.fixture(scope="session")
def tiny_module(tiny_model):
    """The ServingModule of `tiny_model`."""
    from tfseg.inference.serving_module import ServingModule

    return ServingModule(tiny_model, (64, 96), 5, ("bag", "belt", "boots"))
