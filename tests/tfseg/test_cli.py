import pytest

from tfseg import cli


def test_bad_input_ends_in_one_line(monkeypatch):
    monkeypatch.delenv("TFSEG_DEBUG", raising=False)

    with pytest.raises(SystemExit) as exit_info, cli.one_line_errors():
        raise ValueError("photo.jpg: not a photo")

    assert exit_info.value.code == "error: photo.jpg: not a photo"


def test_an_interrupt_ends_in_130():
    with pytest.raises(SystemExit) as exit_info, cli.one_line_errors():
        raise KeyboardInterrupt

    assert exit_info.value.code == 130


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError), cli.one_line_errors():
        raise ZeroDivisionError


def test_debug_keeps_every_traceback(monkeypatch):
    monkeypatch.setenv("TFSEG_DEBUG", "1")

    with pytest.raises(ValueError, match="x"), cli.one_line_errors():
        raise ValueError("x")


def test_bare_arguments_are_refused():
    with pytest.raises(SystemExit, match="unexpected argument 'photo.jpg'"):
        cli.refuse_arguments(["train", "photo.jpg"])
