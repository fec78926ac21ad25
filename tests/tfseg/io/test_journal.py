import subprocess
import sys

import pytest

from tfseg.io.journal import Journal, remove_journal


def test_values_are_there_again(tmp_path):
    with Journal(tmp_path / "new" / "j", "a test", 1) as journal:
        journal.put("b", b"1")
        journal.put("a", b"2")
        journal.put("b", b"3")

    with Journal(tmp_path / "new" / "j", "a test", 1) as journal:
        assert list(journal.items()) == [("b", b"3"), ("a", b"2")]
        assert journal.get("a") == b"2"
        assert journal.get("c") is None
        journal.clear()
        assert journal.keys() == set()


@pytest.mark.parametrize(
    ("kind", "number", "expected"),
    [
        ("a test", 2, "has format 1, expected 2"),
        ("another", 1, "is of an earlier version, or no journal"),
    ],
)
def test_another_format_is_told_and_begun_anew(tmp_path, capsys, kind, number, expected):
    path = tmp_path / "j"
    with Journal(path, "a test", 1) as journal:
        journal.put("a", b"1")

    with Journal(path, kind, number) as journal:
        assert journal.keys() == set()

    assert capsys.readouterr().err == f"{path}: {expected}; beginning anew\n"


@pytest.mark.parametrize("content", [b'{"settings": {}}\n', b"x" * 5000])
def test_another_file_is_told_and_begun_anew(tmp_path, capsys, content):
    (tmp_path / "j").write_bytes(content)

    with Journal(tmp_path / "j", "a test", 1) as journal:
        journal.put("a", b"1")
        assert journal.get("a") == b"1"

    assert "is of an earlier version, or no journal; beginning anew" in capsys.readouterr().err


def test_a_full_disk_is_named(tmp_path):
    path = tmp_path / "j"
    script = (
        "import resource, signal\n"
        "from pathlib import Path\n"
        "from tfseg.io.journal import Journal\n"
        f"journal = Journal(Path({str(path)!r}), 'a test', 1)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "for index in range(9):\n"
        "    journal.put(str(index), bytes(50_000))\n"
    )

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    last_line = ended.stderr.splitlines()[-1]
    assert f"{path}: the journal of a test cannot be written (" in last_line
    with Journal(path, "a test", 1) as journal:
        assert journal.get("0") == bytes(50_000)


def test_remove_journal_leaves_nothing(tmp_path):
    journal = Journal(tmp_path / "j", "a test", 1)
    journal.put("a", b"1")

    remove_journal(tmp_path / "j")

    assert list(tmp_path.iterdir()) == []
    journal.close()
