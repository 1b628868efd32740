#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The address matrix: every kind of name, way and network, with our parts and stock's, judged from outside.

run.py [--build DIR] [--jobs N] [--fresh] [--again] [--only PATTERN …] [--sample] [--list] [--show] [--record FILE]

Results are appended to FILE (BUILD/address-matrix.jsonl) as they come, so that an interrupted run goes on where it was;
results of another build of the programs do not count.  --again runs the cells anew that were not as they must be,
--fresh all.  --only picks cells by a pattern on TOPOLOGY/NAME/MODE/CLIENT-SOURCE-DESTINATION.
"""
import collections
import os
import pathlib
import re
import sys
import traceback

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
TOP = TESTS.parent
sys.path[:0] = [str(HERE), str(TESTS), str(TESTS / "guest")]

import cells
import judge
from lab import trials
from lab.lab import Unavailable, require

CELLS_PER_SHARD = 24
LATE_S = 5              # what cannot work where the network is silent is to be told before that
SIGNS = {"arrived": "arrives", "told": "told", "hang": "HANGS", "harmed": "HARMED", "words": "WORDS"}


# ---- running ----

def order(cell):
    """Where there is nothing to go by but the peer book, it has to be empty; after that, by what takes time to change."""
    needs_empty_book = cell.client == "virsh" and cell.mode == "managed"
    return not needs_empty_book, list(cells.NAMES).index(cell.name), cell.mode, cell.client


def shards(names):
    """[(lab, cells)]: cells that share a lab, in pieces, the largest first."""
    by_lab = collections.defaultdict(list)
    for cell in sorted(map(cells.parse, names), key=order):
        by_lab[cell.lab].append(cell)
    pieces = []
    for lab, own in by_lab.items():
        count = -(-len(own) // CELLS_PER_SHARD)
        size = -(-len(own) // count)
        pieces += [(lab, block) for block in trials.blocks(own, size)]
    return sorted(pieces, key=lambda piece: -len(piece[1]))


def work(pieces, results, build):
    """One of several side by side."""
    for lab, own in pieces:
        with judge.Court(lab, build) as court:
            for cell in own:
                try:
                    row = court.try_cell(cell).as_row()
                except Exception:       # of the runner itself: said, and the next cell gets a new lab
                    row = judge.Result(cell.id, "harmed", complaint=f"the runner failed:\n{traceback.format_exc()}").as_row()
                    court.leave()
                results.put(row)


# ---- showing ----

def sign(row):
    if row is None:
        return "-"
    return SIGNS[row["outcome"]] if row["is_right"] else SIGNS[row["outcome"]].upper() + "!"


def print_table(rows, say=print):
    """For each topology one table: a line for each name and mode, a column for each mix."""
    run = cells.cells_to_run()
    mixes = list(dict.fromkeys(cell.mix for cell in run))
    say("c-s-d: client, source, destination; F is ferry or ferryd, s is stock; lower case is as it must be, capitals with ! are not;"
        " the control (s-s-s) is not counted")
    short = {mix: "-".join("F" if word.startswith("ferry") else "s" for word in mix.split("-")) for mix in mixes}
    for topology, what in cells.TOPOLOGIES.items():
        lines = {}
        for cell in run:
            if cell.topology == topology and cell.id in rows:
                lines.setdefault((cell.name, cell.mode), {})[cell.mix] = rows[cell.id]
        if not lines:
            continue
        say(f"\n{topology}: {what}")
        say(f"{'name':13}{'mode':11}" + "".join(f"{short[mix]:10}" for mix in mixes))
        for name in cells.NAMES:
            for mode in cells.MODES:
                if (name, mode) in lines:
                    say((f"{name:13}{mode:11}" + "".join(f"{sign(lines[name, mode].get(mix)):10}" for mix in mixes)).rstrip())


def print_failures(wrong, say=print):
    for row in wrong:
        expected = cells.expected(cells.parse(row["cell"]))
        say(f"\nFAILED {row['cell']}: must be: {expected.outcome} ({expected.why})"
            f"{f', with words like /{expected.reason}/' if expected.reason else ''}; was: {row['outcome']} after {row['wall_s']:.1f} s"
            f"{': ' + row['complaint'] if row['complaint'] else ''}")
        say(f"  $ {row['command']}")
        for line in row["output"].splitlines():
            say(f"  {line}")
        for visit in row["impostor"]:
            say(f"  the wrong host got {visit['bytes']} bytes on port {visit['port']}: {visit['head']}")


def cause(row):
    """Numbers and addresses differ, the cause does not."""
    text = row["complaint"] or row["output"]
    last = next((line for line in text.splitlines() if line.startswith("error:")), text.splitlines()[0] if text else "")
    return re.sub(r"\d[\d.:a-f]*", "N", last)[:160]


def place(row):
    return "{0}/*/{2}/{3}".format(*row["cell"].split("/"))


def print_rules(say=print):
    say("Merged, because they cannot differ:")
    every = cells.all_cells()
    for rule, text in cells.RULES:
        say(f"  {sum(1 for cell in every if rule(cell)):4} {text}")
    say(f"Of {len(every)} cells {len(cells.cells_to_run())} are run.")


def summary(rows):
    """(line, those that are wrong); control cells are counted apart."""
    parsed = [(cells.parse(row["cell"]), row) for row in rows]
    counted = [row for cell, row in parsed if not cell.is_control]
    wrong = [row for row in counted if not row["is_right"]]
    control = [row for cell, row in parsed if cell.is_control]
    again = sum(row["again"] for row in counted)
    told = [(row["wall_s"], row["cell"]) for cell, row in parsed if cell.source == "ferryd" and row["outcome"] == "told"]
    late = [found for found in told if found[0] > LATE_S]
    slowest = "the slowest refusal by a source of ours took {:.1f} s, {}".format(*max(told)) if told else "nothing was refused by a source of ours"
    line = (f"control: {sum(row['outcome'] == 'arrived' for row in control)} of {len(control)} arrived; tried twice as the emulation had "
            f"lost a write: {again}\n{slowest}; {len(late)} of {len(told)} took more than {LATE_S} s\n"
            f"{len(counted) - len(wrong)} as they must be, {len(wrong)} not")
    return line, wrong


def main():
    arguments = trials.cell_options("Tries every kind of name, way and network.", "build", 4).parse_args()
    build = (TOP / arguments.build).resolve()
    chosen = trials.chosen(cells.sample() if arguments.sample else cells.cells_to_run(), arguments.only)
    if arguments.list:
        for cell in chosen:
            expected = cells.expected(cell)
            print(f"{cell.id:55} {expected.outcome:8} {expected.why}{' /' + expected.reason + '/' if expected.reason else ''}")
        return 0
    try:
        require("qemu-system-x86_64", "virsh", "libvirtd", "virtlogd", "nft", "sysctl")
    except Unavailable as problem:
        print(f"address-matrix: {problem}", file=sys.stderr)
        return 1
    os.environ["FERRY_BUILD"] = str(build)
    mark = trials.fingerprint(build, *(HERE / name for name in ("cells.py", "judge.py", "places.py")))
    record = trials.Record(arguments.record or build / "address-matrix.jsonl", mark, is_fresh=arguments.fresh)
    print_rules()
    names = [cell.id for cell in chosen]
    redo = record.wrong_of(names) if arguments.again else ()
    found = record.rows_of(names) if arguments.show else trials.try_all(names, redo, record, arguments.jobs, work, shards, trials.judged_line, build)
    rows = list(found.values())
    print_table(found)
    line, wrong = summary(rows)
    print_failures(wrong)
    trials.print_groups(wrong, cause, place)
    missing = len(chosen) - len(rows)
    print(f"\n{f'{missing} not run; ' if missing else ''}{line}", flush=True)
    return 1 if wrong or missing else 0


if __name__ == "__main__":
    sys.exit(main())
