"""Clients that share no code with the server: Node's gRPC, and OpenVINO's Python client."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tests.serving.server_process import REPOSITORY


@pytest.fixture(scope="module")
def node_example(tmp_path_factory):
    """The example with its packages, in a copy of the folders around it."""
    if not shutil.which("npm"):
        pytest.skip("no npm; apt-get install npm")
    root = tmp_path_factory.mktemp("node")
    example = root / "serving/examples/node"
    shutil.copytree(REPOSITORY / "serving/examples/node", example)
    (root / "serving/protocol").mkdir()
    shutil.copy(REPOSITORY / "serving/protocol/tf_serving.proto", root / "serving/protocol")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=example, check=True, timeout=300)
    return example


def _node(example, *arguments):
    done = subprocess.run(
        ["node", "detect.mjs", *map(str, arguments)],
        cwd=example,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_node_finds_garments(node_example, server_address, png_of_blocks, tmp_path):
    photo, broken = tmp_path / "photo.png", tmp_path / "broken.jpg"
    photo.write_bytes(png_of_blocks(20, 33, red=(3, 5, 9, 20), blue=(10, 7, 12, 8)))
    broken.write_bytes(b"no image")

    code, (found, refused), errors = _node(node_example, server_address, "fashion", photo, broken)

    assert (code, errors) == (1, "")  # for one of the two was broken
    assert (found["ok"], found["height"], found["width"]) == (True, 20, 33)
    dress, pants = found["garments"]
    assert (dress["name"], dress["box"]) == ("dress", [5, 3, 20, 9])
    assert (pants["name"], pants["score"]) == ("pants", pytest.approx(0.4))
    mask = coco_mask.decode({"size": [20, 33], "counts": dress["mask_rle"]})
    expected = np.zeros((20, 33), np.uint8)
    expected[3:9, 5:20] = 1
    assert np.array_equal(mask, expected)
    assert (refused["ok"], refused["error"]) == (False, "not a PNG or JPEG image")


def test_node_is_told_what_is_wrong(node_example, server_address, tmp_path):
    (tmp_path / "a").write_bytes(b"")

    code, found, errors = _node(node_example, server_address, "x", tmp_path / "a")

    assert (code, found) == (1, [])
    assert errors == "error: NOT_FOUND Servable not found for request: Latest(x)\n"


OVMS = """
import sys, ovmsclient
client = ovmsclient.make_grpc_client(sys.argv[1])
image = open(sys.argv[2], "rb").read()
metadata = client.get_model_metadata("fashion", 3)
status = client.get_model_status("fashion", 3)
found = client.predict({"image_bytes": [image]}, "fashion", 3)
print(metadata["inputs"]["image_bytes"]["dtype"], status[3]["state"])
print(found["num_detections"].tolist(), found["boxes_yxyx"].tolist(), found["class_names"].tolist())
"""


def test_ovmsclient_finds_garments(server_address, png_of_blocks, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(png_of_blocks(20, 33, red=(3, 5, 9, 20)))

    done = subprocess.run(
        [sys.executable, "-c", OVMS, server_address, photo],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == "DT_STRING AVAILABLE\n[1] [[[3.0, 5.0, 9.0, 20.0]]] [[b'dress']]\n"


def test_the_client_requires_few_packages():
    """What serving/requirements-client.txt lists is all the client loads, in the same versions."""
    listed = {}
    for line in (REPOSITORY / "serving/requirements-client.txt").read_text().splitlines():
        name, _, version = line.partition("#")[0].strip().partition("==")
        if name:
            listed[name] = version
    pinned = (REPOSITORY / "requirements.txt").read_text().splitlines()
    pinned = dict(line.partition("#")[0].strip().split("==") for line in pinned if "==" in line)
    assert listed.items() <= pinned.items()

    code = (
        "import sys, importlib.metadata as m, serving.client, json;"
        "owners = m.packages_distributions();"
        "print(json.dumps({n: owners[n] for n in list(sys.modules) if n in owners}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    owners = json.loads(run.stdout)
    assert "numpy" in owners
    # grpcio's own requirement, what grpcio imports where it is there, and this environment's.
    also = {"typing_extensions", "grpcio-health-checking", "setuptools"}
    assert [name for name, of in owners.items() if not set(of) & (also | set(listed))] == []
