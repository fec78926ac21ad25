"""A page: drop photos, see their garments.

    python -m serving.web --server=localhost:8500 --model_name=fashion --port=8080

Without --server, and where none answers at localhost:8500, it starts one with the model in the box.
Prints "page at http://127.0.0.1:8080/". Sends each photo to the server once, with a low threshold;
the slider, the overlays and the cutouts are the browser's work. Imports no TensorFlow.
"""

import contextlib
import signal
import threading

from absl import flags

from serving.client.flags import client_arguments, define_server_flags
from serving.web import own_server
from serving.web.page_server import PageServer
from tfseg.io import command_line

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does."""
    define_server_flags()
    flags.DEFINE_integer("port", 8080, "TCP port of the page; 0 takes a free one.", 0, 65535)
    flags.DEFINE_string("host", "127.0.0.1", "Address to listen on; 0.0.0.0 for every interface.")
    flags.DEFINE_integer("max_photo_mb", 32, "Larger photos are refused.", 1)


def _bind() -> PageServer:
    try:
        max_bytes = FLAGS.max_photo_mb * 2**20
        return PageServer(FLAGS.host, FLAGS.port, client_arguments(), max_bytes)
    except (ValueError, OSError) as error:
        place = f"{FLAGS.host}:{FLAGS.port}"
        raise ValueError(f"cannot serve the page at {place}: {error}") from error


def main(argv: list[str]) -> None:
    """Serves the page until a signal."""
    command_line.refuse_arguments(argv)
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    with command_line.one_line_errors(sigterm=False), contextlib.ExitStack() as stack:
        if not FLAGS["server"].present and not own_server.answers(FLAGS.server):
            print("no server is named: starting one with the model in the box ...", flush=True)
            FLAGS.server = stack.enter_context(own_server.started(FLAGS.model_name))
        server = _bind()
        server.start()
        host = f"[{FLAGS.host}]" if ":" in FLAGS.host else FLAGS.host
        print(f"page at http://{host}:{server.server_address[1]}/", flush=True)
        stop.wait()
        server.stop()


if __name__ == "__main__":
    command_line.run(define_flags, main)
