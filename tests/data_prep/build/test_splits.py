import pytest

from data_prep.build.splits import SplitPlan

# sha256("post 2")'s first 8 bytes modulo 10,000 are 1397, of "post 3" 4400, of "post 4" 11: the
# key's percentages are 13.97, 44.00 and 0.11.


@pytest.mark.parametrize(
    ("val_percent", "test_percent", "expected"),
    [
        (15, 0, ["val", "train", "val"]),
        (13.97, 0, ["train", "train", "val"]),
        (5, 10, ["test", "train", "val"]),
        (0, 50, ["test", "test", "test"]),
        (0, 0, ["train", "train", "train"]),
    ],
)
def test_split_of_by_percent(val_percent, test_percent, expected):
    plan = SplitPlan(val_percent, test_percent)
    assert [plan.split_of(key) for key in ("post 2", "post 3", "post 4")] == expected


def test_split_of_by_fold_puts_each_key_in_exactly_one_val():
    plans = [SplitPlan(num_folds=5, fold=fold) for fold in range(5)]
    keys = [f"post {i}" for i in range(200)]
    val_sets = [{key for key in keys if plan.split_of(key) == "val"} for plan in plans]
    assert sum(map(len, val_sets)) == 200
    assert set().union(*val_sets) == set(keys)
    assert min(map(len, val_sets)) > 20


def test_split_of_by_fold_literal():
    # 1397 % 3 = 2, but the modulus is taken of the whole 64-bit number.
    plan = SplitPlan(num_folds=3, fold=0)
    val = [i for i in range(1, 20) if plan.split_of(f"post {i}") == "val"]
    assert val == [1, 2, 4, 8, 9, 11, 14, 19]


def test_splits_are_those_asked_for():
    assert SplitPlan(15, 0).splits == ("train", "val")
    assert SplitPlan(0, 5).splits == ("train", "test")
    assert SplitPlan(num_folds=2, fold=1).splits == ("train", "val")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"val_percent": -1}, "expected 0 or more"),
        ({"val_percent": float("nan")}, "expected 0 or more"),
        ({"val_percent": 60, "test_percent": 40}, "nothing is left for train"),
        ({"num_folds": 5}, "give both or neither"),
        ({"fold": 0}, "give both or neither"),
        ({"num_folds": 1, "fold": 0}, "expected at least 2 folds"),
        ({"num_folds": 5, "fold": 5}, "--fold=5"),
    ],
)
def test_split_plan_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        SplitPlan(**arguments)
