"""A part of Clothing Co-Parsing, as a folder that is read as the whole is."""

import shutil
from collections.abc import Iterable
from pathlib import Path

_PIXELS = Path("annotations", "pixel-level")


def labelled_names(ccp_dir: Path) -> list[str]:
    """File names of the photos whose pixels are labelled, sorted."""
    return sorted(f"{path.stem}.jpg" for path in (ccp_dir / _PIXELS).glob("*.mat"))


def copy_part(ccp_dir: Path, names: Iterable[str], folder: Path) -> None:
    """Copies these photos and their labels; links would lead out of the folder, and be refused."""
    files = [Path("label_list.mat")]
    for name in names:
        files += [Path("photos", name), _PIXELS / f"{Path(name).stem}.mat"]
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ccp_dir / file, folder / file)
