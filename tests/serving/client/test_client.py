"""The client over a real channel: against the embedded server, and against misbehaving ones."""

import json
import subprocess
import sys
import time
from concurrent import futures

import cv2
import grpc
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from serving.client import SegmentationClient
from serving.client.connection import (
    DeadlineExceededError,
    ImageError,
    ModelNotFoundError,
    RequestRefusedError,
    ServerUnreachableError,
)
from serving.protocol import tf_serving_pb2
from tests.serving.server_process import REPOSITORY

pytestmark = pytest.mark.slow


def _closed_port():
    server = grpc.server(futures.ThreadPoolExecutor(1))
    return server.add_insecure_port("127.0.0.1:0")


def _run_client(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "serving.client", *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_detect_finds_boxes_masks_and_names(server_address, png_of_blocks):
    image = png_of_blocks(20, 33, red=(3, 5, 9, 20), blue=(10, 7, 12, 8))

    with SegmentationClient(server_address, "fashion") as client:
        [detections] = client.detect([image])

    assert detections.boxes_yxyx.tolist() == [[3, 5, 9, 20], [10, 7, 12, 8]]
    assert detections.category_ids.tolist() == [6, 8]
    assert list(detections.category_names) == ["dress", "pants"]
    assert detections.scores.tolist() == pytest.approx([0.9, 0.4])
    assert tuple(detections.image_size_hw) == (20, 33)
    expected = np.zeros((20, 33), np.uint8)
    expected[3:9, 5:20] = 1
    assert np.array_equal(coco_mask.decode(detections.rles[0]), expected)


def test_detect_mixed_batch_keeps_the_order(server_address, png_of_blocks):
    images = [b"no image", png_of_blocks(9, 9, blue=(1, 1, 3, 3)), png_of_blocks(5, 6)]

    with SegmentationClient(server_address, "fashion", version=3) as client:
        refused, one, none = client.detect(images)

    assert isinstance(refused, ImageError) and str(refused) == "not a PNG or JPEG image"
    assert len(one) == 1 and len(none) == 0
    assert tuple(none.image_size_hw) == (5, 6)


def test_detect_nothing(server_address):
    with SegmentationClient(server_address, "fashion") as client:
        assert client.detect([]) == []


def test_detect_request_beyond_4_megabytes(server_address):
    noise = np.random.default_rng(0).integers(0, 256, (1300, 1300, 3), np.uint8)
    image = cv2.imencode(".png", noise)[1].tobytes()
    assert len(image) > 5_000_000

    with SegmentationClient(server_address, "fashion") as client:
        [detections] = client.detect([image])

    assert tuple(detections.image_size_hw) == (1300, 1300)


def test_available_versions(server_address):
    with SegmentationClient(server_address, "fashion") as client:
        assert client.available_versions() == [3]


def test_unknown_model_version_and_signature(server_address):
    for arguments, message in (
        ({"model_name": "x"}, "NOT_FOUND: Servable not found for request: Latest(x)"),
        ({"model_name": "fashion", "version": 0}, "Specific(fashion, 0)"),
        ({"model_name": "fashion", "signature_name": "x"}, 'signature key "x" not found'),
    ):
        with (
            SegmentationClient(server_address, **arguments) as client,
            pytest.raises(ModelNotFoundError) as caught,
        ):
            client.detect([b""])
        assert message in str(caught.value)


def test_server_unreachable_is_tried_again_then_named():
    address = f"127.0.0.1:{_closed_port()}"
    start = time.monotonic()

    with (
        SegmentationClient(address, "fashion", connect_timeout_s=0.6) as client,
        pytest.raises(ServerUnreachableError, match=f"no server answers at {address}"),
    ):
        client.detect([b""])

    assert 0.1 < time.monotonic() - start < 5


class _ScriptedHandler(grpc.GenericRpcHandler):
    """Answers Predict by a function, to show the client servers that it must cope with."""

    def __init__(self, answer):
        self.answer = answer

    def service(self, handler_call_details):
        assert handler_call_details.method == "/tensorflow.serving.PredictionService/Predict"
        return grpc.unary_unary_rpc_method_handler(
            self.answer,
            request_deserializer=tf_serving_pb2.PredictRequest.FromString,
            response_serializer=tf_serving_pb2.PredictResponse.SerializeToString,
        )


@pytest.fixture
def scripted_server():
    servers = []

    def start(answer):
        servers.append(grpc.server(futures.ThreadPoolExecutor(2)))
        servers[-1].add_generic_rpc_handlers([_ScriptedHandler(answer)])
        port = servers[-1].add_insecure_port("127.0.0.1:0")
        servers[-1].start()
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(None)


def test_unavailable_is_tried_again_until_it_works(scripted_server):
    calls = []

    def answer(request, context):
        calls.append(request.model_spec.name)
        if len(calls) < 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
        context.abort(grpc.StatusCode.NOT_FOUND, "third call")

    with (
        SegmentationClient(scripted_server(answer), "fashion") as client,
        pytest.raises(ModelNotFoundError, match="third call"),
    ):
        client.detect([b"a"])
    assert calls == ["fashion"] * 3


def test_deadline(scripted_server):
    def answer(request, context):
        time.sleep(1)
        return tf_serving_pb2.PredictResponse()

    with (
        SegmentationClient(scripted_server(answer), "fashion", deadline_s=0.2) as client,
        pytest.raises(DeadlineExceededError, match="did not answer within 0.2 s"),
    ):
        client.detect([b"a"])


def test_reply_of_another_kind_of_model(scripted_server):
    def answer(request, context):
        response = tf_serving_pb2.PredictResponse()
        response.outputs["detection_boxes"].dtype = tf_serving_pb2.DT_FLOAT
        return response

    with (
        SegmentationClient(scripted_server(answer), "fashion") as client,
        pytest.raises(RequestRefusedError, match="does not answer like a tfseg export"),
    ):
        client.detect([b"a"])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_import_is_light_and_without_tensorflow():
    code = (
        "import re, sys, serving.client;"
        "assert 'tensorflow' not in sys.modules and 'tensorflow_serving' not in sys.modules;"
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True
    )

    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 100_000  # kB at the peak


def test_command_line_writes_overlays_and_json(server_address, png_of_blocks, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "a.png").write_bytes(
        png_of_blocks(600, 400, (60, 50, 200, 150), (300, 10, 400, 60))
    )
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    (folder / "a.png").write_bytes(png_of_blocks(40, 30, red=(10, 5, 20, 15)))

    run = _run_client(
        f"--server={server_address}",
        "--model_name=fashion",
        f"--output_dir={tmp_path / 'out'}",
        "--score_threshold=0.5",
        tmp_path / "a.png",
        tmp_path / "broken.jpg",
        folder,
    )

    assert run.returncode == 1
    assert run.stderr == f"error: {tmp_path}/broken.jpg: not a PNG or JPEG image\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a-2.jpg",
        "a.jpg",
        "detections.json",
    ]
    found = json.loads((tmp_path / "out" / "detections.json").read_text())
    for result in found:
        assert result.pop("score") == pytest.approx(0.9)
        segmentation = result.pop("segmentation")
        assert coco_mask.toBbox(segmentation).tolist() == result["bbox"]
        assert isinstance(segmentation["counts"], str)
        assert segmentation["size"] == [[600, 400], None, [40, 30]][result["image_id"]]
    common = {"category_id": 6, "category_name": "dress"}
    assert found == [
        {"image_id": 0, "file_name": "a.png", **common, "bbox": [50, 60, 100, 140]},
        {"image_id": 2, "file_name": "a.png", **common, "bbox": [5, 10, 10, 10]},
    ]
    overlay = cv2.imread(str(tmp_path / "out" / "a.jpg"))
    assert overlay.shape == (600, 400, 3)
    assert np.abs(overlay[500, 300].astype(int) - 128).max() < 6  # grey, untouched
    assert np.abs(overlay[130, 100].astype(int) - [0, 0, 255]).max() > 50  # tinted


