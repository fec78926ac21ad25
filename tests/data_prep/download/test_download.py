import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from data_prep import dataset_registry
from data_prep.datasets.modanet import downloads as modanet_downloads
from data_prep.datasets.modanet.raw_files import PhotoStore
from data_prep.download.data_set import download
from data_prep.download.files import RemoteFile
from tests.data_prep.download.test_download_archives import write_tar
from tests.data_prep.file_server import file_server
from tests.data_prep.raw_modanet import write_lmdb

REPO_DIR = Path(__file__).resolve().parents[3]
SMALL = b'{"images": []}'


@pytest.fixture
def server():
    with file_server() as server:
        yield server


@pytest.fixture
def photos_tar(tmp_path):
    write_lmdb(tmp_path / "made", {7: b"a jpeg"})
    data = (tmp_path / "made" / "data.mdb").read_bytes()
    tar_path = write_tar(tmp_path / "made.tar", {"photos.lmdb/data.mdb": data})
    return tar_path.read_bytes()


def files_of(server, photos_tar):
    """ModaNet's json and photos in small, from a server."""
    json_file, *_, tar_file = modanet_downloads.DOWNLOADS
    small = {"num_bytes": len(SMALL), "sha256": hashlib.sha256(SMALL).hexdigest()}
    urls = {"urls": (server.add("train.json", SMALL),), "lfs_repository": ""}
    tar_urls = {"urls": (server.add("photos.lmdb.tar", photos_tar),)}
    tar_sums = {"num_bytes": 400, "md5": hashlib.md5(photos_tar).hexdigest()}
    return (replace(json_file, **small, **urls), replace(tar_file, **tar_urls, **tar_sums))


def test_published_files_of_modanet():
    files = {file.path: file for file in dataset_registry.downloads("modanet")}
    assert list(files) == [
        "modanet/annotations/modanet2018_instances_train.json",
        "modanet/annotations/modanet2018_instances_val.json",
        "paperdoll/chictopia.sql.gz",
        "paperdoll/photos.lmdb.tar",
    ]
    train_json, val_json, table, photos = files.values()
    assert train_json.md5 == "96478657d20e322e9d3282c6d73c0c4c"
    assert val_json.md5 == "900b24b7d6c0c48203e6244f45d65499"
    assert photos.checksum == ("md5", "a404789687fc3906d7d843942c802f53")
    assert [file.num_bytes for file in (train_json, val_json, table)] == [
        105924292,
        215183,
        457165725,
    ]


def test_published_files_of_the_combined_set():
    fgvc6, *modanet = dataset_registry.downloads("combined")
    assert tuple(modanet) == dataset_registry.downloads("modanet")
    assert (fgvc6.competition, fgvc6.folder) == ("imaterialist-fashion-2019-FGVC6", "fgvc6")


def test_published_checksums_agree_on_the_file_that_is_here():
    """The official val json lies beside the real photos: its md5 and its LFS id are of one file."""
    street_dir = REPO_DIR / "../shared/street"
    path = street_dir / "modanet/annotations/modanet2018_instances_val.json"
    if not path.is_file():
        pytest.skip(f"no real val json at {path}")
    val_json = dataset_registry.downloads("modanet")[1]
    contents = path.read_bytes()
    assert len(contents) == val_json.num_bytes
    assert hashlib.sha256(contents).hexdigest() == val_json.sha256
    assert hashlib.md5(contents).hexdigest() == val_json.md5


def test_download_fetches_unpacks_and_finds_it_all_again(server, tmp_path, photos_tar, capsys):
    files = files_of(server, photos_tar)
    raw_dir = tmp_path / "raw"

    download(files, raw_dir)

    found = sorted(p.relative_to(raw_dir).as_posix() for p in raw_dir.rglob("*") if p.is_file())
    assert found == [
        "modanet/annotations/modanet2018_instances_train.json",
        "paperdoll/photos.lmdb/data.mdb",
    ]
    assert PhotoStore(raw_dir / "paperdoll/photos.lmdb").read(7) == b"a jpeg"
    assert len(server.requests) == 2
    capsys.readouterr()

    download(files, raw_dir)

    assert len(server.requests) == 2
    assert capsys.readouterr().out == (
        "modanet/annotations/modanet2018_instances_train.json: is there and whole\n"
        "paperdoll/photos.lmdb: is there and whole\n"
    )


