import gzip
import io
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from data_prep import dataset_registry
from data_prep.download import git_tree
from data_prep.download.data_set import download
from data_prep.download.http import Patience
from tests.data_prep.file_server import file_server

REPO_DIR = Path(__file__).resolve().parents[3]
STREET_DIR = (REPO_DIR / os.environ.get("TFSEG_STREET_DIR", "../shared/street")).resolve()
QUICK = Patience(timeout_s=5, max_failures=2, first_wait_s=0.01)
CONTENTS = {
    "LICENSE": b"as it is\n",
    "train/dress/a b.jpg": b"\xff\xd8dress" * 50,
    "test/dress/c.jpg": b"\xff\xd8another" * 50,
    "validation/hat/d.jpg": b"\xff\xd8hat" * 50,
}


@pytest.fixture
def server():
    with file_server() as server:
        yield server


def listing(path, contents):
    rows = [f"{git_tree.blob_id(data)}\t{len(data)}\t{name}\n" for name, data in contents.items()]
    path.write_bytes(gzip.compress("".join(rows).encode()))
    return path


def archive(contents, links=()):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in contents.items():
            member = tarfile.TarInfo(f"repository-1a2b/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for name, target in links:
            member = tarfile.TarInfo(f"repository-1a2b/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return packed.getvalue()


@pytest.fixture
def tree(server, tmp_path):
    for name, data in CONTENTS.items():
        server.add(f"files/{name.replace(' ', '%20')}", data)
    return git_tree.GitTree(
        "photos",
        server.add("archive.tar.gz", archive(CONTENTS)),
        f"{server.url}/files",
        listing(tmp_path / "files.tsv.gz", CONTENTS),
        left_out_folders=("train", "validation", "test"),
    )


@pytest.fixture(params=["archive", "one by one"])
def way(request, monkeypatch):
    if request.param == "archive":
        monkeypatch.setattr(git_tree, "_FEW", 0)
    return request.param


def held(raw_dir):
    found = (path for path in raw_dir.rglob("*") if path.is_file())
    return {path.relative_to(raw_dir).as_posix(): path.read_bytes() for path in found}


EXPECTED = {
    "LICENSE": CONTENTS["LICENSE"],
    "dress/a b.jpg": CONTENTS["train/dress/a b.jpg"],
    "dress/c.jpg": CONTENTS["test/dress/c.jpg"],
    "hat/d.jpg": CONTENTS["validation/hat/d.jpg"],
}


def test_the_id_is_gits():
    assert git_tree.blob_id(b"what is up, doc?") == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"


def test_all_files_come(tree, server, tmp_path, way, capsys):
    download((tree,), tmp_path / "raw")
    assert held(tmp_path / "raw") == EXPECTED
    assert "photos: 4 files, their git ids are right" in capsys.readouterr().out
    assert (len(server.requests) == 1) == (way == "archive")

    del server.requests[:]
    download((tree,), tmp_path / "raw")
    assert "photos: is there and whole" in capsys.readouterr().out
    assert server.requests == []


def test_what_is_there_is_not_asked_for_again(tree, server, tmp_path):
    raw_dir = tmp_path / "raw"
    (raw_dir / "hat").mkdir(parents=True)
    (raw_dir / "hat" / "d.jpg").write_bytes(EXPECTED["hat/d.jpg"])
    git_tree.fetch(tree, raw_dir, QUICK)
    assert held(raw_dir) == EXPECTED
    assert not any("d.jpg" in path for path, _ in server.requests)


@pytest.mark.parametrize("fault", ["cut short", "other bytes", "link", "gone", "no archive"])
def test_what_the_archive_does_not_give_is_asked_for_by_itself(
    tree, server, tmp_path, monkeypatch, fault
):
    monkeypatch.setattr(git_tree, "_FEW", 0)
    served = server.files["archive.tar.gz"]
    others = {name: data for name, data in CONTENTS.items() if "c.jpg" not in name}
    if fault == "cut short":
        served.contents = served.contents[: len(served.contents) // 2]
    elif fault == "other bytes":
        served.contents = archive(CONTENTS | {"test/dress/c.jpg": b"\xff\xd8anothex" * 50})
    elif fault == "link":
        served.contents = archive(others, [("test/dress/c.jpg", "/etc/passwd")])
    elif fault == "gone":
        served.contents = archive(others)
    else:
        served.faults = ["404"]
    git_tree.fetch(tree, tmp_path / "raw", QUICK)
    assert held(tmp_path / "raw") == EXPECTED


def test_nothing_beyond_the_listing_is_written(tree, server, tmp_path, monkeypatch):
    monkeypatch.setattr(git_tree, "_FEW", 0)
    more = {"../../outside.jpg": b"x", "dress/more.jpg": b"y"}
    server.files["archive.tar.gz"].contents = archive(more | CONTENTS)
    git_tree.fetch(tree, tmp_path / "raw", QUICK)
    assert held(tmp_path / "raw") == EXPECTED
    assert not list(tmp_path.rglob("outside.jpg"))


def test_a_passing_failure_is_tried_again(tree, server, tmp_path):
    server.files["files/LICENSE"].faults = ["503"]
    server.files["files/test/dress/c.jpg"].faults = ["break"]
    git_tree.fetch(tree, tmp_path / "raw", QUICK)
    assert held(tmp_path / "raw") == EXPECTED


def test_files_that_cannot_be_had_are_named_and_the_others_kept(tree, server, tmp_path):
    server.files["files/LICENSE"].contents = b"as it iz\n"
    server.files["files/test/dress/c.jpg"].faults = ["404"]
    with pytest.raises(ValueError, match=r"2 files of photos cannot be had: LICENSE: .*other byt"):
        git_tree.fetch(tree, tmp_path / "raw", QUICK)
    assert held(tmp_path / "raw").keys() == {"dress/a b.jpg", "hat/d.jpg"}
    server.files["files/LICENSE"].contents = CONTENTS["LICENSE"]
    git_tree.fetch(tree, tmp_path / "raw", QUICK)
    assert held(tmp_path / "raw") == EXPECTED


def test_another_file_in_the_place_of_one_is_named(tree, server, tmp_path):
    raw_dir = tmp_path / "raw"
    raw_dir.mkdir()
    (raw_dir / "LICENSE").write_bytes(b"my own\n")
    with pytest.raises(ValueError, match=r"1 files are not the published ones.*:\n.*LICENSE$"):
        download((tree,), raw_dir)
    assert server.requests == []
    assert (raw_dir / "LICENSE").read_bytes() == b"my own\n"


def test_a_mirror_is_asked_first(tree, server, tmp_path):
    for name, data in CONTENTS.items():
        server.add(f"mine/{name.replace(' ', '%20')}", data)
    server.files["mine/LICENSE"].faults = ["404"]
    git_tree.fetch(replace(tree, mirror_url=f"{server.url}/mine/"), tmp_path / "raw", QUICK)
    assert held(tmp_path / "raw") == EXPECTED
    asked = [path for path, _ in server.requests]
    assert sorted(path for path in asked if path.startswith("files/")) == ["files/LICENSE"]


@pytest.mark.parametrize(
    ("name", "num_files", "num_photos", "built_as"),
    [("ccp", 4202, 2098, "ccp"), ("clothing", 3783, 3781, "product")],
)
def test_the_public_listings(name, num_files, num_photos, built_as):
    (tree,) = dataset_registry.downloads(name)
    targets = [file.target for file in tree.files]
    assert len(set(targets)) == len(targets) == num_files
    photos = [target for target in targets if target.endswith(".jpg") and "/" in target]
    assert len(photos) == num_photos
    assert all(len(file.blob_id) == 40 for file in tree.files)
    assert 100e6 < sum(file.num_bytes for file in tree.files) < 300e6
    assert dataset_registry.built_as(name) == built_as
    assert name in dataset_registry.names_with_downloads()


@pytest.mark.parametrize("name", ["ccp", "clothing"])
def test_the_listing_is_of_the_real_files(name):
    folder = STREET_DIR.parent / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    (tree,) = dataset_registry.downloads(name)
    there = [file for file in tree.files if (folder / file.target).is_file()]
    assert len(there) > 1000
    for file in there[::10]:
        assert git_tree.blob_id((folder / file.target).read_bytes()) == file.blob_id


def test_the_command_names_what_there_is(tmp_path):
    command = [sys.executable, "-m", "data_prep.download", "--dataset=clothing", "--only=nothing"]
    command.append(f"--raw_dir={tmp_path}")
    done = subprocess.run(command, cwd=REPO_DIR, capture_output=True, text=True)
    assert done.returncode == 1
    assert "fits none of the files; expected clothing-dataset-small" in done.stderr
