# SPDX-License-Identifier: LGPL-2.1-or-later
"""The part of `make upgrade` that joins the gate: one of its rounds, in every way at once, judged as there."""
import os
import pathlib
import shutil

import pytest
from lab.trials import run_whole

LIMIT_S = 300       # alone on two cores it takes less than twenty seconds
RUN = pathlib.Path(__file__).with_name("run.py")
ROUND = 12          # of the first seed: one upgrade comes early, the other one late, and memory moves meanwhile


@pytest.mark.limit(LIMIT_S + 30)
def test_every_guest_arrives():
    if os.geteuid() != 0:
        pytest.skip("the lab makes namespaces and needs root")
    missing = [name for name in ("qemu-system-x86_64", "virsh") if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    build = os.environ.get("FERRY_BUILD", "build")
    status, output = run_whole([RUN, "--build", build, "--only", str(ROUND), "--logs"], LIMIT_S)
    assert status == 0, output
