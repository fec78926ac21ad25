import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from data_prep.crawl import engines, run
from data_prep.crawl.checks import NearDuplicates, check_photo, perceptual_hash
from data_prep.crawl.fetch import Fetcher, FetchError, Politeness
from data_prep.crawl.run import Crawl, read_manifest
from tests.data_prep.hostile_server import hostile_server, jpeg, product_jpeg
from tfseg.io.folder_lock import only_one

pytestmark = pytest.mark.slow

REPO_DIR = Path(__file__).resolve().parents[3]


@pytest.fixture
def server():
    with hostile_server() as server:
        yield server


def polite(**changes):
    options = {"requests_per_s": 500, "deadline_s": 3.0, "max_bytes": 300_000}
    return Politeness("tester/1.0", public_hosts_only=False, **(options | changes))


def crawl(out_dir, server, *paths, max_num=50, politeness=None):
    candidates = [engines.Candidate(f"{server.url}{path}", "unknown") for path in paths]
    work = Crawl(out_dir, "dress", "red dress", politeness or polite())
    return work.run(candidates, max_num, num_workers=4)


def outcomes_by_path(out_dir, server):
    entries = read_manifest(out_dir / "manifest.jsonl")
    return {entry.url.removeprefix(server.url): entry.outcome for entry in entries}


def test_every_kind_of_answer_has_its_outcome(server, tmp_path):
    expected = {
        "/good/1.jpg": "kept",
        "/redirect.jpg": "kept",
        "/loop/a": "redirect_loop",
        "/endless/0": "too_many_redirects",
        "/elsewhere.jpg": "not_a_web_address",
        "/stall.jpg": "timed_out",
        "/trickle.jpg": "timed_out",
        "/breaks.jpg": "broke_off",
        "/html.jpg": "not_an_image",
        "/liar.jpg": "not_an_image",
        "/bomb.png": "too_many_pixels",
        "/huge.jpg": "too_many_bytes",
        "/truncated.jpg": "damaged",
        "/icon.jpg": "icon",
        "/banner.jpg": "banner",
        "/private/a.jpg": "robots_disallow",
        "/nothing.jpg": "http_404",
        "/flaky.jpg": "http_503",
    }
    counts = crawl(tmp_path, server, *expected)
    assert outcomes_by_path(tmp_path, server) == expected
    assert counts["kept"] == 2
    assert sum(counts.values()) == len(expected)
    assert server.asked("/private/a.jpg") == 0
    assert server.asked("/robots.txt") == 1
    assert {agent for *_, agent in server.requests} == {"tester/1.0"}
    assert len(list((tmp_path / "dress").iterdir())) == 2  # nothing half written is left


def test_manifest_describes_what_was_kept(server, tmp_path):
    crawl(tmp_path, server, "/good/1.jpg")
    entry = json.loads((tmp_path / "manifest.jsonl").read_text())
    contents = jpeg(1)
    sha256 = hashlib.sha256(contents).hexdigest()
    assert (tmp_path / entry["file_name"]).read_bytes() == contents
    assert entry["file_name"] == f"dress/1-{sha256[:8]}.jpg"
    assert entry["sha256"] == sha256
    assert (entry["width"], entry["height"], entry["num_bytes"]) == (320, 260, len(contents))
    assert (entry["licence"], entry["keyword"]) == ("unknown", "red dress")
    assert entry["time"].endswith("+00:00")


def test_duplicates_and_near_duplicates_are_left_out(server, tmp_path):
    crawl(tmp_path, server, "/good/1.jpg")
    crawl(tmp_path, server, "/same.jpg", "/similar.jpg", "/good/2.jpg")
    found = outcomes_by_path(tmp_path, server)
    assert found["/same.jpg"] == "duplicate"
    assert found["/similar.jpg"] == "near_duplicate"
    assert found["/good/2.jpg"] == "kept"


def test_a_second_run_asks_only_for_what_may_come_yet(server, tmp_path):
    paths = ("/good/1.jpg", "/nothing.jpg", "/flaky.jpg")
    crawl(tmp_path, server, *paths)
    counts = crawl(tmp_path, server, *paths)
    assert counts == {"known already": 2, "kept": 1}
    assert [server.asked(path) for path in paths] == [1, 1, 2]


