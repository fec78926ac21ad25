"""The server's life: versions come and go, labels, REST, TLS, a full queue, the end."""

import asyncio
import base64
import contextlib
import json
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import parser
from tensorflow.python.framework import tensor_util
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from serving.client import (
    AsyncSegmentationClient,
    DeadlineExceededError,
    ModelNotFoundError,
    RequestRefusedError,
    SegmentationClient,
    ServerBusyError,
    ServerUnreachableError,
    Tls,
)
from tests.serving.server_process import REPOSITORY, start_server

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def serving(*arguments):
    """A server; yields its addresses by name ("fashion", "REST") and the process."""
    server = start_server(*arguments, "--port=0", "--file_system_poll_wait_seconds=0.1")
    addresses = {}
    try:
        while "fashion" not in addresses:
            line = server.stdout.readline()
            assert line, server.stderr.read()
            name = "REST" if line.startswith("REST") else line.split()[1]
            addresses[name] = line.split()[-1]
        yield addresses, server
        server.terminate()
        assert server.wait(40) == 0
    finally:
        server.kill()


def wait_until(condition, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def photo():
    import cv2
    import numpy as np

    image = np.full((20, 33, 3), 128, np.uint8)
    image[3:9, 5:20] = (0, 0, 255)
    return cv2.imencode(".png", image)[1].tobytes()


@pytest.fixture(scope="module")
def live(export_dir, tmp_path_factory):
    """Version 1 is served, by a models.config; REST is on."""
    base = tmp_path_factory.mktemp("live")
    shutil.copytree(export_dir / "3", base / "1")
    config = base / "models.config"
    text = f'model_config_list {{ config {{ name: "fashion" base_path: "{base}" LABELS }} }}'
    config.write_text(text.replace("LABELS", ""))
    with serving(f"--model_config_file={config}", "--rest_api_port=0") as (addresses, server):
        yield {"base": base, "addresses": addresses, "config": config, "text": text}
    assert "Traceback" not in server.stderr.read()


def rest(address, path, body=None, context=None):
    """GET, or POST where there is a body; returns the status and the answer."""
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    scheme = "https" if context else "http"
    request = urllib.request.Request(f"{scheme}://{address}{path}", content)
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_rest_predict(live, photo):
    address = live["addresses"]["REST"]
    body = {"instances": [{"b64": base64.b64encode(photo).decode()}, "no image"]}

    code, answer = rest(address, "/v1/models/fashion:predict", body)

    found, refused = json.loads(answer)["predictions"]
    assert code == 200
    assert found["boxes_yxyx"] == [[3.0, 5.0, 9.0, 20.0]]
    assert found["class_names"] == ["dress"]
    assert refused["ok"] is False
    assert refused["error"] == "not a PNG or JPEG image"
    assert rest(address, "/v1/models/fashion/versions/1:predict", body) == (code, answer)


@pytest.mark.parametrize(
    ("path", "body", "code", "message"),
    [
        ("/v1/models/x:predict", {"instances": ["a"]}, 404, "Servable not found for request: "),
        ("/v1/models/fashion/versions/7:predict", {"instances": ["a"]}, 404, "Specific(fashion, 7"),
        (
            "/v1/models/fashion/labels/x:predict",
            {"instances": ["a"]},
            400,
            "servable version label",
        ),
        ("/v1/models/fashion:predict", b"\xff", 400, "JSON Parse error"),
        ("/v1/models/fashion:classify", {}, 501, "only :predict"),
        ("/v1/models/../../etc/passwd:predict", {}, 400, "Malformed request: POST"),
        ("/v1/models/..%2f..%2fetc:predict", {"instances": ["a"]}, 404, "Servable not found"),
        ("/v1/models/fashion:predict", bytes(65 * 2**20), 413, "larger than max"),
        ("/elsewhere", None, 400, "Malformed request: GET /elsewhere"),
        ("/v1/models/x", None, 404, "Could not find any versions of model x"),
    ],
)
def test_rest_errors(live, path, body, code, message):
    status, answer = rest(live["addresses"]["REST"], path, body)

    assert status == code
    assert message in json.loads(answer)["error"]


def test_rest_status_and_metadata(live):
    address = live["addresses"]["REST"]

    [status] = json.loads(rest(address, "/v1/models/fashion/versions/1")[1])["model_version_status"]
    metadata = json.loads(rest(address, "/v1/models/fashion/metadata")[1])

    assert (status["version"], status["state"]) == ("1", "AVAILABLE")
    assert status["status"] == {"error_code": "OK", "error_message": ""}
    assert metadata["model_spec"]["name"] == "fashion"
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    assert list(signatures["serving_default"]["inputs"]) == ["image_bytes"]


def test_prometheus_metrics(live, photo):
    with SegmentationClient(live["addresses"]["fashion"], "fashion") as client:
        client.detect([photo])

    text = rest(live["addresses"]["REST"], "/monitoring/prometheus/metrics")[1].decode()

    samples = {
        (sample.name, sample.labels.get("status")): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples[":tensorflow:serving:request_count_total", "OK"] >= 1
    assert samples["fashion_loaded_versions", None] == 1


def test_health(live):
    with grpc.insecure_channel(live["addresses"]["fashion"]) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", "tensorflow.serving.PredictionService"):
            request = health_pb2.HealthCheckRequest(service=service)
            assert stub.Check(request, timeout=10).status == health_pb2.HealthCheckResponse.SERVING


def test_random_bytes_get_a_status(live):
    with grpc.insecure_channel(live["addresses"]["fashion"]) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        for payload in (b"\xff" * 1000, b""):
            with pytest.raises(grpc.RpcError) as caught:
                call(payload, timeout=10)
            assert caught.value.code().name == ("INTERNAL" if payload else "INVALID_ARGUMENT")


def test_message_over_the_limit_is_refused(live):
    with grpc.insecure_channel(live["addresses"]["fashion"]) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        with pytest.raises(grpc.RpcError, match="larger than max") as caught:
            call(bytes(65 * 2**20), timeout=60)
    assert caught.value.code().name == "RESOURCE_EXHAUSTED"


def test_async_client(live, photo):
    async def run():
        async with AsyncSegmentationClient(live["addresses"]["fashion"], "fashion") as client:
            versions = await client.available_versions()
            with pytest.raises(ModelNotFoundError):
                async with AsyncSegmentationClient(
                    live["addresses"]["fashion"], "fashion", version=99
                ) as wrong:
                    await wrong.detect([photo])
            return versions, await asyncio.gather(*(client.detect([photo]) for _ in range(5)))

    versions, answers = asyncio.run(run())

    assert versions == [1]
    assert [answer[0].category_names for answer in answers] == [("dress",)] * 5


def test_async_client_is_patient_then_says_so(photo):
    async def run():
        async with AsyncSegmentationClient(
            "127.0.0.1:9", "fashion", connect_timeout_s=0.3
        ) as client:
            await client.detect([photo])

    with pytest.raises(ServerUnreachableError, match=r"no server answers at 127\.0\.0\.1:9"):
        asyncio.run(run())


def test_a_new_version_takes_over_under_load_and_a_damaged_one_does_not(live, export_dir, photo):
    base, address = live["base"], live["addresses"]["fashion"]
    stop, failures, num_answers = threading.Event(), [], 0

    def ask():
        nonlocal num_answers
        with SegmentationClient(address, "fashion", connect_timeout_s=0) as client:
            while not stop.is_set():
                try:
                    [found] = client.detect([photo])
                    assert found.category_names == ("dress",)
                    num_answers += 1
                except Exception as error:
                    failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    with SegmentationClient(address, "fashion") as client:
        shutil.copytree(export_dir / "3", base / "copying")
        (base / "copying").rename(base / "2")
        wait_until(lambda: client.available_versions() == [2])

        shutil.copytree(export_dir / "3", base / "copying")
        graph = base / "copying" / "saved_model.pb"
        graph.write_bytes(graph.read_bytes()[:5000])
        (base / "copying").rename(base / "3")
        wait_until(
            lambda: (
                "END"
                in rest(live["addresses"]["REST"], "/v1/models/fashion/versions/3")[1].decode()
            )
        )
        assert client.available_versions() == [2]
    stop.set()
    asking.join()

    assert failures == []
    assert num_answers > 0
    [status] = json.loads(rest(live["addresses"]["REST"], "/v1/models/fashion/versions/3")[1])[
        "model_version_status"
    ]
    assert status["status"]["error_message"].startswith(f"{base}/3: cannot load the SavedModel")


def test_labels_follow_the_config(live, photo):
    address, base = live["addresses"]["fashion"], live["base"]
    with SegmentationClient(address, "fashion", label="stable") as client:
        with pytest.raises(
            RequestRefusedError, match="Unrecognized servable version label: stable"
        ):
            client.detect([photo])

        number = max(int(path.name) for path in base.iterdir() if path.name in ("1", "2"))
        label = f'version_labels {{ key: "stable" value: {number} }}'
        live["config"].write_text(live["text"].replace("LABELS", label))

        def answers():
            with contextlib.suppress(Exception):
                return client.detect([photo])

        wait_until(answers)


def test_tls_wants_a_client_certificate_and_refuses_plain_text(export_dir, photo, tmp_path):
    script = REPOSITORY / "serving/deploy/make_certificates.sh"
    subprocess.run([script, tmp_path, "localhost", "127.0.0.1"], check=True, capture_output=True)
    ca, cert, key = (tmp_path / name for name in ("ca.crt", "client.crt", "client.key"))
    arguments = [
        f"--model_base_path={export_dir}",
        "--rest_api_port=0",
        f"--tls_cert_path={tmp_path}/server.crt",
        f"--tls_key_path={tmp_path}/server.key",
        f"--tls_client_ca_path={ca}",
    ]
    with serving(*arguments) as (addresses, server):
        with SegmentationClient(addresses["fashion"], "fashion", tls=Tls(ca, cert, key)) as client:
            [found] = client.detect([photo])
            assert found.category_names == ("dress",)
        for tls in (None, Tls(ca)):
            with (
                SegmentationClient(
                    addresses["fashion"], "fashion", tls=tls, connect_timeout_s=0.2
                ) as client,
                pytest.raises(ServerUnreachableError),
            ):
                client.detect([photo])

        context = ssl.create_default_context(cafile=str(ca))
        with pytest.raises((urllib.error.URLError, OSError)):
            rest(addresses["REST"], "/v1/models/fashion", context=context)
        with pytest.raises((urllib.error.URLError, OSError)):
            rest(addresses["REST"], "/v1/models/fashion")
        context.load_cert_chain(cert, key)
        assert rest(addresses["REST"], "/v1/models/fashion", context=context)[0] == 200
    assert "Traceback" not in server.stderr.read()


def test_a_full_queue_refuses_and_the_end_lets_requests_finish(tmp_path):
    """A graph that takes its time: one request runs, one waits, the third is refused."""
    from tests.serving import slow_model

    slow_model.export(tmp_path / "1")
    arguments = [f"--model_base_path={tmp_path}", "--max_running=1", "--max_waiting=1"]
    results = {}

    with serving(*arguments) as (addresses, server):

        def ask(name, deadline_s):
            with SegmentationClient(
                addresses["fashion"], "fashion", deadline_s=deadline_s, connect_timeout_s=0
            ) as client:
                try:
                    client.detect([b"3"])
                    results[name] = "answered"
                except Exception as error:
                    results[name] = error

        first = threading.Thread(target=ask, args=("first", 60))
        first.start()
        time.sleep(1)
        waiting = threading.Thread(target=ask, args=("waiting", 60))
        waiting.start()
        time.sleep(0.5)
        ask("refused", 60)
        assert isinstance(results["refused"], ServerBusyError)
        assert "1 requests wait already" in str(results["refused"])
        server.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        ask("late", 5)
        first.join()
        waiting.join()

    assert isinstance(results["late"], ServerUnreachableError)
    # Both were under way when the end was asked for; the model is no tfseg export, hence the error.
    assert "does not answer like a tfseg export" in str(results["first"])
    assert "does not answer like a tfseg export" in str(results["waiting"])


def test_a_deadline_stops_the_graph(tmp_path):
    from tests.serving import slow_model

    slow_model.export(tmp_path / "1")
    with (
        serving(f"--model_base_path={tmp_path}", "--max_running=1") as (addresses, _),
        SegmentationClient(addresses["fashion"], "fashion", deadline_s=1) as client,
    ):
        with pytest.raises(DeadlineExceededError, match="did not answer within 1 s"):
            client.detect([b"120"])
        start = time.monotonic()
        with (
            SegmentationClient(addresses["fashion"], "fashion") as patient,
            pytest.raises(RequestRefusedError, match="does not answer like a tfseg export"),
        ):
            patient.detect([b"0"])
        assert time.monotonic() - start < 30  # not the 120 seconds that the first asked for


_SHORT_GRACE = """
import runpy
from serving.server import listening
listening.SHUTDOWN_GRACE_S = 1
runpy.run_module("serving.server", run_name="__main__")
"""


def test_the_process_ends_after_the_grace_whatever_still_runs(tmp_path):
    from tests.serving import slow_model

    slow_model.export(tmp_path / "1")
    flags = [f"--model_base_path={tmp_path}", "--port=0", "--model_name=fashion"]
    server = subprocess.Popen(
        [sys.executable, "-c", _SHORT_GRACE, *flags],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    address = server.stdout.readline().split()[-1]
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "fashion"
    request.inputs["image_bytes"].CopyFrom(tensor_util.make_tensor_proto([b"300"]))
    try:
        with grpc.insecure_channel(address) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            call = stub.Predict.future(request, wait_for_ready=True)  # no deadline
            time.sleep(2)
            assert not call.done()
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
            assert call.code() is not grpc.StatusCode.OK
    finally:
        server.kill()


def test_the_curl_command_of_the_readme_sends_a_photo_of_any_size(live, photo, tmp_path):
    text = (REPOSITORY / "serving/README.md").read_text(encoding="utf-8")
    [command] = re.findall(r"^\(printf .*\|\n +curl .*$", text, re.MULTILINE)
    assert command.count("localhost:8501") == 1
    # A PNG ends where it says; what follows makes it larger than an argument may be.
    (tmp_path / "photo.jpg").write_bytes(photo + bytes(300_000))
    answer = subprocess.run(
        ["bash", "-c", command.replace("localhost:8501", live["addresses"]["REST"])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    [found] = json.loads(answer.stdout)["predictions"]
    assert found["num_detections"] == 1
