import hashlib
import json
import sqlite3
import subprocess
import sys
import textwrap
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest

from data_prep.sample.faults import choose_faults, swap_pair_bboxes
from data_prep.sample.raw_sample import SampleFacts, draw_sample, is_drawn

TRAIN_JSON = "modanet/annotations/modanet2018_instances_train.json"
VAL_JSON = "modanet/annotations/modanet2018_instances_val.json"
FACTS = SampleFacts(num_images=60, num_challenge=8, seed=1)


@pytest.fixture(scope="module")
def raw_dir(tmp_path_factory) -> Path:
    out_dir = tmp_path_factory.mktemp("sample") / "raw"
    draw_sample(out_dir, FACTS, num_workers=2)
    return out_dir


@pytest.fixture(scope="module")
def train(raw_dir) -> dict:
    return json.loads((raw_dir / TRAIN_JSON).read_text())


@pytest.fixture(scope="module")
def photos(raw_dir) -> dict[int, bytes]:
    return _photos(raw_dir)


def _photos(raw_dir: Path) -> dict[int, bytes]:
    env = lmdb.open(str(raw_dir / "paperdoll/photos.lmdb"), readonly=True, lock=False)
    with env.begin() as transaction:
        found = {int(key): bytes(value) for key, value in transaction.cursor()}
    env.close()
    return found


def _digest(raw_dir: Path) -> str:
    digest = hashlib.sha256()
    for name in (TRAIN_JSON, VAL_JSON):
        digest.update((raw_dir / name).read_bytes())
    for photo_id, jpeg in sorted(_photos(raw_dir).items()):
        digest.update(str(photo_id).encode() + jpeg)
    return digest.hexdigest()


def test_train_json_has_modanets_layout(train):
    assert list(train) == [
        "info", "images", "annotations", "licenses", "year", "categories", "type",
    ]  # fmt: skip
    assert len(train["images"]) == 60
    image = train["images"][0]
    assert list(image) == ["file_name", "width", "height", "id", "license"]
    assert image["file_name"] == f"{image['id']:07d}.jpg"
    assert list(train["annotations"][0]) == [
        "segmentation", "area", "iscrowd", "image_id", "bbox", "category_id", "id",
    ]  # fmt: skip
    assert train["categories"][12] == {"supercategory": "fashion", "id": 13, "name": "scarf/tie"}
    assert [a["id"] for a in train["annotations"]] == list(range(1, len(train["annotations"]) + 1))
    numbers = [v for a in train["annotations"] for p in a["segmentation"] for v in p]
    assert {type(value) for value in numbers} == {int}


def test_val_json_lists_other_photos_without_annotations(raw_dir, train, photos):
    val = json.loads((raw_dir / VAL_JSON).read_text())

    assert list(val) == [
        "info", "images", "year", "licenses", "type", "annotations", "categories",
    ]  # fmt: skip
    assert val["annotations"] == []
    val_ids = {image["id"] for image in val["images"]}
    assert len(val_ids) == 8
    assert not val_ids & {image["id"] for image in train["images"]}
    assert val_ids <= set(photos)


def test_every_category_is_in_an_eighth_of_the_photos(train):
    category_sets = defaultdict(set)
    for annotation in train["annotations"]:
        category_sets[annotation["image_id"]].add(annotation["category_id"])
    counts = Counter(c for categories in category_sets.values() for c in categories)

    assert sorted(counts) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert min(counts.values()) / 60 >= 0.12


def test_bbox_and_area_are_modanets(train):
    faults = Counter()
    for annotation in train["annotations"]:
        points = np.concatenate([np.reshape(p, (-1, 2)) for p in annotation["segmentation"]])
        x, y, width, height = annotation["bbox"]
        assert annotation["area"] == width * height
        if any(len(p) == 4 for p in annotation["segmentation"]):
            continue
        assert [width, height] == list(points.max(axis=0) - points.min(axis=0))
        swapped = [x, y] != list(points.min(axis=0))
        faults[annotation["category_id"], swapped] += 1
    swapped_categories = {category_id for (category_id, swapped) in faults if swapped}
    assert swapped_categories == {3, 4}


def test_missing_photo_has_a_row_all_the_same(raw_dir, train, photos):
    image_ids = {image["id"] for image in train["images"]}
    connection = sqlite3.connect(raw_dir / "paperdoll/chictopia.sqlite3")
    row_ids = {row[0] for row in connection.execute("SELECT id FROM photos")}
    connection.close()

    assert len(image_ids - set(photos)) == 1
    assert image_ids <= row_ids


def test_one_photo_is_grey_and_one_has_no_annotations(train, photos):
    decoded = [
        cv2.imdecode(np.frombuffer(j, np.uint8), cv2.IMREAD_UNCHANGED) for j in photos.values()
    ]
    annotated = {annotation["image_id"] for annotation in train["annotations"]}

    assert sum(photo.ndim == 2 for photo in decoded) == 1
    assert len({image["id"] for image in train["images"]} - annotated) == 1