def test_crawl_stops_at_max_num_over_all_runs(server, tmp_path):
    paths = [f"/good/{number}.jpg" for number in range(20, 40)]
    crawl(tmp_path, server, *paths, max_num=3)
    crawl(tmp_path, server, *paths, max_num=5)
    assert len(list((tmp_path / "dress").iterdir())) == 5


def test_a_crawl_that_has_its_photos_asks_for_nothing(server, tmp_path):
    crawl(tmp_path, server, "/good/1.jpg", max_num=1)
    crawl(tmp_path, server, "/good/2.jpg", max_num=1)
    assert server.asked("/good/2.jpg") == 0


def test_a_list_of_addresses_from_windows_is_read(tmp_path):
    path = tmp_path / "urls.txt"
    path.write_bytes(b"\xef\xbb\xbfhttp://a.org/1.jpg\r\nhttp://a.org/2.jpg\r\n")
    urls = [candidate.url for candidate in engines.listed(path, "")]
    assert urls == ["http://a.org/1.jpg", "http://a.org/2.jpg"]


def test_one_host_is_asked_no_faster_than_allowed(server, tmp_path):
    paths = [f"/good/{number}.jpg" for number in range(5)]
    crawl(tmp_path, server, *paths, politeness=polite(requests_per_s=20))
    times = [when for path, when, _ in server.requests if path.startswith("/good")]
    assert min(np.diff(times)) > 0.03  # 50 ms, less what threads jitter


def test_a_crawl_delay_of_robots_txt_is_kept(server):
    server.robots = b"User-agent: *\nCrawl-delay: 1\n"
    fetcher = Fetcher(polite())
    fetcher.fetch(f"{server.url}/good/1.jpg")
    started = time.monotonic()
    fetcher.fetch(f"{server.url}/good/2.jpg")
    assert time.monotonic() - started > 0.8


@pytest.mark.parametrize("delay", [b"61", b"86400", b"9" * 400], ids=["61", "86400", "9..."])
def test_a_host_that_asks_for_very_long_waits_is_left_alone(server, delay):
    server.robots = b"User-agent: *\nCrawl-delay: " + delay
    fetcher = Fetcher(polite())
    for number in (1, 2):
        with pytest.raises(FetchError, match="robots_too_slow"):
            fetcher.fetch(f"{server.url}/good/{number}.jpg")
    assert [path for path, *_ in server.requests] == ["/robots.txt"]


