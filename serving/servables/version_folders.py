"""The folder an exported model is served from: one numbered sub-folder per version."""

from pathlib import Path

_MAX_DIGITS = 18  # a version is an int64 in TensorFlow Serving's messages


def numbered_versions(base_path: Path) -> dict[int, Path]:
    """Finds the version folders: sub-folders of base_path with a whole number as name.

    A number that is no int64 is passed over, as TensorFlow Serving does.

    Raises:
        ValueError: base_path is missing, or has no such folder.
    """
    if not base_path.is_dir():
        raise ValueError(f"model_base_path {base_path} is not a folder; give the export folder.")
    versions = {
        int(path.name): path
        for path in sorted(base_path.iterdir())
        if path.name.isascii() and path.name.isdigit() and path.is_dir()
        if len(path.name.lstrip("0")) <= _MAX_DIGITS
    }
    if not versions:
        hint = "run tfseg.export with it as --export_dir"
        if (base_path / "saved_model.pb").exists():
            hint = f"it is a version itself, give its parent {base_path.resolve().parent}"
        raise ValueError(
            f"model_base_path {base_path} has no numbered version folder such as "
            f"{base_path / '1'}; {hint}."
        )
    return versions
