#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every step and every row of the owner's tables, and everything that may happen there; judged from outside.

run.py [--build DIR] [--jobs N] [--shard I/N] [--fresh] [--again] [--only PATTERN …] [--sample] [--list] [--show] [--record FILE]

DIR is a build with -Dfault_injection=true; it is made if it is not there.  First a survey: which points each course passes.  Then the cells; results are
appended to FILE (DIR/faults.jsonl) as they come, so that an interrupted run goes on where it was; results of another build of
the daemon, or by another judge, do not count.  --again runs the cells anew that were not as they must be, --fresh all.  --only
picks cells by a pattern on MODE:COURSE:POINT:PLACE:FAULT[:real], --shard every Nth of them, for several machines.
"""
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import traceback

TESTS = pathlib.Path(__file__).resolve().parent.parent
TOP = TESTS.parent
sys.path[:0] = [str(TESTS), str(TESTS / "guest")]

from faults import cells, ends, judge
from lab import trials
from lab.lab import Unavailable, require

PROGRAMS = ("src/ferryd/ferryd", "src/exec/ferry-exec", "src/host/ferry-kvm-probe", "src/host/ferry-lease", "cli/ferry", "tests/guest/ferry-test-guest",
            "tests/faults/durable.so")
PIECE = 12          # cells that a worker takes at once
SIGNS = {"stayed": ".", "moved": ".", "anew": ".", "crashed": "c", "explained": "e", "missed": "M", "waits": "W", "harmed": "H"}


# ---- workers ----

def work(pieces, results, build, more):
    """One of several side by side."""
    with judge.Court(build, **more) as court:
        for piece in pieces:
            for kind, what in piece:
                try:
                    if kind == "survey":
                        row = {"survey": list(what), "points": court.survey(*what)}
                    else:
                        row = court.try_cell(cells.parse(what)).as_row()
                except Exception:       # of the runner itself: said, and the next cell gets a new lab
                    text = f"the runner failed:\n{traceback.format_exc()}"
                    row = {"survey": list(what), "points": [[], []], "problem": text} if kind == "survey" else \
                        judge.Result(what, "harmed", complaint=text).as_row()
                    court.leave()
                results.put(row)


def pieces(names):
    return trials.blocks([("cell", name) for name in names], PIECE)


def make(build):
    """The programs that take part; what is there already is only brought up to date."""
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", build, "-Dfault_injection=true"], cwd=TOP, check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(["ninja", "-C", build, *PROGRAMS], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"{build} cannot be built:\n{done.stdout[-4000:]}{done.stderr}")


def points_of(build):
    done = subprocess.run([build / "src/ferryd/ferryd", "--list-steps"], text=True, capture_output=True, check=True)
    return done.stdout.split()


def is_built_for_it(build):
    return "fault injection" in subprocess.run([build / "src/ferryd/ferryd", "--version"], text=True, capture_output=True).stdout


def survey(build, jobs, record):
    """{mode: {course: [points]}}, seen once for each build."""
    path = record.path.with_suffix(".survey.json")
    if path.exists():
        kept = json.loads(path.read_text())
        if kept["of"] == record.mark:
            return kept["survey"]
    wanted = [(mode, course) for mode in cells.MODES for course in cells.courses(mode)]
    found = {mode: {} for mode in cells.MODES}
    began = time.monotonic()

    def take(row):
        mode, course = row["survey"]
        found[mode][course] = row["points"][0] + row["points"][1]
        if row.get("problem"):
            print(f"survey of {mode}, {course}: {row['problem']}", flush=True)

    trials.run_all(work, [[("survey", one)] for one in wanted], len(wanted), jobs, take, build, {})
    for mode in found:      # the plain course first: a dict in the order of the courses
        found[mode] = {course: found[mode].get(course, []) for course in cells.courses(mode)}
    print(f"survey of {len(wanted)} courses: {time.monotonic() - began:.0f} s", flush=True)
    path.write_text(json.dumps({"of": record.mark, "survey": found}))
    return found


# ---- showing ----

def print_rules(points, found, say=print):
    every = cells.all_cells(points, found)
    say("Merged, because they cannot differ or nothing would happen:")
    for rule, text in cells.RULES:
        say(f"  {sum(1 for cell in every if rule(cell, points) is not None):5} {text}")
    run = cells.cells_to_run(points, found)
    say(f"Of {len(every)} cells {sum(1 for cell in run if cell.times == cells.SHORT)} are run, and {sum(1 for cell in run if cell.times == cells.REAL)} "
        f"at {cells.REAL_ROW} once more, with the real time constants.")
    for what in cells.ELSEWHERE:
        say(f"  not tried here: {what}")
    for text, why in cells.OPEN:
        say(f"  known to be wrong: *{text}*: {why}")
    missing = cells.unreached(points, found)
    if missing:
        say(f"No course leads to {len(missing)} of {len(points)} points:")
        for point, why in missing:
            say(f"  {point}: {why or 'and nobody has said why'}")


def print_table(rows, points, say=print):
    """For each mode: a line for each point of each course, a column for each fault."""
    faults = list(cells.FAULTS)
    say(". as it must be, c crashed in a window, e explained and resolved; W waits for a person, H harmed, M point missed; blank: merged")
    for mode, what in cells.MODES.items():
        lines = collections.defaultdict(dict)
        for row in rows:
            cell = cells.parse(row["cell"])
            if cell.mode == mode:
                lines[cell.course, cell.point, cell.place, cell.times][cell.fault] = SIGNS[row["outcome"]]
        if not lines:
            continue
        say(f"\n{mode}: {what}")
        for depth in range(max(map(len, faults))):
            say(" " * 72 + "".join(f"{fault[depth] if depth < len(fault) else ' '} " for fault in faults).rstrip())
        order = {point: number for number, point in enumerate(points)}
        for (course, point, place, times), signs in sorted(lines.items(), key=lambda item: (list(cells.COURSES).index(item[0][0]),
                                                                                      order.get(item[0][1], 0), item[0][2] == "after", item[0][3])):
            name = f"{'' if course == 'plain' else course + ': '}{point}{' (after)' if place == 'after' else ''}{f' ({times})' if times else ''}"
            say(f"{name:72}" + "".join(f"{signs.get(fault, ' ')} " for fault in faults).rstrip())


def print_failures(wrong, say=print):
    for row in wrong:
        say(f"\nFAILED {row['cell']}: {row['outcome']} after {row['wall_s']:.1f} s: {row['complaint']}")
        for line in row["output"].splitlines():
            say(f"  {line}")


def cause(row):
    """Numbers and hosts differ, the cause does not."""
    return f"{row['outcome']}: " + re.sub(r"fedora\d|\d[\d.:a-f]*", "N", row["complaint"].splitlines()[0])[:150]


def place(row):
    cell = cells.parse(row["cell"])
    return f"{cell.point}: {cell.fault}"


def summary(rows):
    wrong = [row for row in rows if not row["is_right"]]
    outcomes = collections.Counter(row["outcome"] for row in rows)
    again = sum(row["again"] for row in rows)
    slowest = sorted(row["settled_s"] for row in rows if row["is_right"])
    line = f"{', '.join(f'{count} {name}' for name, count in outcomes.most_common())}; tried twice as the emulation had lost a write: {again}\n"
    if slowest:
        line += f"settled after {slowest[len(slowest) // 2]:.1f} s (median), {slowest[-1]:.1f} s at most\n"
    return line + f"{len(rows) - len(wrong)} as they must be, {len(wrong)} not", wrong


def main():
    parser = trials.cell_options("Tries everything that may happen at every point of a migration.", "build-faults", 4)
    parser.add_argument("--no-make", action="store_true", help="take the programs as they are")
    parser.add_argument("--make-only", action="store_true", help="only build the programs")
    parser.add_argument("--shard", default="1/1")
    parser.add_argument("--patience", type=float, default=1, help="how many times longer than usual things may take")
    arguments = parser.parse_args()
    build = (TOP / arguments.build).resolve()
    try:
        if arguments.make_only:     # for which nobody has to be root
            make(build)
            return 0
        require("qemu-system-x86_64", "virsh", "nft", "ss")
        if not arguments.no_make:
            make(build)
        if not is_built_for_it(build):
            raise Unavailable(f"{build} is not built with -Dfault_injection=true")
    except (Unavailable, OSError) as problem:
        print(f"faults: {problem}", file=sys.stderr)
        return 1
    os.environ["FERRY_BUILD"] = str(build)
    mark = trials.fingerprint(build, *(TESTS / name for name in ("faults/cells.py", "faults/ends.py", "faults/judge.py", "faults/places.py", "guest/ticks.py", "guest/stamps.py")))
    record = trials.Record(arguments.record or build / "faults.jsonl", mark, is_fresh=arguments.fresh)
    points = points_of(build)
    if arguments.sample:
        chosen = cells.sample(points)
    else:
        found = survey(build, arguments.jobs, record)
        print_rules(points, found)
        chosen = cells.cells_to_run(points, found)
    shard, of = map(int, arguments.shard.split("/"))
    chosen = trials.chosen(chosen, arguments.only)[shard - 1::of]
    if arguments.list:
        for cell in chosen:
            print(f"{cell.id:80} {'; '.join(f'{end}: {why}' if why else end for end, why in sorted(ends.may_end(cell).items()))}")
        return 0
    names = [cell.id for cell in chosen]
    redo = record.wrong_of(names) if arguments.again else ()
    how = {"patience": arguments.patience}
    rows = list((record.rows_of(names) if arguments.show else
                 trials.try_all(names, redo, record, arguments.jobs, work, pieces, trials.judged_line, build, how)).values())
    line, wrong = summary(rows)
    print_failures(wrong)
    print_table(rows, points)
    trials.print_groups(wrong, cause, place)
    missing = len(chosen) - len(rows)
    print(f"\n{f'{missing} not run; ' if missing else ''}{line}", flush=True)
    return 1 if wrong or missing else 0


if __name__ == "__main__":
    sys.exit(main())
