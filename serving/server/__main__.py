"""Serves folders of numbered SavedModels as TensorFlow Serving does: gRPC, and REST if wanted.

    python -m serving.server --model_name=fashion --model_base_path=EXPORT/fashion --port=8500

Without --model_base_path it serves the model in the box, fashion_lite. Prints
"serving fashion version 1 at 127.0.0.1:8500" once requests are answered. New versions are loaded,
warmed and switched to as they appear. Ctrl-C or SIGTERM lets the running requests finish and ends
it.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from absl import flags

from serving.servables.model_config import ModelConfig, read_model_config_file
from serving.server.listening import SHUTDOWN_GRACE_S, Limits, bind
from serving.server.tls import ServerTls
from tfseg.io import command_line, cpu_precision, tensorflow_log
from tfseg.io.version_folders import numbered_versions
from tfseg.zoo import packaged_models

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does. Names are TensorFlow Serving's."""
    flags.DEFINE_string("model_name", "fashion", "The name that requests ask for.")
    command_line.define_path("model_base_path", None, "Folder of numbered versions (1/, 2/, ...).")
    command_line.define_path(
        "model_config_file", None, "Several models, policies and labels: a models.config."
    )
    flags.DEFINE_integer("port", 8500, "TCP port for gRPC; 0 takes a free one.", 0, 65535)
    flags.DEFINE_integer("rest_api_port", -1, "TCP port for REST; -1: no REST.", -1, 65535)
    flags.DEFINE_string("host", "127.0.0.1", "Address to listen on; 0.0.0.0 for every interface.")
    flags.DEFINE_float(
        "file_system_poll_wait_seconds", 1.0, "Look for new versions so often; 0: never.", 0.0
    )
    flags.DEFINE_enum(
        "mixed_precision",
        "",
        ["", "bfloat16", "auto"],
        "Compute in it on this CPU; auto: where a short measurement finds it faster.",
    )
    flags.DEFINE_integer("tensorflow_intra_op_parallelism", 0, "Threads of one operation.", 0)
    flags.DEFINE_integer("tensorflow_inter_op_parallelism", 0, "Operations at once.", 0)
    flags.DEFINE_integer("max_running", 0, "Requests run at once; 0: one for each core.", 0)
    flags.DEFINE_integer("max_waiting", 64, "Requests that wait; more are refused.", 0)
    flags.DEFINE_integer("max_message_mb", 64, "Larger requests are refused.", 1, 2047)
    flags.DEFINE_bool(
        "rest_api_enable_cors_support", False, "Let pages of other sites ask over REST."
    )
    flags.DEFINE_list(
        "rest_allowed_hosts",
        [],
        "Names (no ports) that REST answers to; unless given, this machine's own on a loopback "
        "address, else all.",
    )
    flags.DEFINE_float("rest_timeout_s", 60.0, "Deadline of a REST request.", 0.001)
    command_line.define_path("tls_cert_path", None, "PEM certificate: speak TLS only.")
    command_line.define_path("tls_key_path", None, "PEM key of the certificate.")
    command_line.define_path("tls_client_ca_path", None, "PEM CA of the clients' certificates.")


def read_configs() -> list[ModelConfig]:
    """The models that the flags name, read anew.

    Raises:
        ValueError: Both flags are given, or the file is malformed.
    """
    if FLAGS.model_base_path is not None and FLAGS.model_config_file is not None:
        raise ValueError("give either --model_base_path or --model_config_file.")
    if FLAGS.model_config_file:
        return read_model_config_file(Path(FLAGS.model_config_file))
    if FLAGS.model_base_path is None:
        return [ModelConfig(FLAGS.model_name, packaged_models.saved_model())]
    return [ModelConfig(FLAGS.model_name, Path(FLAGS.model_base_path))]


def _load():
    """Binds and loads what the flags name; the server answers nobody yet.

    Returns:
        The server, and its gRPC address "host:port".

    Raises:
        ValueError: A flag, a file or a model is unusable, or an address is taken.
    """
    for config in read_configs():
        numbered_versions(config.base_path)
    limits = Limits(FLAGS.max_running or os.cpu_count() or 1, FLAGS.max_waiting, _max_bytes())
    tls = _tls()
    grpc_server, address = bind(FLAGS.host, FLAGS.port, limits, tls)
    # What can be wrong is known before the seconds that TensorFlow and the models need.
    tensorflow_log.quiet()
    import tensorflow as tf

    from serving.servables.model_store import session_config
    from serving.server.embedded_server import EmbeddedServer

    tf.get_logger().setLevel("ERROR")
    options = session_config(
        _mixed_precision(),
        FLAGS.tensorflow_intra_op_parallelism,
        FLAGS.tensorflow_inter_op_parallelism,
    )
    server = EmbeddedServer(grpc_server, limits, read_configs, options, _report)
    server.load()
    if FLAGS.rest_api_port >= 0:
        rest_address = server.add_rest(
            FLAGS.host,
            FLAGS.rest_api_port,
            FLAGS.rest_timeout_s,
            tls,
            allows_cors=FLAGS.rest_api_enable_cors_support,
            allowed_hosts=FLAGS.rest_allowed_hosts or None,
        )
        print(f"REST at {rest_address}", flush=True)
    return server, address


def _max_bytes() -> int:
    return FLAGS.max_message_mb * 2**20


def _tls() -> ServerTls | None:
    key, cert, client_ca = FLAGS.tls_key_path, FLAGS.tls_cert_path, FLAGS.tls_client_ca_path
    if not (key or cert or client_ca):
        return None
    if not (key and cert):
        raise ValueError("TLS needs both --tls_cert_path and --tls_key_path.")
    return ServerTls(Path(key), Path(cert), Path(client_ca) if client_ca else None)


def _mixed_precision() -> str:
    if FLAGS.mixed_precision != "auto":
        return FLAGS.mixed_precision
    return "bfloat16" if cpu_precision.gains_by_bfloat16(cpu_precision.INFERENCE) else ""


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(argv: list[str]) -> None:
    """Loads the models, serves until a signal."""
    command_line.refuse_arguments(argv)
    stop = threading.Event()

    def end(*_):
        # Whatever holds Python by then, the kernel ends the process.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SHUTDOWN_GRACE_S + 10)
        stop.set()
        if not is_serving:
            sys.exit(0)

    is_serving = False
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, end)
    with command_line.one_line_errors(sigterm=False):
        server, address = _load()
        # From here on a signal lets requests finish; to leave by an exception would wait for ever
        # for gRPC's threads.
        is_serving = True
        server.start(FLAGS.file_system_poll_wait_seconds)
    for name, version in server.served_versions().items():
        print(f"serving {name} version {version} at {address}", flush=True)
    stop.wait()
    server.stop()
    # A thread that was given up in a decoder cannot be stopped, and Python would wait for it.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    command_line.run(define_flags, main)
