# SPDX-License-Identifier: LGPL-2.1-or-later
"""The hand-over of docs/handover.md as an executable check: the same names of records, messages and rules.

    python3 -m model                       precopy and postcopy: 2 faults, 2 attempts, 1 interference
    python3 -m model --faults 3            one more fault (8 million states, 3 GB)
    python3 -m model --stream rp|vmdesc|strict     return path on | off | off, and no vmdesc behind the stream
    python3 -m model --design A|B          the two designs that were rejected
    python3 -m model --stage1              before the daemons can ask each other: what the code has today
    python3 -m model --paused              the user may pause and resume his guest meanwhile
    python3 -m model --restore             the destination's journal may come back empty
    python3 -m model --keep                the source keeps its definition
    python3 -m model --stock               what a stock host does
    python3 -m model --stock-source careful|fast    a stock source, which keeps no record, and a ferryd
    python3 -m model --offline             without an image
    python3 -m model --mutants             every rule removed in turn (--short: with as little as will show it)
    python3 -m model --mutant NAME         one of them, with its shortest traces
    python3 -m model --tables              the decision tables of the stage that the code is at, as derived from the rules
    python3 -m model --runs short|all      every run that the page states, compared with it; goes on where it was

Run from tests/.  Faults (at most --faults of them, in any state): a daemon killed (its records stay), a QEMU killed, power lost
(unsynced records go), the stream cut (with or without its last bytes), `cont` refused.  Interference (at most --users): a user
aborts or a client says Confirm(cancelled) on the source; a client says Finish(cancelled) on the destination.  Free: a new attempt
after a failed one, a cold start of a guest that is shown as shut off, every timer at any moment.
"""
import argparse
import json
import os
import pathlib
import sys
import time

from .explorer import explore
from .mutants import MUTANTS, mutant_terms
from .offline import OFFLINE
from .records import PROPS
from .rules import Model
from .runs import RUNS, SAFE, perform
from .stock_source import STOCK_SOURCES, describe
from .tables import format_tables
from .trial import every_break, first_break, judge_mutant, stock


def say(*words):
    print(*words, flush=True)


def run_free(arguments):
    terms = dict(faults=arguments.faults, users=arguments.users, attempts=arguments.attempts, design=arguments.design, stream=arguments.stream,
                 restore=arguments.restore, undefine=not arguments.keep, paused=arguments.paused, stage1=arguments.stage1)
    props = arguments.props or (SAFE if arguments.stage1 else PROPS + ['WISH'] * arguments.paused)
    modes = [arguments.mode] if arguments.mode else ['precopy'] if arguments.paused or arguments.stage1 else ['precopy', 'postcopy']
    wrong = 0
    for mode in modes:
        began = time.monotonic()
        states, steps, ends, bad, used = explore(Model(mode=mode, **terms), props)
        wrong += bad is not None
        say(f'{mode}: {states} states: ' + (bad[0] if bad else f'{steps} steps, {ends} states for liveness: {" ".join(props)} hold'),
            f'({time.monotonic() - began:.0f} s)')
        say(bad[1] if bad else 'rules exercised: ' + ' '.join(sorted(rule for rule in used if rule[1] == '-')))
    return wrong


class Noted:
    """What is done, with the time of the newest module: a changed model begins anew."""

    def __init__(self, path):
        stamp = str(max(os.stat(module).st_mtime_ns for module in pathlib.Path(__file__).parent.glob('*.py')))
        self.path, self.done = path, json.loads(path.read_text()) if path.exists() else {}
        if self.done.get('stamp') != stamp:
            self.done = {'stamp': stamp}

    def add(self, name, found):
        self.done[name] = found
        self.path.write_text(json.dumps(self.done, indent=1) + '\n')


def run_mutants(is_short, noted):
    wrong = 0
    for name, mode, what in MUTANTS:
        mark = f'without {name} [{mode}]'
        if not is_short and mark in noted.done:
            continue
        if is_short:
            bad = first_break(name, mode)
            found = [bad] if bad else []
        else:
            found = every_break(dict(mutant_terms(name, mode), attempts=1 if mode == 'postcopy' else 2))
        line, problem = judge_mutant(name, mode, what, found)
        wrong += bool(problem)
        if not is_short and not problem:
            noted.add(mark, line)
        say(('UNEXPECTED ' if problem else '') + line)
    return wrong


def run_offline():
    wrong = 0
    for name, exploration, breaks in OFFLINE:
        states, bad, trace = exploration()
        is_good = (bad or '').startswith(breaks) and bool(bad) == bool(breaks)
        wrong += not is_good
        say(f"{'' if is_good else 'UNEXPECTED '}{name}: {states} states: {bad or 'all hold'}")
        if not is_good:
            say(trace)
    return wrong


def run_table(which, noted):
    wrong = 0
    for run in sorted(RUNS, key=lambda run: run.states):                 # the dear ones last
        if which == 'short' and not run.is_short or run.name in noted.done:
            continue
        began = time.monotonic()
        found, problem = perform(run)
        say(f"{'UNEXPECTED ' if problem else ''}{run.name}: {problem or found} ({time.monotonic() - began:.0f} s)")
        wrong += bool(problem)
        if not problem:
            noted.add(run.name, found)
    say(f'{sum(run.name in noted.done for run in RUNS)} of {len(RUNS)} runs as the page states, {wrong} not')
    return wrong


def main():
    parser = argparse.ArgumentParser(prog='python3 -m model', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--faults', type=int, default=2)
    parser.add_argument('--users', type=int, default=1)
    parser.add_argument('--attempts', type=int, default=2)
    parser.add_argument('--design', default='C', choices='ABC')
    parser.add_argument('--stream', default='rp', choices=['rp', 'vmdesc', 'strict'])
    parser.add_argument('--props', nargs='+', choices=PROPS + ['WISH'])
    parser.add_argument('--mode', choices=['precopy', 'postcopy'])
    for flag in ('restore', 'keep', 'paused', 'stage1', 'offline', 'stock', 'mutants', 'short', 'tables'):
        parser.add_argument('--' + flag, action='store_true')
    parser.add_argument('--stock-source', choices=STOCK_SOURCES)
    parser.add_argument('--mutant')
    parser.add_argument('--runs', choices=['short', 'all'])
    parser.add_argument('--state', type=pathlib.Path, default=pathlib.Path('model-runs.json'), help='where --runs and --mutants note what is done, to go on there')
    arguments = parser.parse_args()
    if arguments.runs:
        return run_table(arguments.runs, Noted(arguments.state))
    if arguments.tables:
        say(format_tables())
        return 0
    if arguments.offline:
        return run_offline()
    if arguments.stock_source:
        say(describe(arguments.stock_source))
        return 0
    if arguments.stock:
        for text, trace in stock():
            say(f'{text}\n{trace}')
        return 0
    if arguments.mutants:
        return run_mutants(arguments.short, Noted(arguments.state))
    if arguments.mutant:
        modes = [mode for name, mode, _ in MUTANTS if name == arguments.mutant]
        if not modes:
            parser.error(f"no rule is called '{arguments.mutant}'")
        for mode in modes:
            for text, trace in every_break(dict(mutant_terms(arguments.mutant, mode), attempts=1 if mode == 'postcopy' else 2)):
                say(f'{arguments.mutant} [{mode}]: {text}\n{trace}')
        return 0
    return run_free(arguments)


if __name__ == '__main__':
    sys.exit(1 if main() else 0)
