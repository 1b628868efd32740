# SPDX-License-Identifier: LGPL-2.1-or-later
"""For every pytest suite: the path to the lab package and to ticks, and a time limit for each test."""
import faulthandler
import pathlib
import re
import signal
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), str(TESTS / "guest")]

from lab.trials import HARMED   # noqa: E402

LIMIT_S = 120
CLEANING_S = 60

# At most so many tests may have been repeated for what the emulation loses (lab/trials.py): more are no accident.
REPEATS_MAX = 3
repeats = []


def pytest_configure(config):
    # A gate that was started in the background hands down an ignored SIGINT, and the clients would ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "limit(seconds): time that this test, with what it sets up, may take instead of two minutes")
    if config.pluginmanager.hasplugin("rerunfailures"):
        config.option.reruns, config.option.only_rerun = 1, [HARMED]


def pytest_runtest_logreport(report):
    if report.outcome == "rerun":
        words = [line for line in report.longreprtext.splitlines() if re.search(HARMED, line)]
        repeats.append(f"{report.nodeid}: {words[-1].strip() if words else 'failed'}")


def pytest_terminal_summary(terminalreporter):
    for one in repeats:
        terminalreporter.write_line(f"REPEATED {one}")


def pytest_sessionfinish(session):
    if len(repeats) > REPEATS_MAX:
        session.exitstatus = 1


# ---- the limit ----

class TookTooLong(Exception):
    """No OSError, as TimeoutError is: what a test expects to fail would swallow it."""


def limited(item, seconds, complaint):
    """One phase of a test, and each time anew if it is repeated; what cleans up behind an alarm gets a time of its own.
    What is left of the seconds goes to item.left_s."""
    def expire(*_):
        faulthandler.dump_traceback(all_threads=True)
        raise TookTooLong(complaint)

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds, CLEANING_S)
    yield
    item.left_s, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_setup(item):
    marker = item.get_closest_marker("limit")
    item.limit_s = marker.args[0] if marker else LIMIT_S
    yield from limited(item, item.limit_s, f"the test took more than {item.limit_s} s to begin")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_call(item):
    yield from limited(item, max(item.left_s, 1), f"the test took more than {item.limit_s} s")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_teardown(item):
    yield from limited(item, LIMIT_S, f"the end of the test took more than {LIMIT_S} s")
