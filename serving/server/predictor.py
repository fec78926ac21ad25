"""Answers predict requests, whichever way they came in: finds the version, waits, runs, counts."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent import futures

import grpc
from tensorflow_serving.apis import model_pb2, predict_pb2

from serving.servables.model_store import ModelStore
from serving.servables.prediction import predict
from serving.servables.request_errors import RequestError, invalid_argument
from serving.server.cancellation import Cancellation
from serving.server.metrics import Metrics
from serving.server.request_queue import RequestQueue

_LATEST_S = 0.5  # after the deadline, within which TensorFlow has usually stopped the graph
_MAX_THREADS = 64  # those given up among them; when all are, requests end by their deadlines


class Predictor:
    """What gRPC and REST share. Safe to use from several threads."""

    def __init__(self, store: ModelStore, queue: RequestQueue, metrics: Metrics):
        self.store = store
        self._queue = queue
        self._metrics = metrics
        self._threads = futures.ThreadPoolExecutor(_MAX_THREADS, "predict")

    def predict(
        self,
        request: predict_pb2.PredictRequest,
        entrypoint: str,
        seconds_left: float | None,
        cancellation: Cancellation | None = None,
    ) -> predict_pb2.PredictResponse:
        """Runs a request when its turn comes.

        Args:
            request: Of TensorFlow Serving.
            entrypoint: "GRPC" or "REST", for the metrics.
            seconds_left: Until the deadline; None for no deadline.
            cancellation: Set where the client goes away.

        Raises:
            RequestError: See servables.prediction, request_queue and ModelStore.find.
        """
        if not request.HasField("model_spec"):
            with self._counted("", entrypoint):
                raise invalid_argument("Missing ModelSpec")
        return self.predict_read(
            request.model_spec, lambda: request, entrypoint, seconds_left, cancellation
        )

    def predict_read(
        self,
        model_spec: model_pb2.ModelSpec,
        read: Callable[[], predict_pb2.PredictRequest],
        entrypoint: str,
        seconds_left: float | None,
        cancellation: Cancellation | None = None,
    ) -> predict_pb2.PredictResponse:
        """Reads a request when its turn comes, so that few are unpacked at once, and runs it.

        Args:
            model_spec: Which model is asked; what does not exist need not wait.
            read: Gives the request; may raise RequestError.
            entrypoint, seconds_left, cancellation: As predict.

        Raises:
            RequestError: As predict.
        """
        with self._counted(model_spec.name, entrypoint):
            arrival = time.monotonic()
            with self.store.find(model_spec):
                pass
            with self._queue.turn(seconds_left, cancellation):
                if cancellation and cancellation.is_set:
                    raise RequestError(grpc.StatusCode.CANCELLED, "the client is gone")
                request = read()
                if seconds_left is not None:
                    seconds_left -= time.monotonic() - arrival
                return self._run(request, seconds_left)

    def _run(
        self, request: predict_pb2.PredictRequest, seconds_left: float | None
    ) -> predict_pb2.PredictResponse:
        """Runs a request; comes back soon after the deadline whatever the graph does.

        TensorFlow stops a graph between its operations: one that decodes a hostile file goes on,
        in a thread that is given up here, and its answer is thrown away.
        """

        def run():
            with self.store.find(request.model_spec) as served:
                return predict(served, request, seconds_left)

        if seconds_left is None:
            return run()
        running = self._threads.submit(run)
        try:
            return running.result(max(seconds_left, 0) + _LATEST_S)
        except futures.TimeoutError:
            running.cancel()
            raise RequestError(
                grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed while the graph ran"
            ) from None

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
