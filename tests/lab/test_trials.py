# SPDX-License-Identifier: LGPL-2.1-or-later
"""A long run leaves nobody behind, however it ends: its workers hold labs."""
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from lab.lab import wait_until
from lab.trials import run_whole

TESTS = pathlib.Path(__file__).resolve().parents[1]
RUN = """
import os, pathlib, signal, sys
sys.path.insert(0, sys.argv[1])
from lab import trials

def work(pieces, results, path):
    for _ in pieces:
        pathlib.Path(path + ".new").write_text(str(os.getpid()))
        os.rename(path + ".new", path)
        signal.pause()

trials.run_all(work, ["all"], 1, 1, print, sys.argv[2])
"""


def has_ended(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("how", ["out of time", "killed"])
def test_workers_end_with_their_run(tmp_path, how):
    path = tmp_path / "worker"
    argv = [sys.executable, "-c", RUN, str(TESTS), str(path)]
    if how == "killed":
        with subprocess.Popen(argv) as process:
            wait_until(path.exists, "the worker")
            process.kill()
    else:
        with pytest.raises(subprocess.TimeoutExpired):
            run_whole(argv, 5)
    pid = int(path.read_text())
    try:
        wait_until(lambda: has_ended(pid), "the end of the worker", 5)
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        raise
