"""Predictions of a random network: where everything goes, not what is found."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from data_prep.readers.review_folder import read_review
from tests.tfseg import entry_points
from tfseg import submission_checks
from tfseg.inference.detector import Detector, detector_from_saved_model
from tfseg.io.folder_lock import only_one
from tfseg.prediction import output_files, runner
from tfseg.prediction.journal import PredictionJournal
from tfseg.prediction.photo_files import PhotoFile, find_in_tree
from tfseg.prediction.runner import PhotoPrediction, PictureChoices
from tfseg.structures.detections import detections_from_coco_results, mask_from_rle
from tfseg.structures.thresholds import Thresholds

pytestmark = pytest.mark.slow


def scene(height, width, seed=1):
    """A photo with something in it, uint8 RGB."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (height // 16 + 2, width // 16 + 2, 3)).astype(np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def photos_dir(tmp_path_factory):
    """Every kind of photo a folder can hold, and what only looks like one."""
    root = tmp_path_factory.mktemp("photos")
    (root / "shop" / "red").mkdir(parents=True)
    Image.fromarray(scene(90, 60)).save(root / "plain.jpg")
    Image.fromarray(scene(60, 90, 2)).save(root / "shop" / "plain.png")
    Image.fromarray(scene(64, 64, 3)).save(root / "shop" / "red" / "web.webp")
    Image.fromarray(scene(70, 50, 4)).convert("L").save(root / "grey.jpg")
    Image.fromarray(scene(70, 50, 5)).convert("CMYK").save(root / "cmyk.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(scene(50, 80, 6)).save(root / "turned.jpg", exif=exif)
    Image.fromarray(scene(4000, 6000, 7)).save(root / "huge.jpg", quality=60)
    rgba = np.dstack([scene(60, 60, 8), np.full((60, 60), 128, np.uint8)])
    Image.fromarray(rgba).save(root / "glass.png")
    (root / "broken.jpg").write_bytes((root / "plain.jpg").read_bytes()[:700])
    (root / "empty.jpg").write_bytes(b"")
    (root / "notes.txt").write_text("no photo")
    return root


SIZES_HW = {
    "plain.jpg": [90, 60],
    "shop/plain.png": [60, 90],
    "shop/red/web.webp": [64, 64],
    "grey.jpg": [70, 50],
    "cmyk.jpg": [70, 50],
    "turned.jpg": [80, 50],  # upright
    "huge.jpg": [4000, 6000],
    "glass.png": [60, 60],
}
THRESHOLDS = Thresholds({}, 0.0)


@pytest.fixture(scope="module")
def detect(tiny_module):
    return Detector(tiny_module.detect, "tiny", tiny_module.category_names, None).detect


def predict(detect, photos, output_dir, choices=None, order=None, batch_size=3):
    choices = choices or PictureChoices(("overlays", "cutouts"), 1600)
    with PredictionJournal(output_dir, {"run": "test"}) as journal:
        PhotoPrediction(detect, THRESHOLDS, order, choices, output_dir).run(
            photos, journal, batch_size
        )
        output_files.write_detections(output_dir / "detections.json", journal, photos)
        return dict(journal.errors)


@pytest.fixture(scope="module")
def done(detect, photos_dir, tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("out")
    errors = predict(detect, find_in_tree(photos_dir), output_dir)
    return output_dir, errors


def test_every_kind_of_photo_is_done_and_bad_ones_are_named(done, capsys):
    output_dir, errors = done

    assert set(errors) == {"broken.jpg", "empty.jpg"}
    assert "damaged or cut short" in errors["broken.jpg"]
    assert "0 bytes" in errors["empty.jpg"]
    results = json.loads((output_dir / "detections.json").read_text())
    assert {result["file_name"] for result in results} == set(SIZES_HW)
    for result in results:
        assert result["segmentation"]["size"] == SIZES_HW[result["file_name"]]
        assert result["category_name"] in ("bag", "belt", "boots")
    ids = {result["file_name"]: result["image_id"] for result in results}
    assert sorted(set(ids.values())) == sorted(ids.values())


def test_overlays_keep_the_tree_and_are_upright(done):
    output_dir, _ = done

    sizes = {
        path.relative_to(output_dir / "overlays").as_posix(): cv2.imread(str(path)).shape[:2]
        for path in (output_dir / "overlays").rglob("*.jpg")
    }
    assert set(sizes) == {
        "plain.jpg", "shop/plain.jpg", "shop/red/web.jpg", "grey.jpg", "cmyk.jpg", "turned.jpg",
        "huge.jpg", "glass.jpg",
    }  # fmt: skip
    assert sizes["huge.jpg"] == (1067, 1600)
    height, width = sizes["turned.jpg"]
    assert height > width


def test_cutouts_are_named_by_category_and_hold_the_photos_pixels(done, photos_dir):
    output_dir, _ = done
    results = json.loads((output_dir / "detections.json").read_text())
    own = [result for result in results if result["file_name"] == "shop/plain.png"]
    detections = detections_from_coco_results(own, (60, 90))

    cutouts = sorted((output_dir / "cutouts" / "shop").glob("plain_*.png"))

    assert len(cutouts) == len(detections)
    assert all(
        path.stem.split("_")[1].split("-")[0] in ("bag", "belt", "boots") for path in cutouts
    )
    photo = np.array(Image.open(photos_dir / "shop" / "plain.png"))
    cutout = np.array(Image.open(cutouts[0]))
    assert cutout.shape[2] == 4
    seen = cutout[cutout[..., 3] > 0][:, :3]  # a random network's masks are specks
    known = {tuple(pixel) for pixel in photo.reshape(-1, 3)}
    assert len(seen) and {tuple(pixel) for pixel in seen} <= known


def test_a_second_run_asks_the_model_for_the_new_photo_alone(detect, photos_dir, tmp_path):
    photos_dir = shutil.copytree(photos_dir / "shop", tmp_path / "photos")
    choices = PictureChoices((), 1600)
    predict(detect, find_in_tree(photos_dir), tmp_path / "out", choices)
    first = json.loads((tmp_path / "out" / "detections.json").read_text())
    Image.fromarray(scene(64, 64, 9)).save(photos_dir / "new.jpg")
    asked = []

    def counting(image_bytes):
        asked.extend(image_bytes)
        return detect(image_bytes)

    predict(counting, find_in_tree(photos_dir), tmp_path / "out", choices)

    assert asked == [(photos_dir / "new.jpg").read_bytes()]
    second = json.loads((tmp_path / "out" / "detections.json").read_text())
    boxes = {(r["file_name"], *r["bbox"]) for r in second if r["file_name"] != "new.jpg"}
    assert boxes == {(r["file_name"], *r["bbox"]) for r in first}
    assert {r["file_name"] for r in second} > {r["file_name"] for r in first}


def test_a_changed_photo_leaves_no_picture_of_its_former_self(detect, photos_dir, tmp_path):
    photos_dir = shutil.copytree(photos_dir / "shop" / "red", tmp_path / "photos")
    predict(detect, find_in_tree(photos_dir), tmp_path / "out")
    assert list((tmp_path / "out" / "cutouts").glob("web_*.png"))
    Image.fromarray(scene(90, 70, 11)).save(photos_dir / "web.webp")

    def nothing(image_bytes):
        outputs = detect(image_bytes)
        return {**outputs, "num_detections": np.zeros_like(outputs["num_detections"])}

    predict(nothing, find_in_tree(photos_dir), tmp_path / "out")

    assert not list((tmp_path / "out" / "cutouts").iterdir())
    height, width = cv2.imread(str(tmp_path / "out" / "overlays" / "web.jpg")).shape[:2]
    assert height > width


def test_a_mask_without_pixels_is_not_cut_out(detect, photos_dir, tmp_path):
    def emptied(image_bytes):
        outputs = {**detect(image_bytes)}
        height, width = outputs["image_size_hw"][0]
        empty = coco_mask.encode(np.zeros((height, width), np.uint8, order="F"))["counts"]
        outputs["mask_rle"] = np.full_like(outputs["mask_rle"], empty)
        return outputs

    predict(emptied, find_in_tree(photos_dir / "shop" / "red"), tmp_path)

    assert json.loads((tmp_path / "detections.json").read_text())
    assert not (tmp_path / "cutouts").exists()


@pytest.mark.parametrize("failing", [0, 1])
def test_an_interrupted_run_keeps_what_is_done(detect, photos_dir, tmp_path, failing):
    photos = find_in_tree(photos_dir / "shop")
    calls = []

    def interrupted(image_bytes):
        if image_bytes == [photos[failing].path.read_bytes()]:
            raise KeyboardInterrupt
        return detect(image_bytes)

    choices = PictureChoices(("overlays",), 1600)
    with pytest.raises(KeyboardInterrupt):
        predict(interrupted, photos, tmp_path / "out", choices, batch_size=1)
    predict(lambda image_bytes: calls.append(1) or detect(image_bytes), photos, tmp_path / "out",
            choices, batch_size=1)  # fmt: skip

    assert len(calls) == 1
    assert len(list((tmp_path / "out" / "overlays").rglob("*.jpg"))) == 2


def test_a_photo_that_cannot_be_drawn_is_found_all_the_same(
    detect, photos_dir, tmp_path, monkeypatch, capsys
):
    def refuse(encoded):  # stands for a kind of file that TensorFlow reads and OpenCV does not
        raise ValueError("OpenCV cannot decode this image.")

    monkeypatch.setattr(runner, "decode_photo", refuse)
    errors = predict(detect, find_in_tree(photos_dir / "shop" / "red"), tmp_path)

    assert errors == {}
    assert json.loads((tmp_path / "detections.json").read_text())
    assert "not drawn: web.webp: OpenCV cannot decode" in capsys.readouterr().err


def test_overlaps_are_removed_where_asked_for(detect, photos_dir, tmp_path):
    choices = PictureChoices((), 1600)
    predict(detect, find_in_tree(photos_dir / "shop"), tmp_path, choices, order="smaller_first")

    results = json.loads((tmp_path / "detections.json").read_text())
    for name in {result["file_name"] for result in results}:
        own = [result for result in results if result["file_name"] == name]
        masks = detections_from_coco_results(own, own[0]["segmentation"]["size"]).decode_masks()
        assert masks.astype(int).sum(axis=0).max() == 1


def test_submission_has_a_row_for_each_photo_and_follows_the_rules(detect, photos_dir, tmp_path):
    photos = find_in_tree(photos_dir)
    with PredictionJournal(tmp_path, {}) as journal:
        choices = PictureChoices((), 1600)
        PhotoPrediction(detect, THRESHOLDS, None, choices, tmp_path).run(photos, journal, 4)
        output_files.write_submission(
            tmp_path / "submission.csv", journal, photos, {1: 0, 2: 1, 3: 2}, None
        )
    names = [Path(photo.name).name for photo in photos]
    sample = "ImageId,EncodedPixels,ClassId\n" + "".join(f"{name},1 1,23\n" for name in names)
    (tmp_path / "sample.csv").write_text(sample)

    faults = submission_checks.fgvc6_faults(tmp_path / "submission.csv", tmp_path / "sample.csv")

    assert faults == []
    assert "\nbroken.jpg,1 1,23\n" in (tmp_path / "submission.csv").read_text()


@pytest.fixture(scope="module")
def export_dir(tiny_module, tmp_path_factory):
    from tfseg.export import export_module

    export_dir = tmp_path_factory.mktemp("export")
    export_module(tiny_module, export_dir)
    return export_dir


def test_a_saved_model_finds_what_the_module_does(export_dir, detect, photos_dir):
    detector = detector_from_saved_model(str(export_dir))
    above = detector_from_saved_model(str(export_dir / "1"), all_scores=True)

    encoded = [(photos_dir / "plain.jpg").read_bytes(), b"no photo"]
    expected, got, everything = detect(encoded), detector.detect(encoded), above.detect(encoded)

    assert detector.category_names == ("bag", "belt", "boots")
    assert got["ok"].tolist() == [True, False]
    np.testing.assert_allclose(got["boxes_yxyx"], expected["boxes_yxyx"], atol=1e-3)
    assert got["mask_rle"].tolist() == expected["mask_rle"].tolist()
    assert everything["num_detections"][0] >= got["num_detections"][0]


def test_a_saved_model_tells_the_nms_built_into_it(export_dir, tmp_path):
    version_dir = shutil.copytree(export_dir / "1", tmp_path / "1")
    (version_dir / "assets.extra").mkdir(exist_ok=True)
    Thresholds({}, 0.5, 0.4).save(version_dir / "assets.extra")

    assert detector_from_saved_model(str(version_dir), all_scores=True).built_in_nms_iou == 0.4
    assert detector_from_saved_model(str(export_dir)).built_in_nms_iou is None


@pytest.mark.parametrize("wanted", ["nowhere", "empty"])
def test_a_folder_without_saved_model_is_named(tmp_path, wanted):
    (tmp_path / "empty" / "1").mkdir(parents=True)

    with pytest.raises(ValueError, match=f"{wanted}: no saved_model.pb in it or in a numbered"):
        detector_from_saved_model(str(tmp_path / wanted))


def test_the_command_predicts_a_list_with_all_its_files(export_dir, photos_dir, tmp_path):
    shutil.copy(photos_dir / "plain.jpg", tmp_path / "0100014.jpg")
    shutil.copy(photos_dir / "broken.jpg", tmp_path / "0100040.jpg")
    (tmp_path / "list.txt").write_text("0100014.jpg\n0100040.jpg\n")
    described = {"categories": [{"id": 7, "name": "belt"}, {"id": 9, "name": "bag"}]}
    (tmp_path / "label_descriptions.json").write_text(json.dumps(described))
    arguments = [
        f"--saved_model={export_dir}", "--input_list=list.txt", "--output_dir=out",
        "--score_threshold=0", "--cutouts", "--challenge", "--submission",
        "--label_descriptions_path=label_descriptions.json", "--overlaps=smaller_first",
    ]  # fmt: skip

    done = entry_points.run("tfseg.predict", tmp_path, *arguments)

    assert done.returncode == 0, done.stderr
    assert "out: 1 of 2 photos, 1 skipped" in done.stdout
    assert "leaves out what the competition does not know: boots" in done.stdout
    assert "skipped: 0100040.jpg: the image is damaged" in done.stderr
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir() if path.name != ".predict.lock"} == {
        "overlays", "cutouts", "photos.jsonl", "detections.json", "challenge.json",
        "submission.csv",
    }  # fmt: skip
    challenge = json.loads((out / "challenge.json").read_text())
    assert challenge and {entry["image_id"] for entry in challenge} == {100014}
    assert submission_checks.fgvc6_faults(out / "submission.csv") == []


def test_a_second_run_into_the_same_folder_is_refused(photos_dir, tmp_path):
    with only_one(tmp_path / "out" / ".predict.lock", "a run", "--output_dir"):
        done = entry_points.run(
            "tfseg.predict", tmp_path, f"--input_dir={photos_dir}", "--output_dir=out"
        )

    assert done.returncode == 1
    assert "error: out: another tfseg.predict is at work here (process " in done.stderr
    assert not (tmp_path / "out" / "photos.jsonl").exists()


@pytest.mark.parametrize("names", [("1.jpg", "a/01.png"), ("7.jpg", "a/7.jpg")])
def test_two_photos_of_one_image_id_are_refused_for_the_challenge(names):
    photos = [PhotoFile(Path("photos") / name, name) for name in names]

    expected = f"photos/{names[0]} and photos/{names[1]} are called by the same image id"
    with pytest.raises(ValueError, match=expected):
        output_files.refuse_unnumbered(photos)


def test_two_photos_of_one_name_are_refused_for_the_submission():
    photos = [PhotoFile(Path("photos") / name, name) for name in ("a/x.jpg", "b/x.jpg")]

    with pytest.raises(ValueError, match=r"photos/a/x\.jpg and photos/b/x\.jpg have the same name"):
        output_files.refuse_repeated(photos)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--saved_model=m",), "one of --input_dir, --input_glob and --input_list"),
        (
            ("--input_dir=.", "--saved_model=m", "--model_dir=d"),
            "give one of --model, --saved_model",
        ),
        (
            ("--input_dir=.", "--saved_model=m", "--checkpoint_path=c"),
            "--checkpoint_path goes with --model_dir alone",
        ),
        (("--input_dir=.", "--score_threshold=0.5", "--thresholds_path=t"), "not both"),
        (("--input_dir=.", "--challenge"), "broken.jpg is not called by its image id"),
        (("--input_dir=.", "--review_dir=r"), "give one of --output_dir and --review_dir"),
        (("--input_dir=.", "--review_flip"), "--output_dir goes without --review_flip"),
    ],
)
def test_flags_that_do_not_fit_say_so(photos_dir, arguments, expected):
    done = entry_points.run("tfseg.predict", photos_dir, "--output_dir=out", *arguments)

    assert done.returncode == 1
    last_line = done.stderr.splitlines()[-1]
    assert last_line.startswith("error: ") and expected in last_line


