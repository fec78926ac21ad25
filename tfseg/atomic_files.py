"""Text files that are written whole or not at all."""

from pathlib import Path


def write_whole(path: str | Path, text: str) -> None:
    """Writes a UTF-8 text file through a partial one beside it; makes its folder where missing."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(target)
