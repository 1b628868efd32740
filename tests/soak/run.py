#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills at random moments: two guests in a lab move back and forth by random modes, and somebody dies meanwhile.

run.py [--build DIR] [--count N] [--seed TEXT] [--jobs N] [--only K …] [--fresh] [--again] [--record FILE]

What happens at kill K follows from the seed and K alone; the moment is a time after the commands, so the same kill meets
about the same point.  Zero guests may be lost, doubled or left to a person.  A guest whose QEMU was the victim may be shut off
(crashed), on one side.  Results are appended to FILE (DIR/soak.jsonl); an interrupted run goes on where it was.
"""
import collections
import contextlib
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass

TESTS = pathlib.Path(__file__).resolve().parent.parent
TOP = TESTS.parent
sys.path[:0] = [str(TESTS), str(TESTS / "guest")]

from faults.judge import WAYS, Harm, Waits, Witness
from faults.places import BLINK_S, Place, strike
from lab import trials
from lab.lab import Unavailable, require

VICTIMS = ("first daemon", "second daemon", "both daemons", "client", "source QEMU", "destination QEMU", "link")
NAMES = ("alpha", "beta")
BLOCK = 20              # kills in one lab
LATEST_S = 0.4          # two guests of this size have moved after that, on an idle machine
CLIENT_S = 60
SORTS = (("lost", "no QEMU is left"), ("doubled", "doubled|out of order|QEMUs:|RAN ON BOTH|RAN TWICE"), ("harmed", ""))     # of harm, by its words


@dataclass(frozen=True)
class Kill:
    number: int
    modes: tuple        # of both guests
    victim: str
    guest: int          # whose client or QEMU
    after_s: float


def plan(seed, number):
    chance = random.Random(f"{seed}:{number}")
    return Kill(number, tuple(chance.choice(list(WAYS)) for _ in NAMES), chance.choice(VICTIMS), chance.randrange(len(NAMES)),
                round(chance.uniform(0, LATEST_S), 4))


class Arena:
    """A place with its two guests."""

    def __init__(self, build):
        self.build, self.place, self.witnesses = build, None, []

    def enter(self):
        if self.place:
            return
        place = Place(self.build)
        place.__enter__()
        try:
            place.witnesses = self.witnesses = [Witness(place, name) for name in NAMES]
            for witness, host in zip(self.witnesses, place.hosts):
                witness.here = host
                witness.begin()
            self.place = place
        except BaseException:
            self.leave()
            place.close()
            raise

    def leave(self):
        for witness in self.witnesses:
            witness.close()
        if self.place:
            with contextlib.suppress(AssertionError):
                self.place.close()
        self.place, self.witnesses = None, []

    def argv(self, witness, mode):
        source, destination = witness.source, self.place.other(witness.source)
        program = [self.place.ferry] if mode == "ferry" else ["virsh", "-k", "1", "-K", "2"]
        return [*program, "-c", source.socket_uri, "migrate", "--live", "--persistent", "--undefinesource", *WAYS[mode],
                witness.guest.name, destination.tcp_uri]

    def play(self, kill):
        """The row of that kill."""
        row = {"kill": kill.number, "victim": kill.victim, "modes": list(kill.modes), "after_s": kill.after_s, "guests": [], "output": ""}
        began = time.monotonic()
        self.enter()
        place = self.place
        sizes = {host: (host.folder / "ferryd.out").stat().st_size for host in place.hosts}
        marks, clients = [], []
        for witness, mode in zip(self.witnesses, kill.modes):
            witness.source = witness.here
            marks.append(witness.ticks.mark())
            clients.append(witness.source.popen(self.argv(witness, mode), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        time.sleep(kill.after_s)
        self._strike(kill, clients[kill.guest])
        for client in clients:
            try:
                row["output"] += client.communicate(timeout=CLIENT_S)[0]
            except subprocess.TimeoutExpired:
                strike(client, signal.SIGKILL)
                client.wait(5)
                row["output"] += f"the client still waited after {CLIENT_S} s\n"
        for number, (witness, mark) in enumerate(zip(self.witnesses, marks)):
            may_crash = "QEMU" in kill.victim and number == kill.guest
            row["guests"].append(self._judge(witness, mark, may_crash))
        row["wall_s"] = round(time.monotonic() - began, 2)
        if any(guest["is_wrong"] for guest in row["guests"]):
            for host in place.hosts:
                with open(host.folder / "ferryd.out", errors="replace") as log:
                    log.seek(sizes[host])
                    lines = [line.rstrip() for line in log if re.search("warning|error|migration of domain|is ready", line)]
                row["output"] += "".join(f"\n  {host.name}: {line[:240]}" for line in lines[-12:])
            self.leave()
        else:
            for witness in self.witnesses:
                if not witness.qemus(witness.here):
                    witness.here.virsh("start", witness.guest.name)
                    witness.ticks.wait(witness.here.name, more=2)
        return row

    def _strike(self, kill, client):
        place, witness = self.place, self.witnesses[kill.guest]
        daemons = {"first daemon": place.hosts[:1], "second daemon": place.hosts[1:], "both daemons": place.hosts}.get(kill.victim, ())
        for host in daemons:
            host.kill_daemon()
        for host in daemons:
            place.restart(host)
        if kill.victim == "client":
            strike(client, signal.SIGKILL)
        elif "QEMU" in kill.victim:
            for pid in witness.qemus(witness.source if kill.victim == "source QEMU" else place.other(witness.source)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        elif kill.victim == "link":
            place.blink(place.hosts[0])
            time.sleep(BLINK_S)
            place.mend(place.hosts[0])

    def _judge(self, witness, mark, may_crash):
        """What became of one guest: stayed, moved, anew, crashed; or lost, doubled, person, harmed."""
        began = time.monotonic()
        found = {"outcome": "", "is_wrong": True, "complaint": ""}
        try:
            found["outcome"] = witness.wait_for_one(mark, may_crash)
            found["is_wrong"] = False
        except Waits as problem:
            found.update(outcome="person", complaint=str(problem))
        except Harm as problem:
            text = str(problem)
            found.update(outcome=next(outcome for outcome, pattern in SORTS if re.search(pattern, text)), complaint=text)
            if re.search(trials.HARMED, text) and found["outcome"] == "harmed":
                found["outcome"] = "emulation"      # a write that QEMU's emulation loses, between stock hosts too
        found["settled_s"] = round(time.monotonic() - began, 2)
        return found


def work(pieces, results, build):
    arena = Arena(build)
    try:
        for block in pieces:
            for kill in block:
                try:
                    row = arena.play(kill)
                except Exception:       # of the runner itself, or a host that does not start again: said, and a new lab
                    row = {"kill": kill.number, "victim": kill.victim, "modes": list(kill.modes), "after_s": kill.after_s, "wall_s": 0.0,
                           "output": "", "guests": [{"outcome": "harmed", "is_wrong": True, "settled_s": 0.0,
                                                     "complaint": f"the runner failed:\n{traceback.format_exc()}"}]}
                    arena.leave()
                results.put(row)
            arena.leave()
    finally:
        arena.leave()


def print_tally(rows, seconds, say=print):
    guests = [guest for row in rows for guest in row["guests"]]
    outcomes = collections.Counter(guest["outcome"] for guest in guests)
    by_victim = collections.defaultdict(collections.Counter)
    for row in rows:
        by_victim[row["victim"]].update(guest["outcome"] for guest in row["guests"])
    for victim in VICTIMS:
        say(f"{victim:18}" + ", ".join(f"{count} {outcome}" for outcome, count in by_victim[victim].most_common()))
    wrong = [row for row in rows if any(guest["is_wrong"] for guest in row["guests"])]
    settled = sorted(guest["settled_s"] for guest in guests if not guest["is_wrong"])
    if settled:
        say(f"settled after {settled[len(settled) // 2]:.1f} s (median), {settled[-1]:.1f} s at most")
    if seconds:
        say(f"{3600 * seconds[0] / seconds[1]:.0f} kills per hour")
    say(f"{len(rows)} kills: {outcomes['lost']} lost, {outcomes['doubled']} doubled, {outcomes['person']} left to a person, "
        f"{outcomes['harmed']} otherwise wrong; writes lost by the emulation: {outcomes['emulation']}")
    return wrong


def main():
    parser = trials.options("Kills at random moments.", "build", 4)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", type=int, action="append", default=[], help="play that kill alone")
    arguments = parser.parse_args()
    build = (TOP / arguments.build).resolve()
    try:
        require("qemu-system-x86_64", "virsh", "nft", "ss")
    except Unavailable as problem:
        print(f"soak: {problem}", file=sys.stderr)
        return 1
    os.environ["FERRY_BUILD"] = str(build)
    judges = (pathlib.Path(__file__), TESTS / "faults/judge.py", TESTS / "faults/places.py", TESTS / "guest/ticks.py")
    record = trials.Record(arguments.record or build / "soak.jsonl", trials.fingerprint(build, *judges, seed=arguments.seed), "kill",
                           arguments.fresh)
    numbers = arguments.only or list(range(arguments.count))
    print(f"seed {arguments.seed}")
    began, tried = time.monotonic(), []

    def line(row):
        tried.append(row["kill"])
        wrong = [guest for guest in row["guests"] if guest["is_wrong"]]
        return (f"{'FAIL' if wrong else 'ok  '} kill {row['kill']}: {row['victim']} after {row['after_s'] * 1000:.0f} ms, "
                f"{' and '.join(row['modes'])}: {', '.join(guest['outcome'] for guest in row['guests'])}"
                f"{': ' + wrong[0]['complaint'].splitlines()[0] if wrong else ''}")

    redo = arguments.only or [number for number, row in record.rows.items() if arguments.again and any(guest["is_wrong"] for guest in row["guests"])]
    shown = list(trials.try_all(numbers, redo, record, arguments.jobs, work,
                                lambda todo: trials.blocks([plan(arguments.seed, number) for number in todo], BLOCK), line, build).values())
    seconds = (len(tried), time.monotonic() - began) if tried else None
    for row in shown:
        if any(guest["is_wrong"] for guest in row["guests"]):
            print(f"\nFAILED kill {row['kill']}: {row['victim']} after {row['after_s'] * 1000:.0f} ms, {' and '.join(row['modes'])}")
            for name, guest in zip(NAMES, row["guests"]):
                if guest["is_wrong"]:
                    print(f"  {name}: {guest['outcome']}: {guest['complaint']}")
            print("".join(f"  {line}\n" for line in row["output"].splitlines()), end="")
    print()
    wrong = print_tally(shown, seconds)
    missing = len(numbers) - len(shown)
    if missing:
        print(f"{missing} not run")
    return 1 if wrong or missing else 0


if __name__ == "__main__":
    sys.exit(main())
