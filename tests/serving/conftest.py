"""One real SavedModel and one real server process for all tests of this folder."""

import cv2
import numpy as np
import pytest

from tests.serving.server_process import start_server


@pytest.fixture(scope="session")
def export_dir(tmp_path_factory):
    from tests.serving import color_block_model

    path = tmp_path_factory.mktemp("export")
    color_block_model.export(path / "3")
    (path / "partial-4").mkdir()
    (path / "2").mkdir()
    return path


@pytest.fixture(scope="session")
def server_address(export_dir):
    server = start_server("--model_name=fashion", f"--model_base_path={export_dir}", "--port=0")
    line = server.stdout.readline()
    if not line.startswith("serving fashion version 3 at 127.0.0.1:"):
        server.kill()
        pytest.fail(f"{line!r} {server.stderr.read()}")
    yield line.split()[-1]
    server.terminate()
    assert server.wait(20) == 0
    assert server.stdout.read() == ""


@pytest.fixture
def png_of_blocks():
    """Makes a PNG: grey, with a red and/or a blue block given as (ymin, xmin, ymax, xmax)."""

    def make(height, width, red=None, blue=None):
        image = np.full((height, width, 3), 128, np.uint8)
        for box, bgr in ((red, (0, 0, 255)), (blue, (255, 0, 0))):
            if box:
                image[box[0] : box[2], box[1] : box[3]] = bgr
        return cv2.imencode(".png", image)[1].tobytes()

    return make
