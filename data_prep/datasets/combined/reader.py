"""The data sets as one, in ModaNet's categories."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.datasets.ccp import raw_files as ccp_files
from data_prep.datasets.ccp import reader as ccp
from data_prep.datasets.fgvc6 import raw_files as fgvc6_files
from data_prep.datasets.fgvc6 import reader as fgvc6
from data_prep.datasets.modanet import raw_files as modanet_files
from data_prep.datasets.modanet import reader as modanet
from data_prep.datasets.product import reader as product
from data_prep.datasets.product.categories import read_labels
from data_prep.datasets.product.reader import ProductPaths
from data_prep.prepared import CATEGORY_MAP_PATH, category_map
from data_prep.readers.raw_dataset import RawDataset, RawSource

__all__ = ["CATEGORY_MAP_PATH", "CombinedPaths", "find_raw_files", "open_raw_dataset"]

_FIRST_PRODUCT_ID = fgvc6.FIRST_TEST_ID + 2**21


@dataclass(frozen=True)
class CombinedPaths:
    """Where the raw files lie; None for a set that is not there."""

    modanet: modanet_files.ModanetPaths | None = None
    fgvc6: fgvc6_files.Fgvc6Paths | None = None
    ccp: ccp_files.CcpPaths | None = None
    product: ProductPaths | None = None

    @property
    def files(self) -> list[Path]:
        """Of all."""
        sets = (self.modanet, self.fgvc6, self.ccp, self.product)
        return [file for paths in sets if paths is not None for file in paths.files]


def find_raw_files(
    raw_dir: Path,
    fgvc6_dir: Path | None = None,
    ccp_dir: Path | None = None,
    product_dir: Path | None = None,
) -> CombinedPaths:
    """Finds the data sets that lie below one folder, or where they are said to be.

    Args:
        raw_dir: holds modanet/ and paperdoll/, fgvc6/, ccp/, product/: those that are to be in it.
        fgvc6_dir: the folder that holds train.csv.
        ccp_dir: the folder that holds Clothing Co-Parsing's photos/ and annotations/.
        product_dir: as the data set product takes it.

    Raises:
        ValueError: There is none of them, or a file of one is missing.
    """
    has_modanet = (raw_dir / "modanet").exists() or (raw_dir / "paperdoll").exists()
    fgvc6_dir, ccp_dir, product_dir = (
        given or (raw_dir / name if (raw_dir / name).is_dir() else None)
        for name, given in (("fgvc6", fgvc6_dir), ("ccp", ccp_dir), ("product", product_dir))
    )
    if not has_modanet and fgvc6_dir is ccp_dir is product_dir is None:
        raise ValueError(
            f"{raw_dir}: holds none of the data sets; expected at least one of modanet/ (with "
            "paperdoll/), fgvc6/, ccp/ and product/ in --raw_dir."
        )
    return CombinedPaths(
        modanet_files.find_raw_files(raw_dir) if has_modanet else None,
        None if fgvc6_dir is None else fgvc6_files.find_raw_files(fgvc6_dir),
        None if ccp_dir is None else ccp_files.find_raw_files(ccp_dir),
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
    sources: list[RawSource] = []
    attribute_names: dict[int, str] = {}
    if paths.modanet is not None:
        raw = modanet.open_raw_dataset(paths.modanet, max_side)
        sources += _named("modanet", raw.sources)
        attribute_names |= raw.attribute_names
    if paths.fgvc6 is not None:
        raw = fgvc6.open_raw_dataset(paths.fgvc6, max_side, _fgvc6_ids(paths.fgvc6, ids))
        sources += _named("fgvc6", raw.sources)
        attribute_names |= raw.attribute_names
    if paths.ccp is not None:
        sources += _named("ccp", ccp.open_raw_dataset(paths.ccp, max_side).sources)
    if paths.product is not None:
        table = read_labels()
        category_ids = {
            name: ids.get(table.get(name.strip().casefold(), ""))
            for name in product.raw_category_names(paths.product)
        }
        source = product.open_source(paths.product, category_ids, max_side, _FIRST_PRODUCT_ID)
        sources += _named("product", [source])
    _check_image_ids(sources)
    return RawDataset(names, sources, attribute_names)


def _fgvc6_ids(paths: fgvc6_files.Fgvc6Paths, ids: dict[str, int]) -> dict[int, int | None]:
    labels = fgvc6_files.read_labels(paths.label_descriptions)
    mapped = category_map()
    unknown = sorted(set(labels.category_names) - set(mapped))
    if unknown:
        raise ValueError(
            f"{paths.label_descriptions}: got the category {unknown[0]!r}, which "
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