def test_two_point_polygons_beside_others_and_alone(train):
    lengths = [sorted(len(p) for p in a["segmentation"]) for a in train["annotations"]]

    assert lengths.count([4]) == 1
    assert any(found[0] == 4 and len(found) > 1 for found in lengths)


def test_posts_have_one_to_three_photos(raw_dir):
    connection = sqlite3.connect(raw_dir / "paperdoll/chictopia.sqlite3")
    sizes = [row[0] for row in connection.execute("SELECT count(*) FROM photos GROUP BY post_id")]
    columns = [row[1] for row in connection.execute("PRAGMA table_info(photos)")]
    connection.close()

    assert set(sizes) == {1, 2, 3}
    assert columns == [
        "id", "post_id", "path", "status", "file_file_name", "file_file_size",
        "file_content_type", "file_updated_at", "width", "height", "created_at", "updated_at",
    ]  # fmt: skip


def test_photo_sizes_are_the_jsons(train, photos):
    for image in train["images"]:
        if image["id"] in photos:
            photo = cv2.imdecode(np.frombuffer(photos[image["id"]], np.uint8), cv2.IMREAD_COLOR)
            assert photo.shape == (image["height"], image["width"], 3)


def test_same_seed_same_files_whatever_the_workers(tmp_path):
    facts = SampleFacts(num_images=10, num_challenge=1, seed=5)
    draw_sample(tmp_path / "one", facts, num_workers=1)
    draw_sample(tmp_path / "two", facts, num_workers=2)
    draw_sample(tmp_path / "other", SampleFacts(10, 1, seed=6), num_workers=1)

    assert _digest(tmp_path / "one") == _digest(tmp_path / "two")
    assert _digest(tmp_path / "one") != _digest(tmp_path / "other")


def test_swap_pair_bboxes_swaps_corners_and_keeps_sizes():
    pair = [
        {"category_id": 4, "bbox": [109, 473, 27, 53]},
        {"category_id": 4, "bbox": [200, 506, 30, 50]},
    ]
    rng = np.random.default_rng(0)
    for _ in range(50):  # until the chance of 40 % comes true
        swap_pair_bboxes(pair, rng)
        if pair[0]["bbox"][0] != 109:
            break

    assert [shoe["bbox"] for shoe in pair] == [[200, 506, 27, 53], [109, 473, 30, 50]]


def test_choose_faults_bad_photos_are_few():
    faults = choose_faults(num_images=1000, seed=0)

    assert len(faults.missing) == 3
    assert len(faults.missing | faults.grey | faults.unannotated | faults.line_only) == 12


def test_is_drawn_same_facts(raw_dir):
    assert is_drawn(raw_dir, FACTS)


def test_is_drawn_refuses_another_sample(raw_dir):
    with pytest.raises(
        ValueError, match=r"raw: holds another sample: got .*'seed': 1.*expected .*'seed': 2"
    ):
        is_drawn(raw_dir, SampleFacts(num_images=60, num_challenge=8, seed=2))


def test_is_drawn_refuses_a_foreign_folder(tmp_path):
    (tmp_path / "letters.txt").write_text("dear")

    with pytest.raises(ValueError, match=r"no drawn sample \(sample.json is missing\)"):
        is_drawn(tmp_path, FACTS)


def test_draw_sample_too_few_images(tmp_path):
    with pytest.raises(ValueError, match="--num_images: got 3, expected 8 or more"):
        draw_sample(tmp_path / "raw", SampleFacts(3, 1, 0), num_workers=1)


def test_command_keeps_what_is_there_and_refuses_what_differs(raw_dir):
    command = [
        sys.executable,
        "-m",
        "data_prep.sample.draw",
        f"--out_dir={raw_dir}",
        "--num_images=60",
    ]

    same = subprocess.run([*command, "--seed=1"], capture_output=True, text=True)
    other = subprocess.run([*command, "--seed=9"], capture_output=True, text=True)

    assert (same.returncode, same.stdout) == (0, f"{raw_dir}: already drawn, kept.\n")
    assert other.returncode == 1
    assert other.stderr.startswith("error: ")
    assert other.stderr.count("\n") == 1


def test_a_full_disk_is_named_by_its_folder(tmp_path, monkeypatch):
    """LMDB calls it an input/output error of no file; a limit on file sizes is met the same way."""
    limited = textwrap.dedent("""
        import resource, signal, sys
        from pathlib import Path
        from data_prep.sample.raw_sample import SampleFacts, draw_sample
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        draw_sample(Path(sys.argv[1]) / "raw", SampleFacts(40, 8, 0), 1)
    """)
    ended = subprocess.run(
        [sys.executable, "-c", limited, str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1
    assert "photos.lmdb: cannot write the photos (" in ended.stderr.splitlines()[-1]
