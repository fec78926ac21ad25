import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.browse.compose import browse_page
from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.datasets.modanet.modanet_dataset_builder import Builder
from data_prep.prepared import open_prepared
from tests.browser import chromium_page, distance_after_jump

pytestmark = pytest.mark.slow

REPO_DIR = Path(__file__).resolve().parents[3]
OPTIONS = PrepOptions(max_bad_percent=30, num_workers=1)


@pytest.fixture(scope="module")
def prepared(raw_dir, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("prepared")
    build_dataset(Builder, raw_dir, data_dir, OPTIONS)
    return open_prepared(data_dir)


@pytest.fixture(scope="module")
def page_text(prepared):
    return browse_page(prepared)


@pytest.fixture(scope="module")
def page_path(page_text, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "browse.html"
    path.write_text(page_text)
    return path


def run(*flags):
    return subprocess.run(
        [sys.executable, "-m", "data_prep.browse", *flags],
        cwd=REPO_DIR,
        capture_output=True,
        text=True,
        timeout=60,
    )


def plain(html):
    return " ".join(re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]*>", " ", html).split())


def test_page_refers_to_nothing_outside_of_itself(page_text):
    assert re.findall(r'(?:src|href)="(?!data:image/webp;base64,|#)[^"]*"', page_text) == []
    assert "http" not in page_text
    assert "url(" not in page_text


def test_page_states_the_counts(page_text):
    text = plain(page_text)
    assert "18 photos 20 instances 7 of 13 categories 1.1 instances a photo 3 at most" in text
    assert "train 15 83.3 % 17 1.1 val 2 11.1 % 3 1.5 challenge 1 5.6 % 0 0.0" in text
    assert "skirt 13 65.0 % 13" in text
    assert "boots 0 0 % 0" in text


def test_page_tells_all_that_the_report_tells(prepared, page_text):
    text = plain(page_text)
    report = json.loads((prepared.path / "prep_report.json").read_text())
    told = 0
    for source in report["sources"]:
        tallies = (source["photos"]["left_out"], source["annotations"]["dropped"])
        for tally in (*tallies, source["repairs"]):
            for reason, entry in tally.items():
                heading = reason.replace("_", " ")
                assert re.search(rf"{heading} [a-z ]+ {entry['count']}\b", text), reason
                told += 1
    assert told >= 8
    missing = "photo missing photos left out 1 The raw files name the photo but do not hold it."
    assert f"{missing} Such as photo 201 (0000201.jpg)" in text


def test_page_shows_the_photos_of_repairs(page_text):
    repairs = page_text[page_text.index('id="repairs"') :]
    shoes = repairs[repairs.index("box of another instance") :]
    figure = shoes[shoes.index("<figure") : shoes.index("</figure>")]
    assert "annotation 2, 3 · 0000101.jpg · train" in figure
    assert figure.count(">footwear</text>") == 2


def test_page_is_the_same_each_time(prepared, page_text):
    assert browse_page(prepared) == page_text


def test_page_explains_every_reason_the_code_can_give():
    from data_prep.browse.reasons import EXPLANATIONS

    # data_prep.convert tells its own: they are in no data set's report.
    paths = (REPO_DIR / "data_prep").rglob("*.py")
    sources = [path.read_text() for path in paths if "convert" not in path.parts]
    pattern = (
        r'(?:Note|PhotoError|SegmentationError|note|unusable_reason=)\(?\s*"([a-z][a-z0-9_]+)"'
    )
    reasons = {found for source in sources for found in re.findall(pattern, source)}
    assert "photo_missing" in reasons
    assert reasons - set(EXPLANATIONS) == set()


def test_command_writes_the_page_into_the_data_set_folder(prepared, page_text, tmp_path):
    data_dir = tmp_path / "data"
    shutil.copytree(prepared.path.parents[1], data_dir)

    ended = run(f"--data_dir={data_dir}")

    assert ended.returncode == 0, ended.stderr
    assert (data_dir / "browse.html").read_text() == page_text
    assert ended.stdout.startswith(f"{data_dir}/browse.html: modanet, 0.")
    assert open_prepared(data_dir).splits == ("train", "val", "challenge")


def test_each_of_several_data_sets_has_its_own_page(prepared, page_text, tmp_path):
    data_dir = tmp_path / "data"
    shutil.copytree(prepared.path, data_dir / "modanet" / "1.0.0")
    assert run(f"--data_dir={data_dir}").returncode == 0
    shutil.copytree(prepared.path, data_dir / "other" / "1.0.0")
    for path in (data_dir / "other" / "1.0.0").iterdir():
        path.rename(path.with_name(path.name.replace("modanet-", "other-")))
    info_path = data_dir / "other" / "1.0.0" / "dataset_info.json"
    info_path.write_text(info_path.read_text().replace('"name": "modanet"', '"name": "other"'))

    ended = [run(f"--data_dir={data_dir}", f"--dataset={name}") for name in ("modanet", "other")]

    assert [done.returncode for done in ended] == [0, 0], ended
    assert ended[1].stdout.startswith(f"{data_dir}/browse-other.html: other, ")
    pages = {path.name: path.read_text() for path in data_dir.glob("*.html")}
    assert sorted(pages) == ["browse-modanet.html", "browse-other.html", "browse.html"]
    assert pages["browse-modanet.html"] == pages["browse.html"] == page_text
    assert "<h1>other</h1>" in pages["browse-other.html"]


HOSTILE = "\"'><script>window.hacked = 1</script><img src=x onerror='window.hacked=1'>&amp;\udcff"


def test_hostile_names_are_text(prepared, tmp_path):
    data_dir = tmp_path / "data"
    shutil.copytree(prepared.path.parents[1], data_dir)
    (path,) = data_dir.rglob("prep_report.json")
    report = json.loads(path.read_text())
    report["category_names"][10] = HOSTILE  # skirt
    report["sources"][0]["name"] = HOSTILE
    report["raw_files"][0]["name"] = HOSTILE
    missing = report["sources"][0]["photos"]["left_out"]["photo_missing"]
    missing["example_files"] = [HOSTILE for _ in missing["example_files"]]
    path.write_text(json.dumps(report))
    page_path = tmp_path / "page.html"

    page_path.write_text(browse_page(open_prepared(data_dir)), encoding="utf-8")

    shown = HOSTILE.replace("\udcff", "\\udcff")
    with chromium_page(offline=True) as page:
        page.goto(page_path.as_uri())
        assert page.evaluate("window.hacked") is None
        assert page.locator("script").count() == 1
        assert shown in page.locator("td a").all_inner_texts()
        assert page.locator("#c11 svg text", has_text=shown).count() > 0
        assert shown in page.locator("h3").all_inner_texts()
        assert f"Such as photo 201 ({shown})" in page.locator("main").inner_text()
        assert shown in page.locator("footer").inner_text()


@pytest.mark.parametrize("width", [1280, 390])
def test_links_land_on_their_targets_at_once(page_path, width):
    with chromium_page(width, 800, offline=True) as page:
        page.goto(page_path.as_uri())
        links = page.locator("nav a").evaluate_all("links => links.map(a => a.hash)")
        assert links == ["#splits", "#categories", "#sizes", "#samples", "#repairs"]
        for link in (*links[2:], "#c11", "#c4"):
            page.goto("about:blank")
            page.goto(page_path.as_uri())
            assert distance_after_jump(page, f'a[href="{link}"]') < 2, link


def test_command_names_a_damaged_shard_and_leaves_no_page(prepared, tmp_path):
    data_dir = tmp_path / "data"
    shutil.copytree(prepared.path.parents[1], data_dir)
    (shard,) = data_dir.rglob("*train.tfrecord*")
    shard.write_bytes(shard.read_bytes()[:-30])

    ended = run(f"--data_dir={data_dir}")

    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(f"error: {shard}: record 14 is damaged")
    assert not list(data_dir.glob("browse*"))


@pytest.mark.parametrize("key", ["sources", "fingerprint", "options"])
def test_command_names_a_report_of_another_version(prepared, tmp_path, key):
    data_dir = tmp_path / "data"
    shutil.copytree(prepared.path.parents[1], data_dir)
    (path,) = data_dir.rglob("prep_report.json")
    report = json.loads(path.read_text())
    report[key] = [{"name": "train json"}] if key == "sources" else None
    path.write_text(json.dumps(report))
    with pytest.raises(ValueError, match="prep_report.json: .*damaged.*--overwrite"):
        browse_page(open_prepared(data_dir))


def test_page_opens_from_disk_and_hides_what_is_not_wanted(page_path):
    with chromium_page(offline=True) as page:
        page.goto(page_path.as_uri())
        assert page.locator("h1").inner_text() == "modanet"
        skirts = page.locator("#c11")
        assert skirts.locator("figure").count() == 12
        skirts.scroll_into_view_if_needed()
        image = skirts.locator("img").first
        page.wait_for_function("image => image.naturalWidth > 0", arg=image.element_handle())
        mask, box = skirts.locator(".mask").first, skirts.locator(".box").first
        assert (mask.is_visible(), box.is_visible()) == (True, True)

        page.get_by_text("masks", exact=True).click()

        assert (mask.is_visible(), box.is_visible()) == (False, True)


def test_page_shows_a_photo_large(page_path):
    with chromium_page() as page:
        page.goto(page_path.as_uri())
        frame = page.locator("#c11 .frame").first
        frame.scroll_into_view_if_needed()
        small = frame.bounding_box()

        frame.click()

        large = page.locator("dialog[open] .frame").bounding_box()
        assert large["width"] > 2 * small["width"]
        assert large["y"] >= 0
        assert large["y"] + large["height"] <= 900
        page.keyboard.press("Escape")
        assert page.locator("dialog[open]").count() == 0


def test_page_fits_a_phone(page_path):
    with chromium_page(width=360, height=740) as page:
        page.goto(page_path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        # The scarf's photo is 30 wide and 40 high, the skirts' 40 and 30.
        for name, smallest, largest in (("#c13", 120, 239), ("#c11", 240, 320)):
            box = page.locator(f"{name} figure").first.bounding_box()
            assert smallest < box["width"] <= largest, name
