import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from data_prep.annotations.mask_confidence import GOOD
from data_prep.auto_mask.engines import judged_by_cut
from data_prep.auto_mask.masks_csv import encoded_pixels_from_rle
from data_prep.auto_mask.run import cut_photo, read_photo, run
from data_prep.auto_mask.store import MaskStore, PhotoMasks, ProductMask
from tests.data_prep import drawn_products, product_folder

pytestmark = pytest.mark.slow

REPO_DIR = Path(__file__).resolve().parents[3]


def auto_mask(*flags):
    return subprocess.run(
        [sys.executable, "-m", "data_prep.auto_mask", *flags],
        cwd=REPO_DIR,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    """Photos beside one that is broken and one in no category; masked by the command."""
    photos_dir, out_dir = (tmp_path_factory.mktemp(name) for name in ("photos", "masks"))
    product_folder.write_photos(photos_dir)
    (photos_dir / "top/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a photo")
    cv2.imwrite(str(photos_dir / "loose.jpg"), drawn_products.photo("grey", product_folder.TRUTH))
    done = auto_mask(f"--input_dir={photos_dir}", f"--out_dir={out_dir}")
    assert done.returncode == 0, done.stderr
    return photos_dir, out_dir, done.stdout


def test_command_says_what_became_of_every_photo(masked):
    _, out_dir, said = masked
    assert f"{out_dir}: 6 photos (5 masked now)" in said
    for outcome in (
        "3 good",
        "1 unreadable",
        "1 without a clear product",
        "1 outside a category folder",
    ):
        assert outcome in said


def test_out_dir_has_one_json(masked):
    _, out_dir, _ = masked
    assert [path.name for path in out_dir.rglob("*.json")] == ["instances.json"]


def test_coco_masks_are_the_products(masked):
    _, out_dir, _ = masked
    coco = json.loads((out_dir / "instances.json").read_text())
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    categories = {category["id"]: category["name"] for category in coco["categories"]}
    assert sorted(names.values()) == ["dress/a.jpg", "dress/b.jpg", "top/c.png", "top/d.jpg"]
    found = {}
    for annotation in coco["annotations"]:
        name = names[annotation["image_id"]]
        found[name] = categories[annotation["category_id"]]
        mask = coco_mask.decode(annotation["segmentation"])
        assert mask.shape == (300, 240)
        assert drawn_products.iou(mask, product_folder.TRUTH) > 0.96
        assert annotation["area"] == mask.sum()
        x, y, width, height = annotation["bbox"]
        ys, xs = mask.nonzero()
        assert (x, y, x + width, y + height) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert annotation["confidence"] >= GOOD
    assert found == {"dress/a.jpg": "dress", "dress/b.jpg": "dress", "top/c.png": "top"}
    empty = next(image for image in coco["images"] if image["file_name"] == "top/d.jpg")
    assert (empty["confidence"], empty["reasons"]) == (0.0, ["no_clear_product"])


def test_csv_has_the_same_masks_in_fgvc6_form(masked):
    _, out_dir, _ = masked
    rows = list(csv.DictReader((out_dir / "masks.csv").open()))
    assert [row["ImageId"] for row in rows] == ["dress/a.jpg", "dress/b.jpg", "top/c.png"]
    assert [row["ClassId"] for row in rows] == ["0", "0", "1"]
    for row in rows:
        numbers = list(map(int, row["EncodedPixels"].split()))
        flat = np.zeros(int(row["Height"]) * int(row["Width"]), np.uint8)
        for start, length in zip(numbers[::2], numbers[1::2], strict=True):
            flat[start - 1 : start - 1 + length] = 1
        mask = flat.reshape(int(row["Width"]), int(row["Height"])).T
        assert drawn_products.iou(mask, product_folder.TRUTH) > 0.96


def test_overlays_show_photo_and_mask(masked):
    photos_dir, out_dir, _ = masked
    overlay = cv2.imread(str(out_dir / "overlays/dress/a.jpg.jpg"))
    photo = cv2.imread(str(photos_dir / "dress/a.jpg"))
    changed = np.abs(overlay.astype(int) - photo).max(2) > 25
    inside = cv2.erode(product_folder.TRUTH, np.ones((7, 7))) > 0
    assert changed[inside].mean() > 0.9
    assert changed[:40].mean() < 0.01


def test_encoded_pixels_run_down_columns_from_1():
    mask = np.array([[0, 1, 1], [0, 1, 0]], np.uint8, order="F")
    assert encoded_pixels_from_rle(coco_mask.encode(mask)) == "3 3"


def test_run_masks_only_what_is_new_or_changed(tmp_path):
    photos_dir, out_dir = tmp_path / "photos", tmp_path / "masks"
    product_folder.write_photos(photos_dir)
    assert run(photos_dir, out_dir, "cutout", 1, False).num_new == 4
    first = (out_dir / "instances.json").read_bytes()
    assert run(photos_dir, out_dir, "cutout", 1, False).num_new == 0
    assert (out_dir / "instances.json").read_bytes() == first
    (photos_dir / "top/c.png").unlink()
    changed = drawn_products.photo("gradient", product_folder.TRUTH)
    cv2.imwrite(str(photos_dir / "dress/b.jpg"), changed)
    summary = run(photos_dir, out_dir, "cutout", 1, False)
    assert (summary.num_photos, summary.num_new) == (3, 1)
    names = [image["file_name"] for image in json.loads(first)["images"]]
    after = json.loads((out_dir / "instances.json").read_text())
    names.remove("top/c.png")
    assert [image["file_name"] for image in after["images"]] == names
    with MaskStore(out_dir) as store:
        assert sorted(store.photos) == names


def test_decisions_on_another_folder_are_not_forgotten(tmp_path):
    photos_dir, other_dir, out_dir = (tmp_path / name for name in ("photos", "other", "masks"))
    product_folder.write_photos(photos_dir)
    (other_dir / "dress").mkdir(parents=True)
    shutil.copy(photos_dir / "dress/a.jpg", other_dir / "dress/z.jpg")
    with MaskStore(out_dir) as store:
        store.set_photos_dir(photos_dir)
        store.add(PhotoMasks("dress/a.jpg", 9, 9, 0.5, (), review="accepted"))
    with pytest.raises(ValueError, match=r"has decisions on photos of .*photos .*dress/a\.jpg"):
        run(other_dir, out_dir, "cutout", 1, False)
    with MaskStore(out_dir) as store:
        assert store.photos["dress/a.jpg"].review == "accepted"
    photos_dir.rename(tmp_path / "moved")
    assert run(other_dir, out_dir, "cutout", 1, False).num_new == 1


def test_overlays_are_no_photos(tmp_path):
    photos_dir, out_dir = tmp_path / "photos", tmp_path / "photos/masks"
    product_folder.write_photos(photos_dir)
    for _ in range(2):
        assert run(photos_dir, out_dir, "cutout", 1, False).num_photos == 4
    with pytest.raises(ValueError, match="has the photos themselves"):
        run(photos_dir, photos_dir, "cutout", 1, False)


def test_a_copied_photo_keeps_its_decision_and_a_changed_one_does_not(tmp_path):
    photos_dir, out_dir = tmp_path / "photos", tmp_path / "masks"
    product_folder.write_photos(photos_dir)
    run(photos_dir, out_dir, "cutout", 1, False)
    with MaskStore(out_dir) as store:
        for name in ("dress/a.jpg", "top/d.jpg"):
            store.add(replace(store.photos[name], review="accepted"))
        store.add(replace(store.photos["dress/b.jpg"], review="rejected", photo_sha256=""))
    for path in photos_dir.rglob("*.*"):
        os.utime(path)
    changed = bytearray((photos_dir / "top/d.jpg").read_bytes())
    changed[-20] ^= 1
    (photos_dir / "top/d.jpg").write_bytes(changed)  # of the same size
    assert run(photos_dir, out_dir, "cutout", 1, False).num_new == 1
    with MaskStore(out_dir) as store:
        reviews = {name: photo.review for name, photo in store.photos.items()}
    assert (reviews["dress/a.jpg"], reviews["dress/b.jpg"]) == ("accepted", "rejected")
    assert reviews["top/d.jpg"] == "pending"


def test_killed_run_goes_on_where_it_was(tmp_path):
    photos_dir, out_dir = tmp_path / "photos", tmp_path / "masks"
    product_folder.write_photos(photos_dir)
    photo = (photos_dir / "dress/a.jpg").read_bytes()
    for number in range(20):
        (photos_dir / f"dress/n{number:02d}.jpg").write_bytes(photo)
    flags = [f"--input_dir={photos_dir}", f"--out_dir={out_dir}", "--num_workers=1"]
    command = [sys.executable, "-m", "data_prep.auto_mask", *flags]
    process = subprocess.Popen(command, cwd=REPO_DIR, stderr=subprocess.DEVNULL)
    journal = out_dir / "masks.jsonl"
    while process.poll() is None and (not journal.is_file() or journal.stat().st_size < 3000):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with journal.open("ab") as file:
        file.write(b'{"file_name": "dress/n')  # what a kill within a write leaves
    num_done = journal.read_bytes().count(b"\n")
    assert 0 < num_done < 24
    done = auto_mask(*flags)
    assert f"24 photos ({24 - num_done} masked now)" in done.stdout
    assert len(json.loads((out_dir / "instances.json").read_text())["images"]) == 24


def test_a_damaged_journal_is_told(tmp_path):
    (tmp_path / "masks.jsonl").write_text('{"file_name": "a"}\n')
    with pytest.raises(ValueError, match="masks.jsonl, line 1: not a photo's record"):
        MaskStore(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("file_name", None, "no text"),
        ("confidence", None, "confidence None"),
        ("confidence", float("nan"), "confidence nan"),
        ("height", "60", "40x60 pixels"),
        ("products", [{"category": "top", "counts": "5"}], "its runs cover 5 pixels"),
        ("products", [{"category": 5, "counts": "PU2"}], "no text"),
    ],
)
def test_a_value_of_the_journal_that_no_run_wrote_is_told(tmp_path, key, value, told):
    with MaskStore(tmp_path) as store:
        store.add(PhotoMasks("top/a.jpg", 60, 40, 0.9, (ProductMask("top", "PU2"),)))
    path = tmp_path / "masks.jsonl"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, key: value}) + "\n")
    with pytest.raises(ValueError, match=f"masks.jsonl, line 1: not a photo's record .*{told}"):
        MaskStore(tmp_path)


