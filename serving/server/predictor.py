"""Answers predict requests, whichever way they came in: finds the version, waits, runs, counts."""

import contextlib
import time
from collections.abc import Callable, Iterator

import grpc
from tensorflow_serving.apis import predict_pb2

from serving.servables.model_store import ModelStore
from serving.servables.prediction import predict
from serving.servables.request_errors import RequestError, invalid_argument
from serving.server.metrics import Metrics
from serving.server.request_queue import RequestQueue


class Predictor:
    """What gRPC and REST share. Safe to use from several threads."""

    def __init__(self, store: ModelStore, queue: RequestQueue, metrics: Metrics):
        self.store = store
        self._queue = queue
        self._metrics = metrics

    def predict(
        self,
        request: predict_pb2.PredictRequest,
        entrypoint: str,
        seconds_left: float | None,
        still_wanted: Callable[[], bool] = lambda: True,
    ) -> predict_pb2.PredictResponse:
        """Runs a request when its turn comes.

        Args:
            request: Of TensorFlow Serving.
            entrypoint: "GRPC" or "REST", for the metrics.
            seconds_left: Until the deadline; None for no deadline.
            still_wanted: Asked when the turn comes: whether the client is still there.

        Raises:
            RequestError: See servables.prediction, request_queue and ModelStore.find.
        """
        with self._counted(request.model_spec.name, entrypoint):
            arrival = time.monotonic()
            if not request.HasField("model_spec"):
                raise invalid_argument("Missing ModelSpec")
            with self.store.find(request.model_spec) as served, self._queue.turn(seconds_left):
                if not still_wanted():
                    raise RequestError(grpc.StatusCode.CANCELLED, "the client is gone")
                if seconds_left is not None:
                    seconds_left -= time.monotonic() - arrival
                return predict(served, request, seconds_left)

    @contextlib.contextmanager
    def _counted(self, model_name: str, entrypoint: str) -> Iterator[None]:
        start, status = time.monotonic(), grpc.StatusCode.OK
        try:
            yield
        except RequestError as error:
            status = error.code
            raise
        except BaseException:
            status = grpc.StatusCode.UNKNOWN
            raise
        finally:
            known = model_name if model_name in self.store.models() else ""
            self._metrics.count(known, entrypoint, status.name, time.monotonic() - start)
