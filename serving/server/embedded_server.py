"""The embedded server put together: models, watcher, gRPC, REST, health, metrics."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import grpc
import tensorflow as tf

from serving.servables.model_config import ModelConfig
from serving.servables.model_store import ModelStore, ServedVersion
from serving.servables.version_watcher import VersionWatcher
from serving.servables.warmup import replay_warmup_records
from serving.server.grpc_services import add_services, set_serving
from serving.server.listening import SHUTDOWN_GRACE_S, Limits, check_free, host_text
from serving.server.metrics import Metrics
from serving.server.predictor import Predictor
from serving.server.request_queue import RequestQueue
from serving.server.rest_server import RestServer
from serving.server.tls import ServerTls
from tfseg.io.http_server import HttpLimits


class EmbeddedServer:
    """Everything behind a bound gRPC server."""

    def __init__(
        self,
        grpc_server: grpc.Server,
        limits: Limits,
        read_configs: Callable[[], Sequence[ModelConfig]],
        session_config: tf.compat.v1.ConfigProto,
        report: Callable[[str], None],
    ):
        """Puts the parts together; nothing is loaded or answered yet.

        Args:
            grpc_server: Bound, not started.
            limits: As it was bound with.
            read_configs: The models to serve, asked anew from time to time.
            session_config: See model_store.session_config.
            report: Takes one line for the operator.
        """
        self._grpc_server = grpc_server
        self._limits = limits
        self._read_configs = read_configs
        self._store = ModelStore()
        self._metrics = Metrics()
        self._rest: RestServer | None = None
        queue = RequestQueue(limits.max_running, limits.max_waiting)
        self._metrics.add_gauge(
            "fashion_queue_length", "Waiting requests.", lambda: queue.num_waiting
        )
        self._metrics.add_gauge(
            "fashion_loaded_versions",
            "Loaded versions of all models.",
            lambda: sum(len(self._store.versions(name)) for name in self._store.models()),
        )
        self._predictor = Predictor(self._store, queue, self._metrics)
        self._health = add_services(grpc_server, self._predictor)

        def load_version(number: int, path: Path) -> ServedVersion:
            served = ServedVersion(number, path, session_config)
            try:
                replay_warmup_records(served)
            except Exception:
                served.close_when_unused()
                raise
            return served

        self._watcher = VersionWatcher(self._store, read_configs, load_version, report)

    def load(self) -> None:
        """Loads the models.

        Raises:
            ValueError: Nothing can be served of one of them.
        """
        self._watcher.update()
        for config in self._read_configs():
            if not self._store.versions(config.name):
                reasons = [
                    state.error_message for state in self._store.states(config.name).values()
                ]
                reason = reasons[-1] if reasons else "none of the versions asked for is there"
                raise ValueError(f"model {config.name}: no version can be served: {reason}")

    def add_rest(
        self,
        host: str,
        port: int,
        timeout_s: float,
        tls: ServerTls | None,
        allows_cors: bool = False,
        allowed_hosts: Collection[str] | None = None,
    ) -> str:
        """Binds the REST interface; returns its address "host:port". See RestServer.

        Raises:
            ValueError: The address cannot be listened on.
        """
        check_free(host, port)
        self._rest = RestServer(
            host,
            port,
            self._predictor,
            self._metrics,
            limits=HttpLimits(
                self._limits.max_message_bytes, max(2**29, 2 * self._limits.max_message_bytes)
            ),
            timeout_s=timeout_s,
            num_threads=self._limits.num_threads,
            allows_cors=allows_cors,
            allowed_hosts=allowed_hosts,
            tls=tls.ssl_context() if tls else None,
        )
        return f"{host_text(host)}:{self._rest.server_address[1]}"

    def served_versions(self) -> dict[str, int]:
        """The default version of every model."""
        return {name: self._store.versions(name)[-1] for name in self._store.models()}

    def start(self, poll_s: float) -> None:
        """Answers requests, and looks for new versions every poll_s seconds (0: never)."""
        self._grpc_server.start()
        if self._rest:
            self._rest.start()
        set_serving(self._health, True)
        if poll_s:
            self._watcher.start(poll_s)

    def stop(self) -> None:
        """Refuses new requests, lets those under way finish."""
        set_serving(self._health, False)
        self._watcher.stop()
        ended = self._grpc_server.stop(SHUTDOWN_GRACE_S)
        if self._rest:
            self._rest.stop(SHUTDOWN_GRACE_S)
        ended.wait(SHUTDOWN_GRACE_S + 5)
