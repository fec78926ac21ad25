"""Asks an exported model through the server, on the GPU and on the CPU: is it one answer?"""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from serving.client import SegmentationClient
from tests.benchmarks.gpu_check.cases import REPO_DIR, command
from tfseg.io import child_process
from tfseg.structures.detections import Detections

# Single precision's sums come out otherwise in another order; TF32 has 10 bits of mantissa.
LEAST_MASK_IOU, MOST_SCORE_DIFFERENCE = 0.95, 0.02
_UNSURE = 0.05  # a score so near the threshold may fall on either side


def compare(found: Detections, expected: Detections, threshold: float) -> dict:
    """Matches the detections of two answers to one photo.

    Args:
        found: One answer.
        expected: The other.
        threshold: The score that both were asked for.

    Returns:
        equal: Every detection that is surely above the threshold is in both, and nothing else.
        num_detections: Of the expected ones, those that surely are.
        mask_iou: The least IoU of the masks of two that match.
        score_difference: The largest difference of their scores.
    """
    sure = threshold + _UNSURE
    pairs = [(found, expected), (expected, found)]
    ious, differences = [1.0], [0.0]
    for one, other in pairs:
        masks, other_masks = one.masks, other.masks  # decoded anew each time
        for index in np.flatnonzero(one.scores >= sure):
            same = np.flatnonzero(other.category_ids == one.category_ids[index])
            overlaps = [_iou(masks[index], other_masks[k]) for k in same]
            best = int(np.argmax(overlaps)) if overlaps else None
            ious.append(0.0 if best is None else overlaps[best])
            if best is not None:
                differences.append(abs(float(one.scores[index] - other.scores[same[best]])))
    return {
        "equal": min(ious) >= LEAST_MASK_IOU and max(differences) <= MOST_SCORE_DIFFERENCE,
        "num_detections": int((expected.scores >= sure).sum()),
        "mask_iou": float(min(ious)),
        "score_difference": float(max(differences)),
    }


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    union = (one | other).sum()
    return float((one & other).sum() / union) if union else 1.0


@contextlib.contextmanager
def _server(export_dir: Path, faked_gpus: int, **environment: str) -> Iterator[str]:
    options = (f"--model_base_path={export_dir}", "--port=0")
    server = subprocess.Popen(
        command("serving.server", *options, faked_gpus=faked_gpus),
        cwd=REPO_DIR,
        env=child_process.environment(TF_CPP_MIN_LOG_LEVEL="3", **environment),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None, "it is piped"
        line = server.stdout.readline()
        if not line.startswith("serving "):
            raise RuntimeError("serving.server does not start; its reason is above.")
        yield line.split()[-1]
    finally:
        server.terminate()
        try:
            server.wait(35)
        except subprocess.TimeoutExpired:
            server.kill()


def measure(photo: bytes, work_dir: Path, faked_gpus: int = 0, threshold: float = 0.3) -> dict:
    """Exports the model in the box and asks both servers about a photo; see compare.

    Raises:
        RuntimeError: The export fails, or a server does not start.
    """
    export_dir = work_dir / "export"
    options = ("--model=fashion_lite", f"--export_dir={export_dir}")
    done = subprocess.run(
        command("tfseg.export", *options, faked_gpus=min(faked_gpus, 1)),
        cwd=REPO_DIR,
        env=child_process.environment(),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"tfseg.export fails:\n{done.stderr[-2000:]}")
    found = []
    for faked, hidden in ((min(faked_gpus, 1), {}), (0, {"CUDA_VISIBLE_DEVICES": "-1"})):
        with (
            _server(export_dir, faked, **hidden) as address,
            SegmentationClient(address, "fashion") as client,
        ):
            found.append(client.detect([photo], score_threshold=threshold)[0])
    on_gpu, on_cpu = found
    if not (isinstance(on_gpu, Detections) and isinstance(on_cpu, Detections)):
        raise RuntimeError(f"a server does not read the drawn photo: {on_gpu}, {on_cpu}")
    return compare(on_gpu, on_cpu, threshold)
