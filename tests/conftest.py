import pytest


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory):
    """A cache folder of the tests' own, in which the box's SavedModel is made once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFSEG_CACHE_DIR", str(folder))
        yield folder
