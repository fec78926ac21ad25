"""How much memory the GPUs have, as NVIDIA's tool says: TensorFlow tells what it has taken."""

import os
import subprocess

_COMMAND = ("nvidia-smi", "--query-gpu=index,memory.total", "--format=csv,noheader,nounits")
_MIB = 2**20


def smallest_total() -> int | None:
    """Bytes of the visible GPU that has least; None where nvidia-smi does not tell.

    CUDA_VISIBLE_DEVICES chooses by number; where it names GPUs otherwise, all count.
    """
    try:
        done = subprocess.run(_COMMAND, capture_output=True, text=True, timeout=30, check=True)
        rows = (line.split(",") for line in done.stdout.splitlines() if line.strip())
        totals = {int(index): int(total) for index, total in rows}
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    chosen = [totals[int(one)] for one in visible if one.isdigit() and int(one) in totals]
    return min(chosen or totals.values()) * _MIB if totals else None
