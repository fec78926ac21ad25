import hashlib
import shutil
from collections import namedtuple

import numpy as np
import pytest

from data_prep.download.files import RemoteFile, fetch_file, is_present
from data_prep.download.http import Patience
from tests.data_prep.file_server import file_server

CONTENTS = np.random.default_rng(7).bytes(3_000_001)
SHA256 = hashlib.sha256(CONTENTS).hexdigest()
PATIENCE = Patience(timeout_s=0.3, max_failures=4, first_wait_s=0.01)
PATH = "photos/a.tar"


@pytest.fixture
def server():
    with file_server() as server:
        yield server


def remote_file(*urls, **fields):
    given = {"num_bytes": len(CONTENTS), "sha256": SHA256, **fields}
    return RemoteFile(path=PATH, urls=urls, **given)


def names(raw_dir):
    return sorted(path.name for path in (raw_dir / "photos").iterdir())


def test_fetch_a_file_of_a_good_server(server, tmp_path):
    file = remote_file(server.add("a.tar", CONTENTS))
    assert not is_present(file, tmp_path)

    fetch_file(file, tmp_path, PATIENCE)

    assert (tmp_path / PATH).read_bytes() == CONTENTS
    assert names(tmp_path) == ["a.tar"]
    assert server.ranges("a.tar") == [None]
    assert is_present(file, tmp_path)


def test_fetch_goes_on_where_the_connection_broke(server, tmp_path):
    file = remote_file(server.add("a.tar", CONTENTS, "break", "break"))

    fetch_file(file, tmp_path, PATIENCE)

    assert (tmp_path / PATH).read_bytes() == CONTENTS
    assert server.ranges("a.tar") == [None, "bytes=1500000-", "bytes=2250000-"]


def test_fetch_goes_on_where_the_server_stalled(server, tmp_path):
    file = remote_file(server.add("a.tar", CONTENTS, "stall"))

    fetch_file(file, tmp_path, PATIENCE)

    assert (tmp_path / PATH).read_bytes() == CONTENTS
    # Of the 1,500,000 bytes sent, whole pieces of 65,536 are kept.
    assert server.ranges("a.tar") == [None, "bytes=1441792-"]


def test_fetch_starts_anew_where_the_server_ignores_ranges(server, tmp_path):
    file = remote_file(server.add("a.tar", CONTENTS, "break", "ignore range"))

    fetch_file(file, tmp_path, PATIENCE)

    assert (tmp_path / PATH).read_bytes() == CONTENTS
    assert server.ranges("a.tar") == [None, "bytes=1500000-"]


@pytest.mark.parametrize("faults", [("503", "429"), ("redirect",), ("no length",)], ids=str)
def test_fetch_from_a_server_that_is_busy_elsewhere_or_vague(server, tmp_path, faults):
    file = remote_file(server.add("a.tar", CONTENTS, *faults))
    server.add("real/a.tar", CONTENTS)

    fetch_file(file, tmp_path, PATIENCE)

    assert (tmp_path / PATH).read_bytes() == CONTENTS


def test_fetch_goes_on_after_a_redirect_that_breaks_off(server, tmp_path):
    file = remote_file(server.add("a.tar", b"", "redirect", "redirect"))
    server.add("real/a.tar", CONTENTS, "break")

    fetch_file(file, tmp_path, PATIENCE)

    assert (tmp_path / PATH).read_bytes() == CONTENTS
    assert server.ranges("real/a.tar") == [None, "bytes=1500000-"]


def test_fetch_goes_on_in_a_later_run(server, tmp_path):
    file = remote_file(server.add("a.tar", CONTENTS, "break", "404"))
    with pytest.raises(ValueError, match="a.tar: cannot be downloaded: http.*HTTP status 404"):
        fetch_file(file, tmp_path, PATIENCE)
    assert names(tmp_path) == ["a.tar.part", "a.tar.part.json"]

    fetch_file(file, tmp_path, PATIENCE)

    assert (tmp_path / PATH).read_bytes() == CONTENTS
    assert server.ranges("a.tar") == [None, "bytes=1500000-", "bytes=1500000-"]
    assert names(tmp_path) == ["a.tar"]


