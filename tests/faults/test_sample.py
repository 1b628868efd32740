# SPDX-License-Identifier: LGPL-2.1-or-later
"""The part of `make faults` that joins the gate: every fault at every point of the ordinary course, in one mode each."""
import json
import os
import pathlib
import shutil

import pytest
from lab.trials import run_whole

# 505 s of cells in three labs, and 185 s of processor time: some three minutes alone on two cores.  These only end what hangs.
LIMIT_S = 900
AGAIN_S = 300       # a few cells
RUN = pathlib.Path(__file__).with_name("run.py")
BUILD = pathlib.Path(__file__).resolve().parents[2] / "build-faults"


def read(path):
    """The newest result of each cell."""
    return {row["cell"]: row for row in map(json.loads, path.read_text().splitlines())} if path.exists() else {}


@pytest.mark.limit(LIMIT_S + AGAIN_S + 30)
def test_as_they_must_be(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("the lab makes namespaces and needs root")
    missing = [name for name in ("qemu-system-x86_64", "virsh", "nft", "ss", "meson", "ninja") if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    path = tmp_path / "results.jsonl"
    command = [RUN, "--build", BUILD, "--sample", "--jobs", "3", "--patience", "3", "--record", path]
    status, output = run_whole(command, LIMIT_S)
    rows = read(path)
    if any(not row["is_right"] for row in rows.values()):       # once more, aloud: what is wrong by itself is wrong both times
        for row in rows.values():
            if not row["is_right"]:
                print(f"tried again: {row['cell']}: {row['outcome']}: {row['complaint']}")
        status, output = run_whole([*command, "--again"], AGAIN_S)
        rows = read(path)
    rows = list(rows.values())
    wrong = [row for row in rows if not row["is_right"]]
    assert not wrong, "\n".join(f"{row['cell']}: {row['outcome']} after {row['wall_s']} s: {row['complaint']}\n{row['output']}" for row in wrong)
    assert rows and status == 0, output[-4000:]
