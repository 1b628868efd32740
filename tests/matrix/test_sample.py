# SPDX-License-Identifier: LGPL-2.1-or-later
"""The part of `make address-matrix` that joins the gate: every name, way and network, every mix on every network."""
import json
import os
import pathlib
import shutil

import cells
import pytest
from lab.trials import run_whole

LIMIT_S = 420       # alone on two cores it takes some 90 s
RUN = pathlib.Path(__file__).with_name("run.py")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("the lab makes namespaces and needs root")
    missing = [name for name in ("qemu-system-x86_64", "virsh", "libvirtd", "virtlogd", "nft") if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    path = tmp_path_factory.mktemp("matrix") / "results.jsonl"
    build = os.environ.get("FERRY_BUILD", "build")
    _, output = run_whole([RUN, "--build", build, "--sample", "--record", path], LIMIT_S)
    assert path.exists(), output
    return {row["cell"]: row for row in map(json.loads, path.read_text().splitlines())}


@pytest.mark.limit(LIMIT_S + 30)
@pytest.mark.parametrize("cell", [cell for cell in cells.sample() if not cell.is_control], ids=lambda cell: cell.id)
def test_as_it_must_be(results, cell):
    row, expected = results[cell.id], cells.expected(cell)
    assert row["is_right"], (f"{cell.id} must be: {expected.outcome} ({expected.why}); was: {row['outcome']} after {row['wall_s']} s: "
                             f"{row['complaint']}\n$ {row['command']}\n{row['output']}")
