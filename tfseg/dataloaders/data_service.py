"""Makes training batches on other machines: tf.data service's dispatcher and workers.

python -m tfseg.dataloaders.data_service --port=5050
python -m tfseg.dataloaders.data_service --dispatcher=grpc://HOST:5050

The first is the one dispatcher, the second a worker, any number of them, where processors are free.
Train with tfseg.train --data_service=grpc://HOST:5050. Workers read the shards themselves, under
the same path as the training does. There is no encryption or password: for a closed network.
"""

import os
import signal
import socket
import time

from absl import flags

from tfseg.io import command_line

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    flags.DEFINE_integer("port", 0, "Port to listen on; 0: any free one.", 0, 65535)
    flags.DEFINE_string(
        "dispatcher", None, "grpc://HOST:PORT of the dispatcher to work for; without: be it."
    )
    flags.DEFINE_string(
        "host", socket.gethostname(), "Name or address under which trainings reach this worker."
    )


def main(argv) -> None:
    """Serves until it is interrupted."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors(again=None):
        from tfseg.dataloaders import remote_input

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _end)
        if FLAGS.dispatcher:
            remote_input.check_reachable(FLAGS.dispatcher, "--dispatcher")
            server = remote_input.start_worker(FLAGS.dispatcher, FLAGS.host, FLAGS.port)
            print(f"worker of {FLAGS.dispatcher}, reached as {FLAGS.host}.", flush=True)
        else:
            server = remote_input.start_dispatcher(FLAGS.port)
            print(f"dispatcher: {server.target}", flush=True)
        while True:  # in turns: a signal that one of TensorFlow's threads is given is seen too
            time.sleep(0.5)


def _end(*_) -> None:
    os._exit(130)  # nothing is to be saved, and TensorFlow would wait for who is connected


if __name__ == "__main__":
    command_line.run(define_flags, main)