def test_download_unpacks_a_tar_that_is_there_and_keeps_it_if_asked(server, tmp_path, photos_tar):
    files = files_of(server, photos_tar)[1:]
    raw_dir = tmp_path / "raw"
    (raw_dir / "paperdoll").mkdir(parents=True)
    (raw_dir / "paperdoll/photos.lmdb.tar").write_bytes(photos_tar)

    download(files, raw_dir, keep_archives=True)

    assert server.requests == []
    names = sorted(path.name for path in (raw_dir / "paperdoll").iterdir())
    assert names == ["photos.lmdb", "photos.lmdb.tar"]


def test_download_names_photos_that_are_cut_short(server, tmp_path, photos_tar):
    files = files_of(server, photos_tar)
    path = tmp_path / "raw/paperdoll/photos.lmdb/data.mdb"
    path.parent.mkdir(parents=True)
    whole = (tmp_path / "made" / "data.mdb").read_bytes()
    path.write_bytes(whole[: len(whole) - 4096])
    with pytest.raises(ValueError, match="data.mdb: cut short"):
        download(files, tmp_path / "raw")
    assert server.requests == []


def test_download_counts_what_the_disk_needs_before_it_begins(server, tmp_path):
    file = RemoteFile("a", num_bytes=10**18, urls=(server.url,), sha256="0" * 64)
    with pytest.raises(ValueError, match=r"what is missing needs 1,000,000,000.0 GB; make room"):
        download((file,), tmp_path / "raw")
    assert (server.requests, (tmp_path / "raw").exists()) == ([], False)


def run(*flags, **more):
    return subprocess.run(
        [sys.executable, "-m", "data_prep.download", *flags],
        cwd=REPO_DIR,
        capture_output=True,
        text=True,
        timeout=60,
        **more,
    )


def test_command_takes_a_mirror_and_names_what_it_got(server, tmp_path):
    server.add("mirror/modanet/annotations/modanet2018_instances_val.json", b"something else")
    proxy = {"HTTPS_PROXY": "http://127.0.0.1:9", "PATH": ""}  # nothing leaves this machine
    flags = ("--dataset=modanet", f"--raw_dir={tmp_path}", f"--mirror={server.url}/mirror")
    code = (
        "from data_prep.download import __main__ as download, files\n"
        "from data_prep.download.http import Patience\n"
        "files.fetch_file.__defaults__ = (Patience(1.0, 1, 0.0),)\n"
        "from absl import app\ndownload.define_flags()\napp.run(download.main)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code, *flags, "--only=instances_val"],
        cwd=REPO_DIR,
        env=proxy,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert "/mirror/modanet/annotations/modanet2018_instances_val.json gave other bytes" in last
    assert "Git LFS of https://github.com/eBay/modanet.git gave up" in last
    assert "https://media.githubusercontent.com/media/eBay/modanet/" in last
    assert not (tmp_path / "modanet/annotations/modanet2018_instances_val.json").exists()


def test_command_names_what_can_be_chosen(tmp_path):
    ended = run("--dataset=modanet", f"--raw_dir={tmp_path}", "--only=none")
    assert ended.returncode == 1
    assert "--only=none: fits none of the files; expected modanet/annotations/" in ended.stderr


def test_command_refuses_a_data_set_that_is_not_published(tmp_path):
    ended = run("--dataset=sample", f"--raw_dir={tmp_path}")
    assert ended.returncode == 1
    assert "value should be one of <" in ended.stderr


def test_command_ends_where_another_download_is_at_work(tmp_path):
    from tfseg.io.folder_lock import only_one

    with only_one(tmp_path / ".download.lock", "a test", "--raw_dir"):
        ended = run("--dataset=modanet", f"--raw_dir={tmp_path}")
    assert ended.returncode == 1
    assert re.fullmatch(
        rf"error: {tmp_path}: another download is at work here \(process {os.getpid()} on .*, "
        r"since .*\); wait for it or give another --raw_dir\.\n",
        ended.stderr,
    )
