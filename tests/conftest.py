# SPDX-License-Identifier: LGPL-2.1-or-later
"""For every pytest suite: the path to the lab package and to ticks, and a time limit for each test."""
import faulthandler
import pathlib
import signal
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), str(TESTS / "guest")]
LIMIT_S = 120


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): time that this test may take instead of two minutes")



@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    marker = item.get_closest_marker("limit")
    seconds = marker.args[0] if marker else LIMIT_S

    def expire(*_):
        faulthandler.dump_traceback(all_threads=True)
        raise TimeoutError(f"the test took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
