"""The categories of product photos: ModaNet's 13 by a table of what shops call them."""

import csv
import difflib
from collections.abc import Sequence
from pathlib import Path

from data_prep.datasets.modanet.reader import CATEGORY_NAMES as MODANET_NAMES

LABELS_PATH = Path(__file__).with_name("labels.csv")


def category_ids(
    labels: Sequence[str], keeps_own: bool, where: Path
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Gives a data set's categories, and the id of each of its labels.

    Args:
        labels: the raw data's own names, each once.
        keeps_own: whether they stay; else they become ModaNet's, so that a model of either set
            can be judged and trained on the other.
        where: named in errors.

    Returns:
        The names, index 0 is category id 1, and {label: id}.

    Raises:
        ValueError: A label that the table does not know. Its own id would shift all others'.
    """
    if keeps_own:
        return tuple(labels), {label: i for i, label in enumerate(labels, start=1)}
    table = read_labels()
    unknown = [label for label in labels if label.strip().casefold() not in table]
    if unknown:
        named = ", ".join(repr(label) for label in unknown[:5])
        close = difflib.get_close_matches(unknown[0].casefold(), table, 1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(
            f"{where}: got the categories {named}{hint}, which are none of ModaNet's: "
            f"{', '.join(MODANET_NAMES)}. Give them a name of these or of {LABELS_PATH}, or keep "
            "the data set's own with --categories=own."
        )
    ids = {name: index for index, name in enumerate(MODANET_NAMES, start=1)}
    return MODANET_NAMES, {label: ids[table[label.strip().casefold()]] for label in labels}


def read_labels() -> dict[str, str]:
    """Reads the table: what shops call it, in small letters -> ModaNet's category."""
    with LABELS_PATH.open(newline="", encoding="utf-8") as file:
        return {row["label"]: row["modanet_category"] for row in csv.DictReader(file)}
