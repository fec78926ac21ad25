import subprocess
import sys
from pathlib import Path

import pytest

from tfseg.io.atomic_files import WriteError, whole_file, write_whole


def test_write_whole_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "new" / "a.json"
    write_whole(path, "old")

    write_whole(path, "neu: ä", sync=True)

    assert path.read_bytes() == b"neu: \xc3\xa4"
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


def test_a_failure_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "a.json"
    write_whole(path, "old")

    with pytest.raises(ZeroDivisionError), whole_file(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError

    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_name_as_long_as_names_may_be(tmp_path):
    path = tmp_path / ("ä" * 125 + ".json")  # 255 bytes

    write_whole(path, "x")

    assert path.read_text() == "x"


def test_a_stray_byte_of_a_file_name_is_escaped(tmp_path):
    path = tmp_path / "names.txt"

    write_whole(path, "caf\udce9.jpg")

    assert path.read_bytes() == rb"caf\udce9.jpg"


def test_a_full_disk_names_the_file_the_content_and_the_remedy(tmp_path):
    # A file may not grow past 4096 bytes here: write() fails as on a full disk.
    script = (
        "import resource, signal\n"
        "from tfseg.io.atomic_files import write_whole\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        f"write_whole({str(tmp_path / 'a.json')!r}, 'x' * 5000, 'the masks')\n"
    )

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    last_line = result.stderr.splitlines()[-1]
    assert f"{tmp_path}/a.json: the masks cannot be written (File too large)" in last_line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_no_space_says_so(tmp_path):
    path = tmp_path / "a.json"

    with (
        pytest.raises(WriteError, match=r"a\.json: the masks .*No space.*free space") as raised,
        whole_file(path, "the masks"),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")

    assert raised.value.errno == 28
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "out").write_text("")

    with pytest.raises(WriteError, match=r"out/a\.json: the report cannot be written"):
        write_whole(tmp_path / "out" / "a.json", "x", "the report")


def test_what_cannot_be_read_in_the_block_keeps_its_own_error(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "a.json"):
        (tmp_path / "missing.jpg").stat()
