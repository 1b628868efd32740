# SPDX-License-Identifier: LGPL-2.1-or-later
"""The part of `make faults` that joins the gate: cells that end as they must."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest
from faults import cells

LIMIT_S = 600       # alone on two cores it takes less than four minutes
RUN = pathlib.Path(__file__).with_name("run.py")
BUILD = pathlib.Path(__file__).resolve().parents[2] / "build-faults"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("the lab makes namespaces and needs root")
    missing = [name for name in ("qemu-system-x86_64", "virsh", "nft", "ss", "meson", "ninja") if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    path = tmp_path_factory.mktemp("faults") / "results.jsonl"
    done = subprocess.run([RUN, "--build", BUILD, "--sample", "--jobs", "3", "--patience", "3", "--record", path], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=LIMIT_S)
    assert path.exists(), done.stdout + done.stderr
    return {row["cell"]: row for row in map(json.loads, path.read_text().splitlines())}


@pytest.mark.limit(LIMIT_S + 30)
@pytest.mark.parametrize("cell", cells.SAMPLE)
def test_as_it_must_be(results, cell):
    row = results[cell]
    assert row["is_right"], f"{cell}: {row['outcome']} after {row['wall_s']} s: {row['complaint']}\n{row['output']}"