def test_two_runs_at_once_are_refused(tmp_path):
    from tfseg.io.folder_lock import only_one

    photos_dir = tmp_path / "photos"
    product_folder.write_photos(photos_dir)
    with only_one(tmp_path / "masks/masks.lock", "auto_mask or review", "--out_dir"):
        done = auto_mask(f"--input_dir={photos_dir}", f"--out_dir={tmp_path / 'masks'}")
    assert done.returncode == 1
    assert "auto_mask or review is at work here" in done.stderr


@pytest.mark.parametrize(
    ("orientation", "size", "expected_hw"), [(6, (60, 40), (60, 40)), (3, (60, 40), (40, 60))]
)
def test_read_photo_turns_as_the_builder_will(tmp_path, orientation, size, expected_hw):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size, "red").save(tmp_path / "a.jpg", exif=exif)
    assert read_photo(tmp_path / "a.jpg").shape[:2] == expected_hw


def test_read_photo_takes_every_colour_mode(tmp_path):
    for mode, suffix in (("L", "png"), ("RGBA", "png"), ("P", "gif"), ("CMYK", "jpg")):
        Image.new(mode, (30, 20)).save(tmp_path / f"{mode}.{suffix}")
        assert read_photo(tmp_path / f"{mode}.{suffix}").shape == (20, 30, 3)