def test_fetch_of_a_file_changed_meanwhile_takes_all_of_the_new_one(server, tmp_path):
    url = server.add("a.tar", b"x" * len(CONTENTS), "break", "404")
    file = remote_file(url)
    with pytest.raises(ValueError, match="404"):
        fetch_file(file, tmp_path, PATIENCE)
    server.add("a.tar", CONTENTS)

    fetch_file(file, tmp_path, PATIENCE)

    assert (tmp_path / PATH).read_bytes() == CONTENTS
    # One request: If-Range made the server send everything.
    assert server.ranges("a.tar") == [None, "bytes=1500000-", "bytes=1500000-"]


def test_fetch_replaces_a_part_of_something_else(server, tmp_path):
    file = remote_file(server.add("a.tar", CONTENTS))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.tar.part").write_bytes(b"y" * 1000)

    fetch_file(file, tmp_path, PATIENCE)

    assert (tmp_path / PATH).read_bytes() == CONTENTS
    assert server.ranges("a.tar") == ["bytes=1000-", None]


def test_fetch_takes_a_part_that_is_already_whole(server, tmp_path):
    file = remote_file(server.add("a.tar", CONTENTS))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.tar.part").write_bytes(CONTENTS)

    fetch_file(file, tmp_path, PATIENCE)

    assert names(tmp_path) == ["a.tar"]
    assert server.ranges("a.tar") == [f"bytes={len(CONTENTS)}-"]


def test_fetch_refuses_wrong_bytes_and_leaves_nothing(server, tmp_path):
    wrong = bytes([CONTENTS[0] ^ 1]) + CONTENTS[1:]
    file = remote_file(server.add("a.tar", wrong))

    with pytest.raises(ValueError, match=f"gave other bytes: got the sha256 .*expected {SHA256}"):
        fetch_file(file, tmp_path, PATIENCE)

    assert names(tmp_path) == []


def test_fetch_asks_the_next_place_where_one_has_wrong_bytes(server, tmp_path):
    first = server.add("first/a.tar", CONTENTS[::-1])
    second = server.add("second/a.tar", CONTENTS)

    fetch_file(remote_file(first, second), tmp_path, PATIENCE)

    assert (tmp_path / PATH).read_bytes() == CONTENTS


@pytest.mark.parametrize(
    ("fault", "contents", "reason"),
    [
        ("", CONTENTS[:-1], "offers 3,000,000 bytes, expected 3,000,001"),
        ("html", CONTENTS, "gave a web page instead of the file"),
        ("403", CONTENTS, "HTTP status 403 Forbidden"),
    ],
)
def test_fetch_refuses_before_it_loads(server, tmp_path, fault, contents, reason):
    file = remote_file(server.add("a.tar", contents, fault))
    with pytest.raises(ValueError, match=reason):
        fetch_file(file, tmp_path, PATIENCE)
    assert names(tmp_path) == []


def test_fetch_refuses_an_answer_of_another_range(server, tmp_path):
    file = remote_file(server.add("a.tar", CONTENTS, "break", "wrong range"))
    with pytest.raises(ValueError, match="answered 'bytes 1499999-.*the bytes from 1500000"):
        fetch_file(file, tmp_path, PATIENCE)


def test_fetch_gives_up_on_a_server_that_stays_down(server, tmp_path):
    file = remote_file(server.add("a.tar", CONTENTS, *["500"] * 9))
    with pytest.raises(ValueError, match="gave up after 4 failures .HTTP status 500."):
        fetch_file(file, tmp_path, PATIENCE)
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("written", "reason"),
    [("https://", "SSL"), ("ftp://", "No connection adapters"), ("", "No connection adapters")],
)
def test_fetch_does_not_insist_where_no_waiting_helps(server, tmp_path, written, reason):
    url = server.add("a.tar", CONTENTS).replace("http://", written)
    with pytest.raises(ValueError, match=reason) as caught:
        fetch_file(remote_file(url), tmp_path, PATIENCE)
    assert "gave up" not in str(caught.value)


def test_fetch_says_where_no_server_answers(tmp_path):
    file = remote_file("http://127.0.0.1:9/a.tar")
    with pytest.raises(ValueError, match="http://127.0.0.1:9/a.tar gave up after 4 failures"):
        fetch_file(file, tmp_path, PATIENCE)


