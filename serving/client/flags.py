"""The flags of every program that is a client of a server."""

from pathlib import Path

from absl import flags

from serving.client.connection import Tls
from tfseg.io import command_line

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # --help lists them as the command's own


def define_server_flags() -> None:
    """The flags of every program that is a client."""
    flags.DEFINE_string("server", "localhost:8500", "host:port of the server.")
    flags.DEFINE_string("model_name", "fashion", "The model's name on the server.")
    flags.DEFINE_integer("model_version", None, "The model's version; the highest by default.", 0)
    flags.DEFINE_string("version_label", None, "Such as stable, in place of a version.")
    flags.DEFINE_float("deadline_s", 60.0, "Seconds a request may take.", 0.001)
    flags.DEFINE_float("connect_timeout_s", 20.0, "Seconds to wait for a server.", 0.0)
    flags.DEFINE_bool("tls", False, "Speak TLS; the three files below imply it.")
    command_line.define_path("tls_ca_path", None, "PEM CA of the server's certificate.")
    command_line.define_path("tls_cert_path", None, "PEM certificate of this client.")
    command_line.define_path("tls_key_path", None, "PEM key of this client's certificate.")


def client_arguments() -> dict:
    """Keyword arguments of SegmentationClient by the flags."""
    paths = [FLAGS.tls_ca_path, FLAGS.tls_cert_path, FLAGS.tls_key_path]
    return {
        "server": FLAGS.server,
        "model_name": FLAGS.model_name,
        "version": FLAGS.model_version,
        "label": FLAGS.version_label,
        "deadline_s": FLAGS.deadline_s,
        "connect_timeout_s": FLAGS.connect_timeout_s,
        "tls": Tls(*(Path(p) if p else None for p in paths)) if FLAGS.tls or any(paths) else None,
    }