def test_photo_of_too_many_pixels_is_left_out(tmp_path):
    photos_dir = tmp_path / "photos"
    product_folder.write_photos(photos_dir)
    bomb = io.BytesIO()
    Image.new("1", (20_000, 9_000)).save(bomb, "PNG")
    (photos_dir / "top/bomb.png").write_bytes(bomb.getvalue())
    summary = run(photos_dir, tmp_path / "masks", "cutout", 1, False)
    assert summary.outcomes["unreadable"] == 1


def test_a_foreign_engine_is_trusted_as_far_as_the_cut_agrees():
    photo = drawn_products.photo("grey", product_folder.TRUTH)
    agreed = judged_by_cut(photo, product_folder.TRUTH)
    shifted = judged_by_cut(photo, np.roll(product_folder.TRUTH, 40, axis=1))
    assert agreed.confidence.score >= GOOD
    assert shifted.confidence.score < GOOD
    assert shifted.confidence.reasons == ("engines_disagree",)


def test_missing_library_of_an_engine_is_told(tmp_path):
    product_folder.write_photos(tmp_path / "photos")
    flags = (f"--input_dir={tmp_path / 'photos'}", f"--out_dir={tmp_path / 'masks'}")
    done = auto_mask(*flags, "--engine=rembg")
    assert done.returncode == 1
    assert "rembg" in done.stderr
    assert "Traceback" not in done.stderr


def test_folder_without_categories_is_told(tmp_path):
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((9, 9, 3), np.uint8))
    done = auto_mask(f"--input_dir={tmp_path}", f"--out_dir={tmp_path / 'masks'}")
    assert done.returncode == 1
    assert "no photos in category folders" in done.stderr


def test_store_keeps_the_last_line_of_a_photo(tmp_path):
    photo = PhotoMasks("a/b.jpg", 2, 3, 0.5, (ProductMask("a", "6"),))
    with MaskStore(tmp_path) as store:
        store.add(photo)
        store.add(PhotoMasks("a/b.jpg", 2, 3, 0.9, (), review="rejected"))
    with MaskStore(tmp_path) as store:
        assert store.photos["a/b.jpg"].confidence == 0.9
        assert store.photos["a/b.jpg"].review == "rejected"


def test_a_pictures_own_transparency_is_its_mask(tmp_path):
    alpha = np.zeros((160, 120), np.uint8)
    cv2.ellipse(alpha, (60, 80), (35, 60), 0, 0, 360, 255, cv2.FILLED)
    white = np.full((160, 120, 3), 250, np.uint8)  # nothing else would tell it from its ground
    path = tmp_path / "cutout.png"
    cv2.imwrite(str(path), np.dstack([white, alpha]))

    found = cut_photo(path)

    np.testing.assert_array_equal(found.mask, alpha > 127)
    assert found.confidence.score == 1.0 and len(found.products) == 1


def test_an_opaque_picture_is_cut_as_any_other(tmp_path):
    photo = np.full((160, 120, 4), 250, np.uint8)
    photo[..., 3] = 255
    cv2.rectangle(photo, (30, 40), (90, 130), (30, 40, 160, 255), cv2.FILLED)
    cv2.imwrite(str(tmp_path / "opaque.png"), photo)
    found = cut_photo(tmp_path / "opaque.png")
    assert found.mask[85, 60] == 1 and found.mask[10, 10] == 0
