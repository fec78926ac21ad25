import tempfile

import pytest

import tfseg  # noqa: F401  first: it sets what TensorFlow reads when it is imported

# Fixtures that start a server, and what drives a browser: their tests are marked by themselves.
_SERVERS = {"server_address", "live", "server", "page_url"}
_BROWSER = "chromium_page"


@pytest.fixture(scope="session", autouse=True)
def scratch_folder(tmp_path_factory):
    """Where libraries and commands put their temporary files: what they leave goes at the end."""
    tmp_path_factory.getbasetemp()  # made before: the folders of failed tests stay to be looked at
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory):
    """A cache folder of the tests' own, in which the box's SavedModel is made once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFSEG_CACHE_DIR", str(folder))
        yield folder


def pytest_collection_modifyitems(items):
    """Marks tests of servers and browsers; the slow files come first, so that two workers end
    together."""
    for item in items:
        names = set(item.function.__code__.co_names) if hasattr(item, "function") else set()
        if _BROWSER in names:
            item.add_marker(pytest.mark.browser)
        if _SERVERS & set(item.fixturenames):
            item.add_marker(pytest.mark.server)
    items.sort(key=_is_quick)


def _is_quick(item) -> bool:
    return item.get_closest_marker("slow") is None
