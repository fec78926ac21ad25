"""Runs a command as on a machine with N GPUs, which are devices of the CPU.

    python -m tests.tfseg.training.gpu_path.faked_gpus N tfseg.train --data_dir=...

The project's code sees N GPUs and takes its way for them: MirroredStrategy, Keras's mixed
precision, XLA. TensorFlow and Model Garden compute on the CPU; collectives between the devices are
of the kind that XLA compiles. What a real GPU adds cannot be seen: cuDNN, NCCL, memory, speed.
"""

import runpy
import sys
from pathlib import Path

import tensorflow as tf
from tensorflow.python.distribute import collective_util, mirrored_strategy

_ASKING = ("__main__", "tfseg", "serving", "tests", "official")


def fake(num_gpus: int) -> None:
    """Makes this process see GPUs; before TensorFlow's devices are used."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * num_gpus
    )
    mirrored_strategy._is_gpu_device = lambda device: True
    make_ops = mirrored_strategy.MirroredExtended._make_collective_ops_with_fallbacks

    def make_collective_ops(extended):
        made = make_ops(extended)
        # Devices named CPU would get rings, which XLA does not compile.
        extended._communication_options = collective_util.Options()
        for launcher in made._launchers:
            launcher._options = collective_util.Options()
        return made

    mirrored_strategy.MirroredExtended._make_collective_ops_with_fallbacks = make_collective_ops
    for name in ("list_physical_devices", "list_logical_devices"):
        real = getattr(tf.config, name)
        setattr(tf.config, name, _answering(real, num_gpus))


def _answering(real, num_gpus):
    def listed(device_type=None):
        caller = sys._getframe(1).f_globals.get("__name__", "").split(".")[0]
        if device_type == "GPU" and caller in _ASKING:
            return (real("CPU") * num_gpus)[:num_gpus]
        return real(device_type)

    return listed


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    fake(int(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