def test_an_interrupt_ends_the_wait_for_a_turn(server, tmp_path):
    server.robots = b"User-agent: *\nCrawl-delay: 50"
    urls = [f"{server.url}/good/{number}.jpg" for number in range(6)]
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    command = [sys.executable, "-m", "data_prep.crawl", "--engine=urls", "--local_hosts"]
    command += [f"--urls_path={tmp_path / 'urls.txt'}", f"--out_dir={tmp_path / 'out'}"]
    process = subprocess.Popen(
        [*command, "--category=dress"],
        cwd=REPO_DIR,
        # A job in the background of a shell ignores Ctrl-C, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        manifest = tmp_path / "out/manifest.jsonl"
        while process.poll() is None and not (manifest.is_file() and manifest.stat().st_size):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(25) != 0
    finally:
        process.kill()
    assert [entry.outcome for entry in read_manifest(manifest)] == ["kept"]


def test_redirects_of_robots_txt_are_followed_but_into_no_local_network(server, monkeypatch):
    monkeypatch.setattr("data_prep.crawl.fetch._is_public", lambda host: host == "127.0.0.1")
    server.robots_status = 302
    server.robots_headers = {"Location": "/rules.txt"}
    politeness = Politeness("tester/1.0", 500)
    assert Fetcher(politeness).fetch(f"{server.url}/good/1.jpg") == jpeg(1)
    with pytest.raises(FetchError, match="robots_disallow"):
        Fetcher(politeness).fetch(f"{server.url}/private/a.jpg")
    local = server.url.replace("127.0.0.1", "localhost")
    server.robots_headers = {"Location": f"{local}/inner.txt"}
    with pytest.raises(FetchError, match="robots_disallow"):
        Fetcher(politeness).fetch(f"{server.url}/good/1.jpg")
    assert server.asked("/rules.txt") == 2
    assert server.asked("/inner.txt") == 0


def test_robots_txt_that_fails_allows_nothing_and_none_allows_all(server):
    server.robots_status = 500
    for path in ("/good/1.jpg", "?photo=1.jpg"):
        with pytest.raises(FetchError, match="robots_disallow"):
            Fetcher(polite()).fetch(f"{server.url}{path}")
    server.robots_status = 404
    assert Fetcher(polite()).fetch(f"{server.url}/good/1.jpg") == jpeg(1)


def test_local_networks_are_refused_unless_allowed(server):
    politeness = Politeness("tester/1.0", public_hosts_only=True)
    with pytest.raises(FetchError, match="not_a_public_host"):
        Fetcher(politeness).fetch(f"{server.url}/good/1.jpg")
    assert server.requests == []


def test_what_a_flag_may_allow_is_asked_for_again(server, tmp_path):
    refused = Politeness("tester/1.0", requests_per_s=500, public_hosts_only=True)
    assert crawl(tmp_path, server, "/good/1.jpg", politeness=refused) == {"not_a_public_host": 1}
    assert crawl(tmp_path, server, "/good/1.jpg", "/private/a.jpg") == {
        "kept": 1,
        "robots_disallow": 1,
    }
    ignoring = polite(obeys_robots=False)
    counts = crawl(tmp_path, server, "/good/1.jpg", "/private/a.jpg", politeness=ignoring)
    assert counts["known already"] == 1 and counts["robots_disallow"] == 0


def test_the_flag_for_local_networks_is_named(server, tmp_path):
    (tmp_path / "urls.txt").write_text(f"{server.url}/good/1.jpg\n")
    command = [sys.executable, "-m", "data_prep.crawl", "--engine=urls", "--category=dress"]
    command += [f"--urls_path={tmp_path / 'urls.txt'}", f"--out_dir={tmp_path / 'out'}"]
    done = subprocess.run(command, cwd=REPO_DIR, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 addresses are not public ones; --local_hosts allows" in done.stdout


@pytest.mark.parametrize(
    ("url", "stem"),
    [
        ("https://a.shop/p/red%20dress,%20silk.JPG?w=3", "red-dress-silk"),
        ("https://a.shop/кле́ш.webp", "кле-ш"),
        ("file:///photos/IMG_0001.jpeg", "IMG_0001"),
        ("https://a.shop/", "photo"),
        ("https://a.shop/..%2F..%2Fetc.jpg", "etc"),
        (f"https://a.shop/{'x' * 300}.jpg", "x" * 60),
    ],
)
def test_a_photo_is_called_what_it_was_called(url, stem):
    assert run._file_stem(url) == stem


def test_a_killed_crawl_goes_on(server, tmp_path):
    urls = [f"{server.url}/good/{number}.jpg" for number in range(30)]
    (tmp_path / "urls.txt").write_text("# dresses\n" + "\tcc-by\n".join([*urls, ""]))
    command = [sys.executable, "-m", "data_prep.crawl", "--engine=urls", "--local_hosts"]
    command += [f"--urls_path={tmp_path / 'urls.txt'}", f"--out_dir={tmp_path / 'out'}"]
    command += ["--category=dress", "--requests_per_second=20", "--num_workers=2"]
    process = subprocess.Popen(command, cwd=REPO_DIR)
    manifest = tmp_path / "out/manifest.jsonl"
    while process.poll() is None and (not manifest.is_file() or manifest.stat().st_size < 2000):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with manifest.open("ab") as file:
        file.write(b'{"url": "http')
    num_done = manifest.read_bytes().count(b"\n")
    assert 0 < num_done < 30
    command[command.index("--requests_per_second=20")] = "--requests_per_second=100"
    done = subprocess.run(command, cwd=REPO_DIR, capture_output=True, text=True, timeout=60)
    assert f"{30 - num_done} photos kept; left out: {num_done} known already" in done.stdout
    entries = read_manifest(manifest)
    assert len(entries) == len({entry.url for entry in entries}) == 30
    assert {entry.licence for entry in entries} == {"cc-by"}


def test_search_reads_the_engine_page_by_page(server, monkeypatch):
    """The engine's address is led to the local server; icrawler asks and reads as it would."""
    to_local = requests.adapters.HTTPAdapter.send

    def send(self, request, **kwargs):
        request.url = request.url.replace("https://www.bing.com", server.url)
        return to_local(self, request, **kwargs)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    found = list(engines.search("bing", "red dress", "commercial", 100, "tester/1.0"))
    assert [one.url for one in found] == [f"{server.url}/good/{n}.jpg" for n in (10, 11, 12)]
    assert {one.licence for one in found} == {"commercial"}
    pages = [path for path, *_ in server.requests]
    assert "q=red+dress" in pages[0]
    assert "license" in pages[0]
    assert len(pages) == 2  # the second had nothing new


def test_the_manifest_of_a_crawl_at_work_is_left_alone(server, tmp_path):
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_bytes(b'{"url": "http')  # half written by the other
    with (
        only_one(tmp_path / "crawl.lock", "data_prep.crawl", "--out_dir"),
        pytest.raises(ValueError, match="is at work here"),
    ):
        crawl(tmp_path, server, "/good/1.jpg")
    assert manifest.read_bytes() == b'{"url": "http'


def test_photos_of_16_bits_are_told_apart(tmp_path):
    hashes = set()
    for seed in (1, 2):
        grey = np.asarray(Image.open(io.BytesIO(jpeg(seed))).convert("L"))
        buffer = io.BytesIO()
        Image.fromarray(grey.astype(np.uint16) * 257).save(buffer, "PNG")
        hashes.add(check_photo(buffer.getvalue()).perceptual_hash)
        assert check_photo(buffer.getvalue()).perceptual_hash == perceptual_hash(grey)
    assert len(hashes) == 2


def test_a_folder_is_taken_over(tmp_path):
    source = tmp_path / "my photos"
    source.mkdir()
    (source / "shirt #1.jpg").write_bytes(product_jpeg())
    (source / "notes.txt").write_text("not a photo")
    candidates = engines.in_folder(source, "own")
    counts = Crawl(tmp_path / "out", "top", "", polite()).run(candidates, 10, 2)
    assert counts == {"kept": 1, "not_an_image": 1}
    assert {entry.licence for entry in read_manifest(tmp_path / "out/manifest.jsonl")} == {"own"}


def test_perceptual_hash_tells_same_from_other():
    near = NearDuplicates()
    rng = np.random.default_rng(1)
    photos = [
        np.asarray(Image.fromarray(rng.integers(0, 255, (8, 8), np.uint8)).resize((400, 300), 3))
        for _ in range(30)
    ]
    for number, photo in enumerate(photos):
        assert near.find(perceptual_hash(photo)) is None
        near.add(perceptual_hash(photo), str(number))
    brighter = np.clip(photos[3].astype(int) + 12, 0, 255).astype(np.uint8)
    smaller = np.asarray(Image.fromarray(photos[4]).resize((200, 150), 2))
    assert near.find(perceptual_hash(brighter)) == "3"
    assert near.find(perceptual_hash(smaller)) == "4"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--engine=bing", "--category=a"], "--engine=bing needs --keyword"),
        (["--engine=urls", "--category=a"], "--engine=urls needs --urls_path"),
        (["--engine=folder", "--folder=.", "--category=../x"], "not the name of a folder"),
        (["--engine=bing", "--keyword=x", "--category=a", "--licence=any"], "no such filter"),
    ],
)
def test_wrong_flags_are_told_in_one_line(tmp_path, flags, words):
    command = [sys.executable, "-m", "data_prep.crawl", f"--out_dir={tmp_path}", *flags]
    done = subprocess.run(command, cwd=REPO_DIR, capture_output=True, text=True)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
