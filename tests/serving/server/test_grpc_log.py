"""A request that cannot be answered leaves no traceback in the log, which gRPC would write there.

The logger of those that are no message is one of a private module of gRPC's: under another name the
tracebacks would return.
"""

import logging
from concurrent import futures

import grpc
import pytest
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from serving.servables.model_store import ModelStore
from serving.server import grpc_services
from serving.server.metrics import Metrics
from serving.server.predictor import Predictor
from serving.server.request_queue import RequestQueue

PREDICT = "PredictionService/Predict"


@pytest.fixture
def log_of_grpc():
    logger = logging.getLogger("grpc._common")
    level = logger.level
    logger.setLevel(logging.NOTSET)
    yield logger
    logger.setLevel(level)


def refused(add_services, method=PREDICT, raw=b"\xff\xff no message") -> grpc.StatusCode:
    """Sends bytes to a server that refuses them; the status of the answer."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    add_services(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            send = channel.unary_unary(
                f"/tensorflow.serving.{method}", lambda raw: raw, predict_pb2.PredictResponse
            )
            with pytest.raises(grpc.RpcError) as error:
                send(raw, timeout=20)
        return error.value.code()
    finally:
        server.stop(0).wait()


def test_grpc_itself_logs_a_traceback(log_of_grpc, caplog):
    def add_services(server):
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            prediction_service_pb2_grpc.PredictionServiceServicer(), server
        )

    assert refused(add_services) == grpc.StatusCode.INTERNAL
    assert [record.name for record in caplog.records if record.exc_info] == ["grpc._common"]


def test_our_services_log_none(log_of_grpc, caplog):
    predictor = Predictor(ModelStore(), RequestQueue(1, 1), Metrics())

    code = refused(lambda server: grpc_services.add_services(server, predictor))

    assert code == grpc.StatusCode.INTERNAL
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize(
    "method",
    [
        "PredictionService/Classify",
        "PredictionService/Regress",
        "PredictionService/MultiInference",
        "ModelService/HandleReloadConfigRequest",
    ],
)
def test_methods_that_are_not_here_log_none(log_of_grpc, caplog, method):
    predictor = Predictor(ModelStore(), RequestQueue(1, 1), Metrics())

    code = refused(lambda server: grpc_services.add_services(server, predictor), method, b"")

    assert code == grpc.StatusCode.UNIMPLEMENTED
    assert [record for record in caplog.records if record.exc_info] == []
