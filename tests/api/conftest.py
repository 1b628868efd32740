# SPDX-License-Identifier: LGPL-2.1-or-later
"""API tests: the true clients are the judge.  Each test gets a ferryd of its own below a folder of its own."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from daemon import VIRSH, Daemon  # noqa: E402
from lab import guest  # noqa: E402


@pytest.fixture
def daemon():
    if not (guest.build_folder() / "src/ferryd/ferryd").exists():
        pytest.skip("ferryd is not built")
    if not pathlib.Path(VIRSH).exists():
        pytest.skip("stock virsh is not installed")
    it = Daemon()
    try:
        yield it
    finally:
        it.clean()
