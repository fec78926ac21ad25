"""A batch over two devices gets the answers that one gives."""

import json
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.slow

# Logical devices are made before TensorFlow's first use, so in a process of their own.
COMPARED = """
    import json
    import cv2, numpy as np, tensorflow as tf
    from tests.tfseg import tiny_model
    from tfseg.inference.replicas import detect_on_replicas, num_local_replicas
    from tfseg.inference.serving_module import ServingModule

    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = tiny_model.build()
    module = ServingModule(model, (64, 96), 5, ("bag", "belt", "boots"))
    random = np.random.default_rng(3)
    sizes = [(60, 90), (120, 40), (64, 96), (30, 200), (90, 60), (500, 300), (8, 8)]
    photos = [
        cv2.imencode(".png", random.integers(0, 255, (*size, 3), np.uint8))[1].tobytes()
        for size in sizes
    ]
    spread = detect_on_replicas(module.detect, strategy)
    told = []
    for count in (7, 6, 1):
        batch = tf.constant(photos[:count], tf.string)
        one, all_of = module.detect(batch), spread(batch)
        nums = one["num_detections"].numpy()
        num_devices = num_local_replicas(strategy)
        told.append({"found": int(nums.sum()), "differing": [], "devices": num_devices})
        assert one.keys() == all_of.keys()
        for name in one:
            mine, others = one[name].numpy(), all_of[name].numpy()
            for index, num in enumerate(nums):
                a, b = np.asarray(mine[index]), np.asarray(others[index])
                if a.ndim:
                    a, b = a[:num], b[:num]
                close = np.allclose(a, b, atol=1e-3) if a.dtype.kind == "f" else (a == b).all()
                if not close:
                    told[-1]["differing"].append(name)
    print(json.dumps(told))
"""


def test_two_devices_answer_as_one_does():
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(COMPARED)], capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stderr[-3000:]
    told = json.loads(ended.stdout.splitlines()[-1])
    assert [one["differing"] for one in told] == [[], [], []]
    assert told[0]["found"] > 10 and told[0]["devices"] == 2
