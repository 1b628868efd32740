# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the long runs share: several workers side by side, each with labs of its own, and a file of results that an
interrupted run goes on with."""
import ctypes
import hashlib
import json
import multiprocessing
import os
import queue
import re
import signal
import subprocess
import sys

# QEMU's software emulation marks a page dirty before it writes to it.  If the migration copies the page between the two,
# the write is lost: a few migrations in a thousand, more on a busy machine, between stock hosts too.  The guest sees it.
# What fails so is tried once more, aloud; a defect of ours fails both times.
HARMED = r"ticks (missing|doubled|out of order)|: ERROR page"


def tried_again_if_harmed(try_once, cell):
    result = try_once(cell)
    if result.outcome == "harmed" and re.search(HARMED, result.complaint):
        first, result = result, try_once(cell)
        result.again = True
        if result.outcome == "harmed":
            result.complaint += f"; and at the first try: {first.complaint}"
    return result


def fingerprint(build, *judges, seed=""):
    """Which programs were judged, and by what: a result counts for those only."""
    sum_ = hashlib.sha256(seed.encode())
    for path in (build / "src/ferryd/ferryd", build / "cli/ferry", *judges):
        sum_.update(path.read_bytes())
    return sum_.hexdigest()[:16]


class Record:
    """The file of results: one JSON line for each, written as it comes.  key names what was tried."""

    def __init__(self, path, mark, key="cell", is_fresh=False):
        self.path, self.mark, self.key, self.rows = path, mark, key, {}
        if is_fresh:
            path.unlink(missing_ok=True)
        if path.exists():
            for line in path.read_text().splitlines():
                row = json.loads(line)
                if row.pop("of", None) == self.mark:
                    self.rows[row[key]] = row

    def add(self, row):
        self.rows[row[self.key]] = row
        with open(self.path, "a") as out:
            out.write(json.dumps(dict(row, of=self.mark)) + "\n")


PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def end_with_parent():
    """SIGTERM once the parent is no more, whatever has ended it."""
    libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))


def run_whole(argv, timeout_s):
    """A long run as a process: when its time is over, or its parent, its workers end with it.  (exit status, what it printed)"""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          start_new_session=True, preexec_fn=end_with_parent) as process:
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)      # labs clean up behind themselves
            raise
        return process.returncode, output


def _begin(parent, work, todo, results, more):
    """Ctrl-C is the parent's to deal with, and not ignored, which clients would inherit."""
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    end_with_parent()
    if os.getppid() != parent:      # it had gone before
        sys.exit(1)
    work(iter(todo.get, None), results, *more)


def run_all(work, pieces, count, jobs, take, *more):
    """Runs work(its pieces, results, *more) in that many processes and hands each of the count results to take.  Interrupted,
    it ends the workers, and so their labs, first."""
    context = multiprocessing.get_context("fork")
    todo, results = context.Queue(), context.Queue()
    jobs = max(1, min(jobs, len(pieces)))
    for piece in pieces + [None] * jobs:
        todo.put(piece)
    workers = [context.Process(target=_begin, args=(os.getpid(), work, todo, results, more)) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    is_done = False
    try:
        while count:
            try:
                row = results.get(timeout=1)
            except queue.Empty:
                if all(worker.exitcode is not None for worker in workers) and results.empty():
                    break
                continue
            count -= 1
            take(row)
        is_done = True
    finally:
        for worker in workers:
            if not is_done:
                worker.terminate()
            worker.join()