def test_command_line_threshold_and_batches(server_address, png_of_blocks, tmp_path):
    for number in range(5):
        photo = png_of_blocks(30, 30 + number, red=(2, 2, 9, 9), blue=(12, 12, 20, 20))
        (tmp_path / f"{number}.png").write_bytes(photo)

    run = _run_client(
        f"--server={server_address}",
        f"--output_dir={tmp_path / 'out'}",
        "--score_threshold=0.3",
        "--batch_size=2",
        tmp_path,
    )

    assert (run.returncode, run.stderr) == (0, "")
    found = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert [(result["image_id"], result["category_name"]) for result in found] == [
        (number, name) for number in range(5) for name in ("dress", "pants")
    ]


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        ("none.jpg", "none.jpg: no such file or folder."),
        (
            ".",
            "no photo in this folder; looked for .jpg .jpeg .jfif .jpe .png .webp .bmp .gif .tif "
            ".tiff .avif .heic .heif.",
        ),
    ],
)
def test_command_line_wrong_paths(tmp_path, photo, message):
    run = _run_client(f"--output_dir={tmp_path / 'out'}", tmp_path / photo)

    assert run.returncode == 1
    assert run.stderr.startswith("error: ") and run.stderr.endswith(message + "\n")
    assert run.stderr.count("\n") == 1


def test_command_line_unknown_model(server_address, png_of_blocks, tmp_path):
    (tmp_path / "a.png").write_bytes(png_of_blocks(9, 9))

    run = _run_client(
        f"--server={server_address}",
        "--model_name=x",
        f"--output_dir={tmp_path / 'out'}",
        tmp_path / "a.png",
    )

    assert run.returncode == 1
    assert run.stderr == (
        f"error: {server_address} answered NOT_FOUND: Servable not found for request: Latest(x); "
        "is the model's name right?\n"
    )
