import pytest

from tests.tfseg import matches, perturbed_truth
from tfseg.evaluation import coco_metrics
from tfseg.evaluation.error_analysis import analyse_errors, classify
from tfseg.evaluation.instance_matching import match_images


def test_classify_names_every_kind():
    image = matches.image(
        iou=[
            [0.9, 0.0, 0.0, 0.0],  # a bag: right
            [0.8, 0.0, 0.0, 0.0],  # the same bag again
            [0.0, 0.7, 0.0, 0.0],  # a belt, called a bag
            [0.0, 0.0, 0.3, 0.0],  # boots, badly outlined
            [0.0, 0.3, 0.0, 0.0],  # part of a belt, called boots
            [0.05, 0.0, 0.0, 0.0],  # nothing
        ],
        scores=[0.9, 0.8, 0.7, 0.6, 0.5, 0.4],
        category_ids=[1, 1, 1, 3, 3, 1],
        truth_category_ids=[1, 2, 3, 1],
    )

    kinds, targets, missed = classify(image)

    assert kinds == ["", "duplicate", "category", "location", "both", "background"]
    assert targets.tolist() == [0, -1, 1, 2, -1, -1]
    assert missed.tolist() == [False, False, False, True]


def test_classify_lets_a_crowd_count_for_nothing():
    image = matches.image([[0.9, 0.0]], [0.9], [1], [1, 1], crowd=[0, 1])

    kinds, _, missed = classify(image)

    assert kinds == ["crowd"]
    assert missed.tolist() == [False, False]


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (matches.image([[0.9], [0.8]], [0.9, 0.5], [1, 1], [1]), None),
        (matches.image([[0.7]], [0.9], [2], [1]), "category"),
        (matches.image([[0.3]], [0.9], [1], [1]), "location"),
        (matches.image([], [], [], [1]), "missed"),
    ],
)
def test_all_that_is_lost_is_lost_to_the_only_mistake(image, kind):
    errors = analyse_errors([image])

    if kind is None:
        assert errors.ap50 == pytest.approx(1)
        assert sum(errors.lost.values()) == 0
    else:
        assert errors.ap50 == 0
        assert {k: v for k, v in errors.lost.items() if v} == {kind: pytest.approx(1)}
        assert errors.gain[kind] == pytest.approx(1)


def test_two_mistakes_share_what_only_mending_both_brings_back():
    # The only instance is missed and a false alarm scores above all: alone, mending the false alarm
    # gains nothing, and mending the miss leaves nothing to find.
    image = matches.image([[0.0], [0.3]], [0.9, 0.8], [1, 1], [1])

    errors = analyse_errors([image])

    # Mending the mask alone: precision 1/2 at recall 1. Mending both: 1. Mending background: 0.
    assert errors.gain["location"] == pytest.approx(0.5)
    assert errors.gain["background"] == 0
    assert errors.lost["location"] == pytest.approx((0.5 + 1) / 2)
    assert errors.lost["background"] == pytest.approx((0 + 0.5) / 2)


def test_shares_add_up_and_ap50_is_cocos():
    content, results = perturbed_truth.make(60, 4, seed=7, crowds=True)
    ground_truth = coco_metrics.ground_truth_from_content(content)

    errors = analyse_errors(match_images(ground_truth, results))

    expected = coco_metrics.evaluate_coco(ground_truth, results)["mask/AP50"]
    assert errors.ap50 == pytest.approx(expected, abs=1e-9)
    assert sum(errors.lost.values()) == pytest.approx(1 - expected)
    assert all(value > 0 for value in errors.lost.values())
    assert all(errors.gain[kind] >= 0 for kind in errors.gain)


def test_counts_are_by_found_category_and_missed_ones_by_true():
    image = matches.image([[0.7, 0.0]], [0.9], [2], [1, 3])

    assert {
        k: {n: c for n, c in v.items() if c} for k, v in analyse_errors([image]).counts.items()
    } == {
        2: {"category": 1},
        3: {"missed": 1},
    }


def test_nothing_at_all():
    assert sum(analyse_errors([]).lost.values()) == 0