def test_fetch_of_an_about_known_size_takes_the_servers(server, tmp_path):
    file = remote_file(server.add("a.tar", CONTENTS, "break"), num_bytes=40, is_exact=False)
    fetch_file(file, tmp_path, PATIENCE)
    assert (tmp_path / PATH).read_bytes() == CONTENTS


def test_fetch_checks_the_disk_before_it_loads(server, tmp_path, monkeypatch):
    file = remote_file(server.add("a.tar", CONTENTS))
    usage = namedtuple("usage", "total used free")(10**9, 10**9 - 10**6, 10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ValueError, match=r"photos: 0.0 GB free, but a.tar needs 0.0 GB; make room"):
        fetch_file(file, tmp_path, PATIENCE)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("contents", "got"),
    [(CONTENTS[:5], "got 5 bytes"), (CONTENTS[::-1], "got the sha256 "), (b"", "got 0 bytes")],
    ids=["short", "other bytes", "empty"],
)
def test_is_present_refuses_another_file_and_keeps_it(tmp_path, contents, got):
    (tmp_path / "photos").mkdir()
    (tmp_path / PATH).write_bytes(contents)
    with pytest.raises(ValueError, match=f"a.tar: is not the published file: {got}.*{SHA256}"):
        is_present(remote_file(), tmp_path)
    assert (tmp_path / PATH).read_bytes() == contents


def test_md5_is_used_where_nothing_else_is_published(server, tmp_path):
    md5 = hashlib.md5(CONTENTS).hexdigest()
    file = remote_file(server.add("a.tar", CONTENTS), sha256="", md5=md5)
    fetch_file(file, tmp_path, PATIENCE)
    assert is_present(file, tmp_path)


def lfs_file(server, *urls, **fields):
    server.add("objects/0", CONTENTS)
    server.lfs_objects[SHA256] = "objects/0"
    return remote_file(*urls, lfs_repository=f"{server.url}/repo.git", **fields)


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA256}\nsize 3000001\n"


def test_lfs_pointer_of_a_clone_is_replaced_by_its_file(server, tmp_path, capsys):
    file = lfs_file(server)
    (tmp_path / "photos").mkdir()
    (tmp_path / PATH).write_text(POINTER)
    assert not is_present(file, tmp_path)

    fetch_file(file, tmp_path, PATIENCE)

    assert (tmp_path / PATH).read_bytes() == CONTENTS
    assert "a.tar: a Git LFS pointer; fetching the file it stands for" in capsys.readouterr().out
    assert [path for path, _ in server.requests] == [
        "repo.git/info/lfs/objects/batch",
        "objects/0",
    ]


def test_lfs_asks_for_a_new_address_after_a_break(server, tmp_path):
    file = lfs_file(server)
    server.files["objects/0"].faults = ["break"]
    fetch_file(file, tmp_path, PATIENCE)
    assert server.requests == [
        ("repo.git/info/lfs/objects/batch", None),
        ("objects/0", None),
        ("repo.git/info/lfs/objects/batch", None),
        ("objects/0", "bytes=1500000-"),
    ]


def test_lfs_pointer_from_a_mirror_is_fetched_from_the_repository(server, tmp_path):
    mirror_url = server.add("mirror/a.tar", POINTER.encode())
    fetch_file(lfs_file(server, mirror_url=mirror_url), tmp_path, PATIENCE)
    assert (tmp_path / PATH).read_bytes() == CONTENTS
    assert server.requests[0] == ("mirror/a.tar", None)


def test_lfs_over_its_quota_is_said_and_the_next_place_asked(server, tmp_path, capsys):
    file = lfs_file(server, server.add("media/a.tar", CONTENTS))
    server.lfs_status = 403
    fetch_file(file, tmp_path, PATIENCE)
    assert (tmp_path / PATH).read_bytes() == CONTENTS
    assert "over its data quota" in capsys.readouterr().err


def test_lfs_object_that_does_not_exist(server, tmp_path):
    file = lfs_file(server)
    server.lfs_objects.clear()
    with pytest.raises(ValueError, match="Object does not exist"):
        fetch_file(file, tmp_path, PATIENCE)
