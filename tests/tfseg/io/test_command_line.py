import signal
import subprocess
import sys
from pathlib import Path

import pytest

import tfseg
from tfseg.io import command_line

REPO_DIR = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _restore_sigterm():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("kind", [ValueError, OSError, ChildProcessError, ZeroDivisionError])
def test_bad_input_ends_in_one_line(monkeypatch, kind):
    monkeypatch.delenv("TFSEG_DEBUG", raising=False)

    with (
        pytest.raises(SystemExit) as exit_info,
        command_line.one_line_errors(also=(ZeroDivisionError,)),
    ):
        raise kind("photo.jpg: not a photo")

    assert exit_info.value.code == "error: photo.jpg: not a photo"


def test_an_interrupt_ends_in_130(capsys):
    with pytest.raises(SystemExit) as exit_info, command_line.one_line_errors():
        raise KeyboardInterrupt

    assert exit_info.value.code == 130
    assert capsys.readouterr().err == "\ninterrupted; run the same command again to start anew\n"


def test_sigterm_counts_as_an_interrupt(capsys):
    with pytest.raises(SystemExit) as exit_info, command_line.one_line_errors(again=None):
        signal.raise_signal(signal.SIGTERM)

    assert exit_info.value.code == 130
    assert capsys.readouterr().err == ""


def test_sigterm_can_be_the_program_s(monkeypatch):
    handler = signal.getsignal(signal.SIGTERM)

    with command_line.one_line_errors(sigterm=False):
        assert signal.getsignal(signal.SIGTERM) == handler


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError), command_line.one_line_errors():
        raise ZeroDivisionError


def test_debug_keeps_every_traceback(monkeypatch):
    monkeypatch.setenv("TFSEG_DEBUG", "1")

    with pytest.raises(ValueError, match="x"), command_line.one_line_errors():
        raise ValueError("x")


def test_bare_arguments_are_refused():
    with pytest.raises(SystemExit, match="unexpected argument 'photo.jpg'"):
        command_line.refuse_arguments(["train", "photo.jpg"])


def test_a_file_name_that_is_no_text_is_printed_and_named():
    ended = run(
        "from tfseg.io.command_line import one_line_errors\n"
        "with one_line_errors():\n"
        "    print('caf\\udce9.jpg: 3 found')\n"
        "    raise ValueError('caf\\udce9.jpg: not a photo')\n"
    )

    assert ended.returncode == 1
    assert ended.stdout == "caf\\udce9.jpg: 3 found\n"
    assert ended.stderr == "error: caf\\udce9.jpg: not a photo\n"


def test_path_flags_expand_the_home_folder(tmp_path):
    ended = run(
        "import sys\n"
        "from absl import flags\n"
        "from tfseg.io.command_line import define_path, define_paths, define_path_list\n"
        "define_path('one', '~', '')\n"
        "define_path('url', None, '')\n"
        "define_path('none', None, '')\n"
        "define_paths('many', [], '')\n"
        "define_path_list('some', [], '')\n"
        "flags.FLAGS(sys.argv)\n"
        "F = flags.FLAGS\n"
        "print(F.one, F.url, F.none, F.many, F.some)\n"
        "print(F['one'].serialize(), F['some'].serialize())\n",
        *("--url=https://host/~me", "--many=~/a", "--many=b~", "--some=~/a,/b"),
        env={"HOME": "/home/me"},
    )

    assert ended.stdout.splitlines() == [
        "/home/me https://host/~me None ['/home/me/a', 'b~'] ['/home/me/a', '/b']",
        "--one=/home/me --some=/home/me/a,/b",
    ], ended.stderr


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--size=672x448"], "(672, 448) --size=672x448"),
        ([], "None None"),
        (["--size=672"], "expected HEIGHTxWIDTH, as 672x448"),
        (["--size=672x448x3"], "expected HEIGHTxWIDTH"),
        (["--size=axb"], "expected HEIGHTxWIDTH"),
        (["--size=672xwidex448"], "expected HEIGHTxWIDTH"),
        (["--size=672x4097"], "each from 64 to 4096"),
        (["--size=63x448"], "each from 64 to 4096"),
    ],
)
def test_size_flags(given, told):
    ended = run(
        "import sys\n"
        "from absl import flags\n"
        "from tfseg.io.command_line import define_size\n"
        "define_size('size', '')\n"
        "try:\n"
        "    flags.FLAGS(sys.argv)\n"
        "    print(flags.FLAGS.size, flags.FLAGS['size'].serialize() or None)\n"
        "except flags.Error as error:\n"
        "    print(error)\n",
        *given,
    )

    assert told in ended.stdout, ended.stderr


def commands() -> list[str]:
    """The modules that run as `python -m MODULE`."""
    found = []
    for room in ("data_prep", "serving", "tfseg"):
        for path in sorted((REPO_DIR / room).rglob("*.py")):
            if 'if __name__ == "__main__"' in path.read_text(encoding="utf-8"):
                parts = path.relative_to(REPO_DIR).with_suffix("").parts
                found.append(".".join(part for part in parts if part != "__main__"))
    return found


@pytest.mark.parametrize("module", commands())
def test_help_says_what_a_command_does_with_an_example_and_ends_well(module):
    ended = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=REPO_DIR, capture_output=True, text=True
    )

    assert ended.returncode == 0 and not ended.stderr, ended.stderr
    before_flags = ended.stdout.split("lags:\n")[0]
    assert f"python -m {module}" in before_flags
    assert "\n  --" in ended.stdout
    assert "--pdb" not in ended.stdout  # the libraries' own


def test_help_lists_required_flags_first_and_says_what_a_flag_takes():
    ended = subprocess.run(
        [sys.executable, "-m", "data_prep.build_tfrecords", "--help"],
        cwd=REPO_DIR,
        capture_output=True,
        text=True,
    )

    required, others = ended.stdout.split("Required flags:\n")[1].split("\nFlags:\n")
    assert "--data_dir=PATH" in required and "--dataset=ccp|coco|" in required
    assert "--max_side=N" in others and "Default 15.0." in others
    assert "--[no]overwrite" in others and "Off by default." in others


def test_every_command_says_its_version():
    ended = subprocess.run(
        [sys.executable, "-m", "serving.client", "--version"],
        cwd=REPO_DIR,
        capture_output=True,
        text=True,
    )

    assert (ended.returncode, ended.stdout) == (0, f"tfseg {tfseg.__version__}\n")


def test_every_flag_that_names_a_place_expands_it():
    """A flag called dir, path, file or folder is one of command_line's."""
    plain = [
        f"{path.relative_to(REPO_DIR)}: {line.strip()}"
        for room in ("data_prep", "serving", "tfseg")
        for path in (REPO_DIR / room).rglob("*.py")
        for line in path.read_text(encoding="utf-8").replace("(\n", "(").splitlines()
        if "flags.DEFINE_" in line and any(f'_{end}"' in line for end in ("dir", "path", "file"))
    ]

    assert plain == []


def run(program: str, *arguments: str, env: dict | None = None):
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=REPO_DIR,
        env={"PYTHONPATH": str(REPO_DIR), "PYTHONIOENCODING": "utf-8", **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )
