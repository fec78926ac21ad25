"""The data sets as one, in ModaNet's categories."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.datasets.fgvc6 import raw_files as fgvc6_files
from data_prep.datasets.fgvc6 import reader as fgvc6
from data_prep.datasets.modanet import raw_files as modanet_files
from data_prep.datasets.modanet import reader as modanet
from data_prep.datasets.product import reader as product
from data_prep.prepared import CATEGORY_MAP_PATH, category_map
from data_prep.readers.raw_dataset import RawDataset, RawSource

__all__ = ["CATEGORY_MAP_PATH", "CombinedPaths", "find_raw_files", "open_raw_dataset"]

_FIRST_PRODUCT_ID = fgvc6.FIRST_TEST_ID + 2**21


@dataclass(frozen=True)
class CombinedPaths:
    """Where the raw files lie; `product` is None where there are no product photos."""

    modanet: modanet_files.ModanetPaths
    fgvc6: fgvc6_files.Fgvc6Paths
    product: product.ProductPaths | None

    @property
    def files(self) -> list[Path]:
        """Of all."""
        files = [*self.modanet.files, *self.fgvc6.files]
        return files if self.product is None else [*files, *self.product.files]


def find_raw_files(
    raw_dir: Path, fgvc6_dir: Path | None = None, product_dir: Path | None = None
) -> CombinedPaths:
    """Finds the data sets below one folder.

    Args:
        raw_dir: holds modanet/ and paperdoll/, and fgvc6/ and product/ unless they are given.
        fgvc6_dir: the folder that holds train.csv.
        product_dir: as the data set product takes it; product/ may be missing, this may not.

    Raises:
        ValueError: A file is missing.
    """
    if product_dir is None and (raw_dir / "product").is_dir():
        product_dir = raw_dir / "product"
    return CombinedPaths(
        modanet_files.find_raw_files(raw_dir),
        fgvc6_files.find_raw_files(fgvc6_dir or raw_dir / "fgvc6"),
        None if product_dir is None else product.find_raw_files(product_dir),
    )


def open_raw_dataset(paths: CombinedPaths, max_side: int | None) -> RawDataset:
    """Opens the data sets; no photos yet.

    Args:
        paths: from find_raw_files.
        max_side: the longest side to keep, pixels; None keeps the size.

    Raises:
        ValueError: A file is not what it should be, or has a category the map does not know.
    """
    names = modanet.CATEGORY_NAMES
    ids = {name: index for index, name in enumerate(names, start=1)}
    modanet_raw = modanet.open_raw_dataset(paths.modanet, max_side)
    fgvc6_raw = fgvc6.open_raw_dataset(paths.fgvc6, max_side, _fgvc6_ids(paths, ids))
    sources = _named("modanet", modanet_raw.sources) + _named("fgvc6", fgvc6_raw.sources)
    if paths.product is not None:
        raw_names = product.raw_category_names(paths.product)
        category_ids = {name: ids.get(name) for name in raw_names}
        source = product.open_source(paths.product, category_ids, max_side, _FIRST_PRODUCT_ID)
        sources += _named("product", [source])
    _check_image_ids(sources)
    return RawDataset(names, sources, fgvc6_raw.attribute_names)


def _fgvc6_ids(paths: CombinedPaths, ids: dict[str, int]) -> dict[int, int | None]:
    labels = fgvc6_files.read_labels(paths.fgvc6.label_descriptions)
    mapped = category_map()
    unknown = sorted(set(labels.category_names) - set(mapped))
    if unknown:
        raise ValueError(
            f"{paths.fgvc6.label_descriptions}: got the category {unknown[0]!r}, which "
            f"{CATEGORY_MAP_PATH} does not map; add a line for it there."
        )
    return {i: ids.get(mapped[name] or "") for i, name in enumerate(labels.category_names)}


def _named(data_set: str, sources: Sequence[RawSource]) -> list[RawSource]:
    for source in sources:
        source.name = f"{data_set}: {source.name}"
    return list(sources)


def _check_image_ids(sources: list[RawSource]) -> None:
    source_of_id: dict[int, str] = {}
    for source in sources:
        for key in source.keys:
            first = source_of_id.setdefault(key.image_id, source.name)
            if first != source.name:
                raise ValueError(
                    f"image {key.image_id} is in '{first}' and in '{source.name}', expected an id "
                    "once; give the images of the json in --product_dir smaller ids."
                )
