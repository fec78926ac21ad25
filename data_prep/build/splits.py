"""Which split an image belongs to: a stable hash, the same on every machine and in every order."""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

_NUM_BUCKETS = 10_000  # a hundredth of a percent


@dataclass(frozen=True)
class SplitPlan:
    """How images are divided.

    Attributes:
        val_percent: 0..100, of the split keys, about.
        test_percent: 0..100, likewise.
        num_folds: None, or at least 2: fold `fold` of them is val, the others are train.
        fold: 0 .. num_folds - 1.

    Raises:
        ValueError: A value is outside its range.
    """

    val_percent: float = 15.0
    test_percent: float = 0.0
    num_folds: int | None = None
    fold: int | None = None

    def __post_init__(self):
        if self.num_folds is None and self.fold is None:
            if not min(self.val_percent, self.test_percent) >= 0:  # NaN too
                raise ValueError(
                    f"got --val_percent={self.val_percent} --test_percent={self.test_percent}, "
                    "expected 0 or more."
                )
            if self.val_percent + self.test_percent >= 100:
                raise ValueError(
                    f"got --val_percent={self.val_percent} --test_percent={self.test_percent}, "
                    "expected less than 100 together: nothing is left for train."
                )
        elif self.num_folds is None or self.fold is None:
            raise ValueError("--num_folds and --fold go together; give both or neither.")
        elif self.num_folds < 2 or not 0 <= self.fold < self.num_folds:
            raise ValueError(
                f"got --num_folds={self.num_folds} --fold={self.fold}, expected at least 2 folds "
                "and a fold from 0 to one less."
            )

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that must not be empty."""
        if self.num_folds is not None:
            return ("train", "val")
        names = [("train", 1), ("val", self.val_percent), ("test", self.test_percent)]
        return tuple(name for name, percent in names if percent > 0)

    def with_none_empty(self, split_keys: Iterable[str], fixed: Collection[str]) -> dict[str, str]:
        """Gives each split that a small data set would leave empty one key of train's.

        Args:
            split_keys: all of the data set.
            fixed: splits that have photos anyhow.

        Returns:
            The split of each key that is moved: the one nearest by its hash, so that it stays
            there while the data set grows, until that split has keys of its own. Train keeps at
            least one.
        """
        keys = sorted(set(split_keys), key=lambda key: (_number(key) % _NUM_BUCKETS, key))
        used = {self.split_of(key) for key in keys} | set(fixed)
        spare = [key for key in keys if self.split_of(key) == "train"]
        moved = {}
        for split in self.splits:
            if split not in used and len(spare) > 1:
                moved[spare.pop(0)] = split
        return moved

    def split_of(self, split_key: str) -> str:
        """Gives the split of all images with this key."""
        number = _number(split_key)
        if self.num_folds is not None:
            return "val" if number % self.num_folds == self.fold else "train"
        percent = number % _NUM_BUCKETS * 100 / _NUM_BUCKETS
        if percent < self.val_percent:
            return "val"
        return "test" if percent < self.val_percent + self.test_percent else "train"


def _number(split_key: str) -> int:
    return int.from_bytes(hashlib.sha256(split_key.encode()).digest()[:8], "big")
