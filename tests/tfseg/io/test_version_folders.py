from tfseg.io.version_folders import version_folders


def test_whole_numbers_that_fit_int64(tmp_path):
    names = ("1", "10", "2", "-3", "4.5", "saving-11", "v7", "٣")
    for name in (*names, "9223372036854775807", "9223372036854775808", "9" * 5000):
        (tmp_path / name[:200]).mkdir()
    (tmp_path / "99").write_text("a file")

    assert version_folders(tmp_path) == {
        1: tmp_path / "1",
        2: tmp_path / "2",
        10: tmp_path / "10",
        9223372036854775807: tmp_path / "9223372036854775807",
    }


def test_zeros_in_front(tmp_path):
    for name in ("001", "1", "0002"):
        (tmp_path / name).mkdir()

    assert version_folders(tmp_path) == {1: tmp_path / "1", 2: tmp_path / "0002"}
