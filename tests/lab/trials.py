# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the long runs share: several workers side by side, each with labs of its own, and a file of results that an
interrupted run goes on with."""
import argparse
import collections
import ctypes
import hashlib
import json
import multiprocessing
import os
import pathlib
import queue
import re
import signal
import subprocess
import sys
import time

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

    def rows_of(self, names):
        return {name: self.rows[name] for name in names if name in self.rows}

    def wrong_of(self, names):
        return {name for name, row in self.rows_of(names).items() if not row["is_right"]}

    def add(self, row):
        self.rows[row[self.key]] = row
        with open(self.path, "a") as out:
            out.write(json.dumps(dict(row, of=self.mark)) + "\n")


def options(what, build, jobs):
    """What can be said to each of the long runs; the caller adds what is its own."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--build", default=build)
    parser.add_argument("--jobs", type=int, default=jobs)
    parser.add_argument("--fresh", action="store_true", help="forget what is recorded")
    parser.add_argument("--again", action="store_true", help="once more what was not as it must be")
    parser.add_argument("--record", type=pathlib.Path)
    return parser


def cell_options(what, build, jobs):
    """And to those that try cells."""
    parser = options(what, build, jobs)
    parser.add_argument("--only", action="append", default=[], help="a pattern on the names of the cells")
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--list", action="store_true", help="show the cells, and what they may end with")
    parser.add_argument("--show", action="store_true", help="show what is recorded")
    return parser


def chosen(cells, patterns):
    return [cell for cell in cells if not patterns or any(re.search(pattern, cell.id) for pattern in patterns)]


def blocks(items, size):
    return [items[at:at + size] for at in range(0, len(items), size)]


def try_all(names, redo, record, jobs, work, pieces, line, *more):
    """Tries those of the names that the record has not, or that are in redo, in pieces(of them); line(row) says what came of one.
    {name: row} of all that there are then."""
    todo = [name for name in names if name not in record.rows or name in redo]
    began, number = time.monotonic(), 0
    print(f"{len(names)} chosen, {len(names) - len(todo)} of them recorded already in {record.path}", flush=True)

    def take(row):
        nonlocal number
        number += 1
        record.add(row)
        print(f"{time.monotonic() - began:6.0f} s {number:4}/{len(todo)} {line(row)}", flush=True)

    if todo:
        try:
            run_all(work, pieces(todo), len(todo), jobs, take, *more)
        except KeyboardInterrupt:
            print("\ninterrupted; the same command goes on", flush=True)
    return record.rows_of(names)


def judged_line(row):
    return (f"{'ok  ' if row['is_right'] else 'FAIL'} {row['cell']}: {row['outcome']}, {row['wall_s']:.1f} s"
            f"{': ' + row['complaint'].splitlines()[0] if row['complaint'] else ''}")


def print_groups(wrong, cause, place, say=print):
    """What failed, by its cause: what differs between two of the same is N there."""
    groups = collections.defaultdict(list)
    for row in wrong:
        groups[cause(row)].append(place(row))
    if groups:
        say("\nGrouped:")
    for text, places in sorted(groups.items(), key=lambda group: -len(group[1])):
        say(f"\n{len(places)} × {text}")
        for where, count in collections.Counter(places).most_common(12):
            say(f"    {count:3} {where}")


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
