import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from tfseg.io.atomic_files import WriteError
from tfseg.io.folder_lock import only_one

HOLDER = """
import sys, time
from pathlib import Path
from tfseg.io.folder_lock import only_one
with only_one(Path(sys.argv[1]), "a test", "--dir"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_error_names_who_holds_it(tmp_path):
    lock_path = tmp_path / "new" / ".x.lock"

    with (
        only_one(lock_path, "a test", "--dir"),
        pytest.raises(ValueError, match="is at work here") as raised,
        only_one(lock_path, "a test", "--dir"),
    ):
        pass

    text = str(raised.value)
    assert text.startswith(f"{lock_path.parent}: a test is at work here (process {os.getpid()} on ")
    assert re.search(rf"on {re.escape(socket.gethostname())}, since \d{{4}}-\d\d-\d\d \d\d:", text)
    assert text.endswith("wait for it or give another --dir.")
    with only_one(lock_path, "a test", "--dir"):  # it is free again
        pass


def test_a_killed_holder_leaves_it_free(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / ".x.lock"], stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    with (
        pytest.raises(ValueError, match=f"process {holder.pid} on"),
        only_one(tmp_path / ".x.lock", "a test", "--dir"),
    ):
        pass

    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()

    with only_one(tmp_path / ".x.lock", "a test", "--dir"):
        pass


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(WriteError, match=r"file/\.x\.lock: the lock cannot be written"),
        only_one(tmp_path / "file" / ".x.lock", "a test", "--dir"),
    ):
        pass
