import pytest

from data_prep.readers.review_folder import ReviewedInstance, ReviewedPhoto
from data_prep.review.garments.order import ordered, uncertainty

COUNTS = "0"  # nothing is decoded here


def photo(name, *found, dhash="", flip=None, other=None):
    instances = tuple(ReviewedInstance(category, score, COUNTS) for category, score in found)
    looks = {"flip_disagreement": flip, "model_disagreement": other}
    return ReviewedPhoto(name, 4, 4, instances, dhash=dhash, **looks)


def names(placed):
    return [one.file_name for one in placed]


@pytest.mark.parametrize(
    ("score", "threshold", "expected"),
    [(0.5, 0.5, 1), (0, 0.5, 0), (1, 0.5, 0), (0.75, 0.5, 0.5), (0.2, 0.8, 0.25), (1, 1, 1)],
)
def test_uncertainty_falls_from_the_threshold_to_both_ends(score, threshold, expected):
    assert uncertainty(score, threshold) == pytest.approx(expected)


def test_scores_near_the_threshold_of_their_category_come_first():
    photos = [photo("sure.jpg", ("top", 0.95)), photo("half.jpg", ("top", 0.5))]
    assert names(ordered(photos, {"top": 0.5})) == ["half.jpg", "sure.jpg"]
    assert names(ordered(photos, {"top": 0.99})) == ["sure.jpg", "half.jpg"]


def test_of_equally_unsure_photos_the_rare_category_comes_first():
    photos = [photo(f"{i}.jpg", ("top", 0.5)) for i in range(9)] + [photo("z.jpg", ("scarf", 0.5))]
    placed = ordered(photos, {})
    assert placed[0].file_name == "z.jpg"
    assert placed[0].reasons == ("unsure: scarf 0.50", "rare: scarf")
    # Of one garment in three: 1 x 1 / 3, and (1 + sqrt(0.5 / 4.5)) / 2 / 3.
    assert placed[0].value == pytest.approx(1 / 3)
    assert placed[1].value == pytest.approx((1 + 1 / 3) / 2 / 3)


def test_photos_that_look_different_when_mirrored_come_first():
    photos = [photo("a.jpg", ("top", 0.5), flip=0.1), photo("b.jpg", ("top", 0.5), flip=0.9)]
    placed = ordered(photos, {})
    assert names(placed) == ["b.jpg", "a.jpg"]
    assert "looks different when mirrored" in placed[0].reasons


def test_photos_that_another_model_sees_differently_come_first():
    photos = [photo("a.jpg", ("top", 0.5), other=0.1), photo("b.jpg", ("top", 0.5), other=0.9)]
    placed = ordered(photos, {})
    assert names(placed) == ["b.jpg", "a.jpg"]
    assert "another model sees it differently" in placed[0].reasons
    # Three looks count alike: 1 of three garments is unsure, the mirrored photo 0.2, the model 0.9.
    (one,) = ordered([photo("c.jpg", ("top", 0.5), flip=0.2, other=0.9)], {})
    assert one.value == pytest.approx((1 / 3 + 0.2 + 0.9) / 3)


def test_a_photo_without_a_garment_is_a_likely_miss():
    photos = [photo("sure.jpg", ("top", 0.99)), photo("none.jpg")]
    placed = ordered(photos, {})
    assert names(placed) == ["none.jpg", "sure.jpg"]
    assert placed[0].reasons == ("nothing found",)


def test_near_duplicates_go_last_but_the_most_telling_of_them():
    photos = [
        photo("a.jpg", ("top", 0.6), dhash="00000000000000ff"),
        photo("b.jpg", ("top", 0.5), dhash="000000000000001f"),  # 3 bits off
        photo("c.jpg", ("top", 0.9), dhash="0000000000ffff00"),
    ]
    placed = ordered(photos, {})
    assert names(placed) == ["b.jpg", "c.jpg", "a.jpg"]
    assert placed[2].is_near_duplicate
    assert placed[2].reasons[-1] == "looks like b.jpg"
