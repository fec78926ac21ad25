"""The validations of a training, as it writes them down."""

import json
from pathlib import Path

HISTORY_FILE = "validation.jsonl"


def read_history(model_dir: str | Path) -> list[dict]:
    """The validations of a training, the last one last: step and metrics of each.

    A last line that a kill or a full disk left half written is left out.

    Raises:
        ValueError: A line before the last is not readable.
    """
    path = Path(model_dir) / HISTORY_FILE
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    history = []
    for number, line in enumerate(lines, 1):
        try:
            history.append(json.loads(line))
        except json.JSONDecodeError:
            if number < len(lines):
                raise ValueError(
                    f"{path}: line {number} is not JSON ({line[:40]!r}); remove it."
                ) from None
    return history