def test_the_command_predicts_for_a_review_and_goes_on(export_dir, photos_dir, tmp_path):
    photos = shutil.copytree(photos_dir / "shop", tmp_path / "photos")
    shutil.copy(photos_dir / "turned.jpg", photos)
    shutil.copy(photos_dir / "broken.jpg", photos)
    arguments = [
        f"--saved_model={export_dir}", "--input_dir=photos", "--review_dir=photos/review",
        "--review_threshold=0", "--review_flip", f"--review_compare_with={export_dir}",
    ]  # fmt: skip
    done = entry_points.run("tfseg.predict", tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert "photos/review: 3 of 4 photos, 1 skipped" in done.stdout
    first = read_review(str(photos / "review"))
    assert first.photos_dir == photos
    assert first.category_names == ("bag", "belt", "boots")
    assert set(first.settings.score_thresholds) == {"bag", "belt", "boots"}
    assert "damaged or cut short" in first.photos["broken.jpg"].error
    turned = first.photos["turned.jpg"]
    assert (turned.height, turned.width) == (80, 50)
    assert turned.instances and len(turned.dhash) == 16
    assert 0 <= turned.flip_disagreement <= 1
    assert turned.model_disagreement == 0  # the same model
    assert all(mask_from_rle(rle).any() for rle in turned.rles())

    shutil.copy(photos_dir / "grey.jpg", photos)
    (photos / "broken.jpg").unlink()
    lines = (photos / "review" / "predictions.jsonl").read_text().splitlines()
    done = entry_points.run("tfseg.predict", tmp_path, *arguments)

    assert done.returncode == 0, done.stderr
    again = (photos / "review" / "predictions.jsonl").read_text().splitlines()
    assert again[: len(lines)] == lines
    assert [json.loads(line)["file_name"] for line in again[len(lines) :]] == ["grey.jpg"]
    done = entry_points.run("tfseg.predict", tmp_path, *arguments, "--review_threshold=0.1")
    assert done.returncode == 1
    assert "score_threshold was 0.0, is 0.1" in done.stderr
