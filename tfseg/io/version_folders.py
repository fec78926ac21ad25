"""The folder an exported model is served from: one numbered sub-folder per version.

No library serves: TensorFlow Serving's rule, which this is, lies in its C++ server.
"""

from pathlib import Path

_MAX_VERSION = 2**63 - 1  # a version is an int64 on the wire


def version_folders(base_path: Path) -> dict[int, Path]:
    """Finds the version folders: sub-folders with a whole number that fits int64 as name.

    Where two names are one number, as 1 and 001, the one without zeros in front counts.

    Args:
        base_path: A folder.

    Returns:
        The folders by number, ascending; none where there is none.
    """
    found = {}
    for path in sorted(base_path.iterdir(), key=lambda path: -len(path.name)):
        name = path.name
        if name.isascii() and name.isdigit() and path.is_dir():
            digits = name.lstrip("0") or "0"
            if len(digits) <= 19 and int(digits) <= _MAX_VERSION:
                found[int(digits)] = path
    return dict(sorted(found.items()))


def numbered_versions(base_path: Path) -> dict[int, Path]:
    """Finds the version folders of a model that is to be served, as version_folders does.

    Raises:
        ValueError: base_path is missing, or has no such folder.
    """
    if not base_path.is_dir():
        raise ValueError(f"model_base_path {base_path} is not a folder; give the export folder.")
    versions = version_folders(base_path)
    if not versions:
        hint = "run tfseg.export with it as --export_dir"
        if (base_path / "saved_model.pb").exists():
            hint = f"it is a version itself, give its parent {base_path.resolve().parent}"
        raise ValueError(
            f"model_base_path {base_path} has no numbered version folder such as "
            f"{base_path / '1'}; {hint}."
        )
    return versions
