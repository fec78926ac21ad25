"""The page that tfseg.report writes, read as text and opened in a real browser."""

import json
import re

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tests.browser import chromium_page, distance_after_jump
from tests.tfseg import entry_points, perturbed_truth
from tests.tfseg.evaluation.test_attribute_metrics import run_of, with_attributes
from tfseg.evaluation import coco_metrics
from tfseg.evaluation.evaluation_run import EvaluationRun
from tfseg.reporting import comparison, training_curves
from tfseg.reporting.charts import curve_chart
from tfseg.reporting.page import build_page
from tfseg.reporting.pictures import encode_picture, photo_row
from tfseg.reporting.samples import choose_attribute_samples, choose_samples
from tfseg.structures.detections import detections_from_coco_results
from tfseg.structures.thresholds import Thresholds

pytestmark = pytest.mark.slow


def make_run(content, results, name="now.json"):
    ground_truth = coco_metrics.ground_truth_from_content(content)
    return EvaluationRun(
        name, "truth.json", ground_truth, results, Thresholds({"kind 1": 0.3}, 0.4)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A ground truth with photos, and detections of two runs; the later one is better."""
    folder = tmp_path_factory.mktemp("report")
    content, results = perturbed_truth.make(24, 3, seed=2)
    content["categories"][1]["name"] = "scarf/<tie>"
    rng = np.random.default_rng(5)
    (folder / "photos").mkdir()
    for image in content["images"]:
        small = rng.integers(0, 255, (20, 15, 3)).astype(np.uint8)
        photo = cv2.resize(small, (image["width"], image["height"]))
        cv2.imwrite(str(folder / "photos" / image["file_name"]), photo)
    (folder / "served").mkdir()
    cv2.imwrite(str(folder / "served" / "0.jpg"), photo)
    served = [{"file_name": "0.jpg", "category_name": "kind 1", "score": 0.5}]
    (folder / "served" / "detections.json").write_text(json.dumps(served))
    (folder / "truth.json").write_text(json.dumps(content))
    (folder / "now.json").write_text(json.dumps(results))
    (folder / "before.json").write_text(json.dumps(results[::2]))
    return folder


@pytest.fixture(scope="module")
def page_path(folder):
    done = entry_points.run(
        "tfseg.report", folder, "--results_path=now.json", "--compare_with=before.json",
        "--ground_truth_path=truth.json", "--photos_dir=photos", "--output_path=report.html",
        "--title=A & B", "--pictures_dir=served",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "report.html"


def test_the_page_needs_nothing_else_and_is_light(page_path):
    page = page_path.read_text()

    assert "<title>A &amp; B</title>" in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)
    assert "http" not in page and "url(" not in page and "@import" not in page
    assert "<tie>" not in page and "scarf/&lt;tie&gt;" in page
    assert len(page) < 3e6
    assert page.count("data:image/webp;base64,") > 40
    assert page.count("data:image/jpeg;base64,") == 1 and "kind 1 0.50" in page


def test_photos_with_more_and_fewer_found_are_told_by_category():
    content, results = {"images": [], "annotations": [], "categories": []}, []
    content["categories"] = [{"id": 1, "name": "bag"}, {"id": 2, "name": "belt"}]
    mask = np.zeros((40, 40), np.uint8, order="F")
    for image_id in (7, 8):
        content["images"].append({"id": image_id, "width": 40, "height": 40, "file_name": "a"})
        for place, category_id in enumerate((1, 1, 2)):
            mask[:] = 0
            mask[12 * place : 12 * place + 10, :10] = 1
            rle = coco_mask.encode(mask)
            entry = {
                **{"image_id": image_id, "category_id": category_id, "score": 0.9},
                **{"bbox": [0, 12 * place, 10, 10], "area": 100, "iscrowd": 0},
                "segmentation": {"size": [40, 40], "counts": rle["counts"].decode()},
            }
            results.append(entry)
            content["annotations"].append({**entry, "id": len(results)})

    # The former run has not photo 7's bags, the present one not photo 8's first bag and belt.
    before = make_run(content, results[2:])
    now = make_run(content, results[:3] + results[4:5])
    changes = comparison.found_by_category(before, now)

    assert changes == {
        1: comparison.FoundChange(2, 1, better=(7,), worse=(8,)),
        2: comparison.FoundChange(0, 1, better=(), worse=(8,)),
    }


def test_the_compared_table_has_each_category(page_path):
    with chromium_page(1280, 900, offline=True) as page:
        page.goto(page_path.as_uri())

        table = page.locator("#Compared table.sortable")
        heads = table.locator("th").all_inner_texts()
        assert heads[-4:] == [
            "found only now",
            "only before",
            "photos with more found",
            "with fewer",
        ]
        rows = [row.locator("td").all_inner_texts() for row in table.locator("tbody tr").all()]
        assert [len(row) for row in rows] == [len(heads)] * 3
        # Before had every second detection of now: nothing was lost.
        assert all(int(row[-4]) > 0 and row[-3] == "0" and row[-2] and not row[-1] for row in rows)


def test_the_page_in_a_browser(page_path):
    with chromium_page(1280, 900, offline=True) as page:
        page.goto(page_path.as_uri())

        assert page.locator("h1").inner_text() == "A & B"
        widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] == widths[1]
        broken = "[...document.images].filter(i => i.complete && !i.naturalWidth).length"
        assert page.evaluate(broken) == 0
        table = page.locator("#Categories table.sortable")
        names = table.locator("tbody td:first-child")
        assert names.all_inner_texts()[0] == "all"
        table.locator("th").first.click()
        assert names.all_inner_texts() == ["all", "kind 1", "kind 3", "scarf/<tie>"]
        table.locator("th").first.click()
        assert names.all_inner_texts() == ["all", "scarf/<tie>", "kind 3", "kind 1"]
        table.locator("th", has_text="recall").click()
        cells = table.locator("tbody tr:not(.total)").all()
        column = [h.inner_text() for h in table.locator("th").all()].index("recall")
        recalls = [float(row.locator("td").nth(column).inner_text()) for row in cells]
        assert recalls == sorted(recalls, reverse=True)


def test_the_page_on_a_phone_scrolls_no_sideways(page_path):
    with chromium_page(390, 800, offline=True, color_scheme="dark") as page:
        page.goto(page_path.as_uri())

        assert page.evaluate("document.documentElement.scrollWidth") == 390
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(20, 21, 24)"


def test_a_link_to_a_category_opens_its_examples(page_path):
    with chromium_page(1280, 900, offline=True) as page:
        page.goto(page_path.as_uri())
        details = page.locator("details").first
        details.evaluate("element => { element.open = false }")
        page.locator(f'#Categories a[href="#{details.get_attribute("id")}"]').click()

        assert details.evaluate("element => element.open")


@pytest.mark.parametrize("width", [1280, 390])
def test_links_land_on_their_targets_at_once(page_path, width):
    with chromium_page(width, 800, offline=True) as page:
        page.goto(page_path.as_uri())
        links = page.locator("nav a").evaluate_all("links => links.map(a => a.hash)")
        assert links[-3:] == ["#Photos", "#Unseen", "#Figures"]
        for link in (*links[-3:], "#Confusion", "#Examples"):
            page.goto("about:blank")
            page.goto(page_path.as_uri())  # nothing is decoded yet
            assert distance_after_jump(page, f'nav a[href="{link}"]') < 2, link

        page.goto("about:blank")
        page.goto(page_path.as_uri())
        page.locator("details").last.evaluate("details => { details.open = false }")
        link = page.locator("#Categories td a").last.get_attribute("href")
        assert distance_after_jump(page, f'#Categories td a[href="{link}"]') < 2


def test_pictures_have_their_sizes_before_they_are_decoded(page_path):
    with chromium_page(1280, 900, offline=True) as page:
        page.goto(page_path.as_uri())
        wrong = """async () => {
          for (const image of document.images) image.loading = "eager";  // else some never load
          await Promise.all([...document.images].map(image => image.decode()));
          return [...document.images].filter(image => image.naturalWidth !== Number(
            image.getAttribute("width")) || image.naturalHeight !== Number(
            image.getAttribute("height"))).length;
        }"""
        assert page.evaluate(wrong) == 0


HOSTILE = "\"'><script>window.hacked = 1</script><img src=x onerror='window.hacked=1'>&amp;\udcff"


def test_hostile_names_are_text(folder, tmp_path):
    content = json.loads((folder / "truth.json").read_text())
    content["categories"][1]["name"] = HOSTILE
    photos = [
        (image["id"], (folder / "photos" / image["file_name"]).read_bytes())
        for image in content["images"]
    ]
    results = json.loads((folder / "now.json").read_text())
    now, before = make_run(content, results, HOSTILE), make_run(content, results[::2], HOSTILE)
    path = tmp_path / "page.html"

    path.write_text(build_page(now, HOSTILE, lambda: photos, before), encoding="utf-8")

    shown = HOSTILE.replace("\udcff", "\\udcff")
    with chromium_page(1280, 900, offline=True) as page:
        page.goto(path.as_uri())
        assert page.evaluate("window.hacked") is None
        assert page.locator("script").count() == 1
        assert page.title() == page.locator("h1").inner_text() == shown
        assert shown in page.locator("#Categories td:first-child").all_inner_texts()
        assert page.locator("#Confusion th", has_text=shown).count() == 2
        assert page.locator("#Compared code").inner_text() == shown
        titles = page.locator("#Confusion td").evaluate_all("cells => cells.map(c => c.title)")
        assert any(title.startswith(f"{shown} taken for kind 1: ") for title in titles)


def test_figures_on_the_page_are_the_metrics(folder, page_path):
    content = json.loads((folder / "truth.json").read_text())
    results = json.loads((folder / "now.json").read_text())
    metrics = coco_metrics.evaluate_coco(coco_metrics.ground_truth_from_content(content), results)

    page = page_path.read_text()

    cards = re.findall(r'<div class="figure"><b>([\d.]+).*?</b>(.*?)<span>', page)
    values = {name: value for value, name in cards}
    assert values["mask AP50"] == f"{100 * metrics['mask/AP50']:.1f}"
    assert values["box AP"] == f"{100 * metrics['box/AP']:.1f}"


def test_samples_are_what_they_are_called(folder):
    run = make_run(
        json.loads((folder / "truth.json").read_text()),
        json.loads((folder / "now.json").read_text()),
    )

    samples = choose_samples(run)

    assert sorted(samples) == [1, 2, 3]
    for category_id, chosen in samples.items():
        overlaps = [sample.iou for sample in chosen.best]
        assert overlaps == sorted(overlaps, reverse=True) and min(overlaps) >= 0.5
        scores = [run.coco_results[sample.result_index]["score"] for sample in chosen.wrong]
        assert scores == sorted(scores, reverse=True)
        for sample in chosen.wrong:
            assert run.coco_results[sample.result_index]["category_id"] == category_id
        missed = [s for s in chosen.worst if s.result_index is None]
        assert missed
        for sample in (*chosen.best, *chosen.worst):
            assert run.ground_truth.anns[sample.annotation_id]["category_id"] == category_id


def test_a_page_without_photos_and_without_masks(folder):
    content = json.loads((folder / "truth.json").read_text())
    results = json.loads((folder / "now.json").read_text())
    boxes = [{k: v for k, v in result.items() if k != "segmentation"} for result in results]

    page = build_page(make_run(content, boxes), "boxes")

    assert "data:image" not in page
    assert "box AP50" in page and "mask AP50" not in page


def test_attributes_have_a_table_and_garments_with_what_is_said():
    run = run_of(*with_attributes(0))
    rng = np.random.default_rng(5)
    encoded = {}
    for image in run.ground_truth.imgs.values():
        photo = rng.integers(0, 255, (image["height"], image["width"], 3)).astype(np.uint8)
        encoded[image["id"]] = cv2.imencode(".png", photo)[1].tobytes()

    page = build_page(run, "t", lambda: encoded.items())

    section = page.split('id="Attributes"')[1].split("</section>")[0]
    metrics = run.all_metrics
    f1, ap = (100 * metrics[f"attributes/{kind}/a0"] for kind in ("F1", "AP"))
    row = re.sub(r"<[^>]*>", " ", section.split("<td>a0</td>")[1].split("</tr>")[0]).split()
    assert row[:3] == [f"{ap:.1f}", f"{f1:.1f}", "0.50"] and int(row[3]) >= int(row[4]) > 0
    assert f"<td>{100 * metrics['attributes/AP_IoU_F1']:.1f}</td>" in section
    samples = choose_attribute_samples(run)
    assert section.count("data:image/webp") == len(samples) > 2
    for sample in samples:
        _, said, true = sample.words.splitlines()
        annotation = run.ground_truth.anns[sample.annotation_id]
        names = [f"a{i}" for i in sorted(annotation["attribute_ids"])]
        assert true == f"true: {', '.join(names) or 'none'}"
        assert f"{said}<br>{true}" in section
    assert "Attributes" not in build_page(run_of(*perturbed_truth.make(5, 2, seed=1)), "t")


def test_a_page_of_nothing_found(folder):
    content = json.loads((folder / "truth.json").read_text())
    photos = [
        (image["id"], (folder / "photos" / image["file_name"]).read_bytes())
        for image in content["images"]
    ]

    page = build_page(make_run(content, []), "nothing", lambda: photos)

    assert ">not found<" in page


def test_a_missing_photo_is_named(folder):
    content = json.loads((folder / "truth.json").read_text())
    run = make_run(content, json.loads((folder / "now.json").read_text()))

    with pytest.raises(ValueError, match=r"the photo of image \d+ is not there"):
        build_page(run, "t", lambda: [])


def test_curve_chart_places_points_and_names_several_curves():
    chart = curve_chart({"a": [(0, 2.0), (10, 1.0)], "b<": [(0, 1.0)]}, "step", "loss")

    assert '<polyline points="38.0,8.0 752.0,138.0"' in chart
    assert "b&lt;" in chart and ">step<" in chart
    assert curve_chart({}, "step", "loss") == ""


@pytest.mark.parametrize(
    ("size_hw", "shape"), [((2000, 2), (460, 2 + 4, 3)), ((4, 200), (74, 2 * 3680 + 4, 3))]
)
def test_photos_of_any_shape_fit_on_the_page(size_hw, shape):
    empty = detections_from_coco_results([], size_hw)

    row = photo_row(np.zeros((*size_hw, 3), np.uint8), [empty, empty], [False, True])

    assert row.shape == shape
    picture = encode_picture(row)
    assert picture.uri.startswith("data:image/webp;base64,")
    assert (picture.height, picture.width) == shape[:2]


def test_a_folder_without_losses_is_named(tmp_path):
    with pytest.raises(ValueError, match="--training_dir=.*nowhere: no train/ in it"):
        training_curves.read_losses(str(tmp_path / "nowhere"))


def test_read_losses_keeps_the_last_value_of_a_repeated_step(tmp_path):
    import tensorflow as tf

    for losses in ([3.0, 2.0], [1.5]):
        with tf.summary.create_file_writer(str(tmp_path / "train")).as_default():
            for index, loss in enumerate(losses):
                tf.summary.scalar(
                    "model_loss", loss, step=20 if len(losses) == 1 else 10 + 10 * index
                )

    losses = training_curves.read_losses(str(tmp_path))

    assert losses == {"model_loss": [(10, 3.0), (20, 1.5)]}
    assert "<polyline" in training_curves.loss_chart(losses)


def test_read_losses_keeps_all_steps_where_the_clock_was_set_back_between_two_runs(tmp_path):
    import tensorflow as tf

    for number, steps in enumerate(([10, 20], [30, 40])):
        with tf.summary.create_file_writer(str(tmp_path / "train")).as_default():
            for step in steps:
                tf.summary.scalar("model_loss", float(step), step=step)
        for path in (tmp_path / "train").glob("events.out.*"):
            time_s = 2_000_000_000 - 1_000_000 * number
            path.rename(path.with_name(f"kept.tfevents.{time_s}"))

    losses = training_curves.read_losses(str(tmp_path))

    assert losses == {"model_loss": [(10, 10.0), (20, 20.0), (30, 30.0), (40, 40.0)]}


def test_read_metrics_gives_ap50_by_step_in_percent(tmp_path):
    (tmp_path / "validation.jsonl").write_text(
        '{"step": 10, "box/AP50": 0.25, "mask/AP50": 0.2}\n{"step": 20, "box/AP50": 0.5}\n'
    )

    metrics = training_curves.read_metrics(tmp_path)

    assert metrics == {"box AP50": [(10, 25), (20, 50)], "mask AP50": [(10, 20)]}
    assert training_curves.metric_chart(metrics).count("<polyline") == 2
    assert training_curves.metric_chart(training_curves.read_metrics(tmp_path / "none")) == ""


@pytest.fixture
def pictures_dir(tmp_path):
    directory = tmp_path / "pictures"
    directory.mkdir()
    cv2.imwrite(str(directory / "one.jpg"), np.full((8, 6, 3), 200, np.uint8))
    found = [{"file_name": "photos/one.jpg", "category_name": "<bag>", "score": 0.876}]
    (directory / "detections.json").write_text(json.dumps(found))
    return directory


def test_picture_figures_name_what_was_found_escaped(pictures_dir):
    figures = training_curves.picture_figures(str(pictures_dir))

    assert "&lt;bag&gt; 0.88" in figures
    assert 'src="data:image/jpeg;base64,/9j/' in figures


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[{"file_name": "a.jpg", "score": 0.5}]', "detection 0 has no category_name"),
        ('["a.jpg"]', "detection 0 has no file_name, category_name, score"),
        ("{}", "expected a json list"),
        ("[", "not valid json"),
    ],
)
def test_picture_figures_of_other_json_name_the_file(pictures_dir, content, expected):
    (pictures_dir / "detections.json").write_text(content)

    with pytest.raises(ValueError, match=rf"detections\.json: {expected}"):
        training_curves.picture_figures(str(pictures_dir))


def test_picture_without_detections_says_so(pictures_dir):
    (pictures_dir / "detections.json").write_text("[]")

    figures = training_curves.picture_figures(str(pictures_dir))

    assert "<figcaption>nothing found</figcaption>" in figures


def test_pictures_that_are_not_there_say_what_to_run(tmp_path):
    (tmp_path / "detections.json").write_text("[]")

    with pytest.raises(ValueError, match=r"no \*\.jpg; run serving\.client"):
        training_curves.picture_figures(str(tmp_path))
