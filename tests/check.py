#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds Ferry, runs every test there is, and ends with one line: N passed, N failed.

The unit and house tests are meson's, the rest pytest's; both write JUnit files, which are summed.
A runner that breaks off without a result counts as one failure.

check.py [--build DIR] [--only unit|pytest|asan|tsan …] [pytest arguments …]
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as tree

TOP = pathlib.Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"
SUITES = ("tests/live", "tests/faults", "tests/matrix", "tests/upgrade", "tests/api", "tests/model", "tests/guest", "tests/lab", "tests/wire")
SIDE_BY_SIDE = 4        # files at once: they mostly wait, each in a lab of its own; one takes a fifth of a core
REPEATS_MAX = 3         # see tests/conftest.py; in all of them
FILE_S = 1200           # what one file may take
LONG_FILES_S = {"test_sample.py": 2000}     # it allows itself two runs of 900 s
# They take long, so they begin early.
SLOW = ("test_sample.py", "test_fallbacks.py", "test_vanishing.py", "test_owner.py", "test_postcopy.py", "test_offline.py", "test_modes.py", "test_check.py",
        "test_leases.py", "test_stock_answers.py", "test_stock_destination.py", "test_interference.py")

SANITIZED = (
    ("asan", "ASan and UBSan", "address,undefined",
     {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}),
    ("tsan", "TSan", "thread", {"TSAN_OPTIONS": "halt_on_error=1"}),
)

# What the whole daemon does under a sanitizer too: few cases that touch much.  A report ends the daemon, and so the test.
# tests/live comes last: its tests import from "conftest", which is the one that was read last.
WHOLE_DAEMON = {
    "asan": (
        "tests/api/test_strange_calls.py::test_every_procedure_is_answered[1]",
        "tests/live/test_hostile.py::test_prepare_with_spoilt_cookies",
        "tests/live/test_hostile.py::test_strangers_on_the_migration_port_change_nothing",
        "tests/live/test_hostile.py::test_calls_out_of_order_are_refused",
        "tests/live/test_hostile.py::test_a_client_gone_before_the_reply",
        "tests/live/test_modes.py::test_every_mode_there_and_back[virsh-plain]",
        "tests/live/test_modes.py::test_every_mode_there_and_back[ferry-p2p]",
        "tests/live/test_modes.py::test_every_mode_there_and_back[ferry-tunnelled]",
        "tests/live/test_routes.py::test_a_destination_that_cannot_be_reached_calls_back[silent-managed]",
        "tests/live/test_parallel.py::test_there_and_back[virsh-default-direct]",
        "tests/live/test_fallbacks.py::test_ferry_relays_what_it_leads[ferryd]",
        "tests/live/test_check.py::test_a_fault_is_named_and_nothing_changes[firewall_rejects]",
    ),
    "tsan": (
        "tests/live/test_modes.py::test_every_mode_there_and_back[virsh-live]",
        "tests/live/test_modes.py::test_every_mode_there_and_back[virsh-tunnelled]",
        "tests/live/test_modes.py::test_an_abort_leaves_the_guest_where_it_was[virsh-p2p]",
        "tests/live/test_parallel.py::test_there_and_back[virsh-default-p2p]",
    ),
}


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped, self.names, self.repeated = 0, 0, [], [], []

    def add_junit(self, path, runner):
        try:
            cases = list(tree.parse(path).iter("testcase"))
        except (OSError, tree.ParseError) as problem:
            self.fail(f"{runner}: left no readable result: {problem}")
            return
        for case in cases:
            name = f"{case.get('classname', '')}::{case.get('name')}"
            skip = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                self.fail(name)
            elif skip is not None:
                self.skipped.append(f"{name}: {skip.get('message') or ''}")
            else:
                self.passed += 1

    def add_crashes(self, path):
        """A test program that dies leaves no case that failed, so meson's own list is asked for it."""
        with open(path) as lines:
            for result in map(json.loads, lines):
                if result["result"] in ("ERROR", "TIMEOUT", "INTERRUPT"):
                    self.fail(f"{result['name']}: {result['result'].lower()}")

    def fail(self, name):
        self.failed += 1
        self.names.append(name)


class Files:
    """The test files that run now, each a group of processes, so that nothing of one outlives its time, or us."""

    def __init__(self):
        self.running = set()

    def run(self, argv, timeout_s, environment):
        """(output, exit status or None)"""
        process = subprocess.Popen(argv, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
                                   start_new_session=True)
        self.running.add(process)
        try:
            return process.communicate(timeout=timeout_s)[0], process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.communicate()[0], None
        finally:
            self.running.discard(process)

    def interrupt(self):
        """As Ctrl-C would if they were in our group."""
        for process in list(self.running):
            os.killpg(process.pid, signal.SIGINT)


def run(tally, what, argv, timeout_s, junit=None, **more):
    print(f"== {what}", flush=True)
    began = time.monotonic()
    if junit:
        junit.unlink(missing_ok=True)
    try:
        code = subprocess.run(argv, cwd=TOP, stdin=subprocess.DEVNULL, timeout=timeout_s, **more).returncode
    except subprocess.TimeoutExpired:
        code = None
    print(f"== {what}: {time.monotonic() - began:.0f} s", flush=True)
    before = tally.failed
    if junit and junit.exists():
        tally.add_junit(junit, what)
        if junit.with_name("testlog.json").exists():
            tally.add_crashes(junit.with_name("testlog.json"))
    elif code == 0 and not junit:
        return True
    if code is None:
        tally.fail(f"{what}: not finished after {timeout_s} s")
    elif code and tally.failed == before and not (junit and code == 5):
        tally.fail(f"{what}: exit status {code}")
    return code == 0


