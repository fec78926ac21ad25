"""Batches that tf.data service's workers make, for machines whose processors are too few."""

import re
import socket

import tensorflow as tf

_ADDRESS = re.compile(r"grpc://(\[[^\]]+\]|[^:/\[\]]+):(\d{1,5})")


def check_reachable(address: str, flag: str, timeout_s: float = 10.0) -> None:
    """Connects to a dispatcher once; tf.data itself would try for hours without a word.

    Args:
        address: As grpc://HOST:PORT.
        flag: Where it was given, for the errors.
        timeout_s: How long to wait for an answer, seconds.

    Raises:
        ValueError: It is no such address, or nothing listens there.
    """
    match = _ADDRESS.fullmatch(address)
    if not match:
        raise ValueError(f"{flag}={address}: expected grpc://HOST:PORT, as grpc://10.0.0.5:5050.")
    host, port = match[1].strip("[]"), int(match[2])
    try:
        socket.create_connection((host, port), timeout_s).close()
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"{flag}={address}: no dispatcher answers there ({error}); start it with "
            f"python -m tfseg.dataloaders.data_service --port={port}, and workers beside it."
        ) from None


def start_dispatcher(port: int) -> tf.data.experimental.service.DispatchServer:
    """Starts a dispatcher in this process; it ends with the object. Port 0: any free one."""
    service = tf.data.experimental.service
    return service.DispatchServer(service.DispatcherConfig(port=port))


def start_worker(
    dispatcher: str, host: str, port: int = 0
) -> tf.data.experimental.service.WorkerServer:
    """Starts a worker in this process; it ends with the object.

    Args:
        dispatcher: grpc://HOST:PORT of the dispatcher.
        host: Under which trainings reach this machine.
        port: To listen on; 0: any free one.
    """
    service = tf.data.experimental.service
    config = service.WorkerConfig(
        dispatcher_address=dispatcher.removeprefix("grpc://"),
        worker_address=f"{host}:{port or '%port%'}",  # the service fills the port in
        port=port,
    )
    return service.WorkerServer(config)


def from_service(batches: tf.data.Dataset, address: str) -> tf.data.Dataset:
    """Lets a service's workers make the batches.

    Args:
        batches: Made from a range of batch numbers at its source. The dispatcher hands the numbers
            out one by one: no batch comes twice, whatever the number of workers.
        address: grpc://HOST:PORT of the dispatcher.

    Returns:
        The same batches as they become ready, which is nearly their order. The batches in the
        hands of a worker that dies are lost, and the training goes on with those that follow.
    """
    service = tf.data.experimental.service
    return batches.apply(
        service.distribute(processing_mode=service.ShardingPolicy.DYNAMIC, service=address)
    )
