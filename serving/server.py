"""Serves a folder of numbered SavedModels over TensorFlow Serving's gRPC services.

    python -m serving.server --model_name=fashion --model_base_path=EXPORT/fashion --port=8500

Prints "serving fashion version 1 at 127.0.0.1:8500" once requests are answered. Ctrl-C or SIGTERM
lets the running requests finish and ends it.
"""

import os
import signal
import socket
import sys
from concurrent import futures
from pathlib import Path

import grpc
from absl import app, flags

from serving.version_folders import numbered_versions

FLAGS = flags.FLAGS

flags.DEFINE_string("model_name", "fashion", "The name that requests ask for.")
flags.DEFINE_string("model_base_path", None, "Folder of numbered versions (1/, 2/, ...).")
flags.DEFINE_integer("port", 8500, "TCP port; 0 takes a free one.", 0, 65535)
flags.DEFINE_string("host", "127.0.0.1", "Address to listen on; 0.0.0.0 for every interface.")

_NUM_THREADS = 32  # requests held at once; the others wait in gRPC
_SHUTDOWN_GRACE_S = 10


def bind(host: str, port: int) -> tuple[grpc.Server, str]:
    """Makes a gRPC server, not started yet, and its address "host:port".

    Raises:
        ValueError: The address cannot be listened on.
    """
    grpc_server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=_NUM_THREADS),
        options=[
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # else two servers silently share one port
        ],
    )
    host_text = f"[{host}]" if ":" in host else host
    try:
        # Asked of a plain socket first: gRPC does not say why, and logs lines of its own.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
        bound_port = grpc_server.add_insecure_port(f"{host_text}:{port}")
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"cannot listen on {host_text}:{port}: {reason}; give another --port or --host."
        ) from error
    return grpc_server, f"{host_text}:{bound_port}"


def main(argv: list[str]) -> None:
    """Loads the highest version, serves until a signal."""
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; the server takes flags only.")
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: sys.exit(0))
    try:
        version, path = max(numbered_versions(Path(FLAGS.model_base_path)).items())
        grpc_server, address = bind(FLAGS.host, FLAGS.port)
        # What can be wrong is known before the seconds that TensorFlow and the model need.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow as tf

        from serving.model_store import ModelStore, ServedVersion
        from serving.services import add_services
        from serving.warmup import replay_warmup_records

        tf.get_logger().setLevel("ERROR")
        served = ServedVersion(version, path)
        replay_warmup_records(served)
    except ValueError as error:
        sys.exit(f"error: {error}")
    store = ModelStore(FLAGS.model_name)
    store.add(served)
    add_services(grpc_server, store)
    grpc_server.start()
    print(f"serving {FLAGS.model_name} version {version} at {address}", flush=True)
    try:
        grpc_server.wait_for_termination()
    finally:
        grpc_server.stop(_SHUTDOWN_GRACE_S).wait()


if __name__ == "__main__":
    flags.mark_flag_as_required("model_base_path")
    app.run(main)