def build(tally, folder, *flags):
    if not (folder / "build.ninja").exists():
        if not run(tally, f"setup of {folder.name}", ["meson", "setup", str(folder), *flags], 300):
            return False
    return run(tally, f"build of {folder.name}", ["ninja", "-C", str(folder)], 1200)


def meson_tests(tally, folder, what, *arguments, environment=None):
    junit = folder / "meson-logs" / "testlog.junit.xml"
    run(tally, what, ["meson", "test", "-C", str(folder), "--no-rebuild", "--print-errorlogs", *arguments], 900, junit,
        env=dict(os.environ, **(environment or {})))


def pytest_file(files, folder, path, extra):
    """(path, exit status or None, its JUnit file, what it printed, seconds)"""
    junit = folder / "pytest" / f"{path.parent.name}-{path.stem}.xml"
    junit.parent.mkdir(exist_ok=True)
    junit.unlink(missing_ok=True)
    began = time.monotonic()
    output, code = files.run([PYTHON, "-m", "pytest", "-q", "-rs", f"--junit-xml={junit}", str(path.relative_to(TOP)), *extra],
                             LONG_FILES_S.get(path.name, FILE_S),
                             dict(os.environ, FERRY_BUILD=str(folder), PYTHONDONTWRITEBYTECODE="1"))
    return path, code, junit, output.decode(errors="replace"), time.monotonic() - began


def take_file(tally, path, code, junit, output, seconds):
    name = path.relative_to(TOP)
    repeated = [line for line in output.splitlines() if line.startswith("REPEATED ")]
    print(*([output] if code not in (0, 5) else [*repeated, output.strip().splitlines()[-1]]), f"== {name}: {seconds:.0f} s", sep="\n", flush=True)
    tally.repeated += repeated
    before = tally.failed
    if code is None:
        tally.fail(f"{name}: not finished after {seconds:.0f} s")
    elif code != 5:
        tally.add_junit(junit, str(name))
    if code not in (0, 5) and tally.failed == before:
        tally.fail(f"{name}: exit status {code}")


def pytest(tally, folder, extra):
    """A process for each file, several side by side; what they say comes out file by file."""
    files = [path for name in SUITES for path in sorted((TOP / name).glob("test_*.py"))]
    files.sort(key=lambda path: SLOW.index(path.name) if path.name in SLOW else len(SLOW))
    began = time.monotonic()
    running = Files()
    print(f"== pytest: {len(files)} files, {SIDE_BY_SIDE} at once", flush=True)
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        waiting = [pool.submit(pytest_file, running, folder, path, extra) for path in files]
        try:
            for done in concurrent.futures.as_completed(waiting):
                take_file(tally, *done.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            running.interrupt()
            raise
    if len(tally.repeated) > REPEATS_MAX:
        tally.fail(f"{len(tally.repeated)} tests passed only when they were repeated; {REPEATS_MAX} are an accident")
    print(f"== pytest: {time.monotonic() - began:.0f} s", flush=True)


def whole_daemon(tally, folder, what, cases, environment):
    """The daemon ends by _exit, so that leaks are for the unit tests to find."""
    junit = folder / "pytest.junit.xml"
    options = ":".join(filter(None, (environment.get("ASAN_OPTIONS"), "detect_leaks=0")))
    run(tally, f"the whole daemon under {what}", [PYTHON, "-m", "pytest", "-q", "-rs", f"--junit-xml={junit}", *cases], 400, junit,
        env=dict(os.environ, **dict(environment, FERRY_BUILD=str(folder), PYTHONDONTWRITEBYTECODE="1", ASAN_OPTIONS=options)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--only", action="append", choices=("unit", "pytest", "asan", "tsan"))
    arguments, extra = parser.parse_known_args()
    for stop in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, lambda *_: sys.exit(1))     # and so the files with us
    only = arguments.only or ["unit", "pytest", "asan", "tsan"]
    folder = (TOP / arguments.build).resolve()
    tally = Tally()
    if build(tally, folder):
        if "unit" in only:
            meson_tests(tally, folder, "meson test")
        if "pytest" in only:
            run(tally, "build of build-faults", [PYTHON, str(TOP / "tests/faults/run.py"), "--make-only"], 1200)
            pytest(tally, folder, extra)
    for name, what, sanitizers, environment in SANITIZED:
        sanitized = TOP / f"build-{name}"
        if name in only and build(tally, sanitized, f"-Db_sanitize={sanitizers}", "-Db_lundef=false"):
            meson_tests(tally, sanitized, f"meson test under {what}", "--no-suite", "house", "--timeout-multiplier", "5", environment=environment)
            whole_daemon(tally, sanitized, what, WHOLE_DAEMON[name], environment)
    for line in tally.skipped:
        print(f"skipped: {line}")
    for line in tally.repeated:
        print(line)
    for line in tally.names:
        print(f"FAILED: {line}")
    print(f"{tally.passed} passed, {tally.failed} failed", flush=True)
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
