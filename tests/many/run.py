#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make many: 200 guests on three hosts, all moving at once, there and back.

run.py [--build DIR] [--guests N] [--rounds N] [--hosts N] [--mode MODE …] [--set KEY=VALUE …] [--timeout SECONDS]

Prints a line for each round and, at the end, what each daemon held before and after.  Fails if a migration does, if a guest
was harmed, or if anything is left behind.  --set writes a row into every host's ferryd.conf.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests/guest")]

from many.crowd import MODES, Crowd     # noqa: E402
from lab.lab import Unavailable, become_root         # noqa: E402

MEMORY_SLACK_KIB = 2048     # of a daemon, between two states in which it holds the same


def print_round(result):
    pauses = sorted(result.pause_ms) or [0]
    print(f"round {result.number}: {result.moved} moved, {len(result.failures)} failed, {len(result.harmed)} harmed in {result.seconds:.1f} s; "
          f"longest gap between ticks {statistics.median(pauses):.0f} ms (median), {pauses[-1]:.0f} ms (worst)", flush=True)
    for name, mode, status, said in result.failures[:10]:
        print(f"  FAILED {name} ({mode}), status {status}: {said}")
    for name, what in result.harmed[:10]:
        print(f"  HARMED {name}: {what}")


def print_holdings(columns):
    """columns: [(title, {host: Holding})]"""
    fields = [*next(iter(columns[0][1].values())).COUNTS, "private_kib"]
    print(f"\n{'':24}" + "".join(f"{title:>12}" for title, _ in columns))
    for host in columns[0][1]:
        for name in fields:
            print(f"  {host:8} {name.replace('_', ' '):13}" + "".join(f"{getattr(held[host], name):12}" for _, held in columns))


def run(arguments):
    config = dict(row.split("=", 1) for row in arguments.set)
    began = time.monotonic()
    failed = 0
    with Crowd(arguments.guests, arguments.hosts, arguments.mode or MODES, config, arguments.build, say=lambda text: print(text, flush=True)) as crowd:
        crowd.start()
        columns = [("started", crowd.holdings())]
        for number in range(arguments.rounds):
            if time.monotonic() - began > arguments.timeout:
                print(f"the time is over: {number} of {arguments.rounds} rounds")
                break
            result = crowd.move_all(max(60, arguments.timeout - (time.monotonic() - began)))
            print_round(result)
            failed += len(result.failures) + len(result.harmed)
            if result.failures and arguments.keep_logs:
                for host in crowd.lab.hosts:
                    pathlib.Path(arguments.keep_logs).mkdir(exist_ok=True)
                    shutil.copy(host.folder / "ferryd.out", pathlib.Path(arguments.keep_logs) / f"{host.name}-{number + 1}.log")
            if result.failures:
                break
            if number % 2:
                crowd.settle()
                before = (columns[1:] or [("", crowd.holdings())])[0][1]
                leaks = crowd.leaks(columns[0][1], before, slack_kib=MEMORY_SLACK_KIB)
                columns.append((f"round {number + 1}", crowd.holdings()))
                for leak in leaks:
                    print(f"  LEFT {leak}", flush=True)
                failed += len(leaks)
        print_holdings(columns)
    print(f"\n{arguments.guests} guests, {arguments.rounds} rounds, {time.monotonic() - began:.0f} s: {'ok' if not failed else f'{failed} complaints'}")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(TOP / "build"))
    parser.add_argument("--guests", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--hosts", type=int, default=3)
    parser.add_argument("--mode", action="append", choices=list(MODES))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--timeout", type=float, default=1500)
    parser.add_argument("--keep-logs", metavar="FOLDER")
    arguments = parser.parse_args()
    become_root("many")
    os.environ["FERRY_BUILD"] = str(pathlib.Path(arguments.build).resolve())
    try:
        return run(arguments)
    except Unavailable as problem:
        print(f"many: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
