#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills at random moments: two guests in a lab move back and forth by random modes, and somebody dies meanwhile.

run.py [--build DIR] [--count N] [--seed TEXT] [--jobs N] [--only K …] [--fresh] [--again] [--record FILE]

What happens at kill K follows from the seed and K alone; the moment is a time after the commands, so the same kill meets
about the same point.  In postcopy somebody asks for the switch, at a moment of its own, or never.  Zero guests may be lost,
doubled or left to a person, judged also by what they stamp on a disk that both hosts see.  A guest whose QEMU was the victim
may be shut off (crashed), on one side, and one that is torn in two when the link goes.  Nor may a move fail but for what was
done to it: what is refused tries nothing.  Results are appended to FILE (DIR/soak.jsonl); an interrupted run goes on where it was.
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
import threading
import time
import traceback
from dataclasses import dataclass

TESTS = pathlib.Path(__file__).resolve().parent.parent
TOP = TESTS.parent
sys.path[:0] = [str(TESTS), str(TESTS / "guest")]

import stamps
from faults.judge import WAYS, Harm, Waits, Witness
from faults.places import BLINK_S, Place, strike
from lab import postcopy, trials
from lab.lab import Unavailable, require

# Postcopy's first pass takes a second, in which QEMU looks twice for what was rewritten.  Where it has to look once more its software
# emulation loses what is written from then on to a page that is written all the time: each time, and without us, too.
MODES = WAYS | {"postcopy": ["--postcopy", "--bandwidth", "4", "--postcopy-bandwidth", "2"]}
VICTIMS = ("first daemon", "second daemon", "both daemons", "client", "source QEMU", "destination QEMU", "link")
NAMES = ("alpha", "beta")
BLOCK = 20              # kills in one lab
LATEST_S = 0.4          # two guests of this size have moved after that, on an idle machine
POSTCOPY_LATEST_S = 3.0     # they take their time
SWITCH_S = 1.0
NEVER = 0.2             # of those that may switch
CLIENT_S = 60
ASK_S = 0.05            # between two requests
ENOUGH = 20             # of a mode, for some of them to have moved
# What a client may say last of a move that ended by what is done here: to a connection, to a daemon, to a QEMU.
HIT = re.compile("end of file|socket is closed|failed to connect socket|connection (refused|reset)|connection abort|broken pipe|bad file descriptor|"
                 "hung up|no longer answers|not yet known|domain is not running|process exited while|its QEMU has ended|QEMU gave no reason|"
                 "load of migration failed|the daemon was restarted|led the migration has ended|keepalive|timed out", re.I)
VIRSH_TRIED = "error: failed to get domain"     # stands before the reason, or behind it
# Of harm, by its words.  A write that the emulation has lost shows as ticks and pages that do not fit: two guests would be seen on two
# consoles, or by their stamps, and the same kill would bring them again.
SORTS = (("emulation", trials.HARMED), ("lost", "no QEMU is left"),
         ("doubled", "QEMUs:|RAN ON BOTH|RAN TWICE|TWO WRITERS|WENT BACK|BEGAN THE SAME|WERE ON THE"), ("harmed", ""))


@dataclass(frozen=True)
class Kill:
    number: int
    modes: tuple        # of both guests
    victim: str
    guest: int          # whose client or QEMU
    after_s: float
    switch_s: tuple     # for each guest; None: never


def plan(seed, number):
    chance = random.Random(f"{seed}:{number}")
    modes = tuple(chance.choice(list(MODES)) for _ in NAMES)
    victim, guest = chance.choice(VICTIMS), chance.randrange(len(NAMES))
    latest_s = chance.choice((LATEST_S, POSTCOPY_LATEST_S)) if "postcopy" in modes else LATEST_S
    switch_s = tuple(round(chance.uniform(0, SWITCH_S), 4) if mode == "postcopy" and chance.random() >= NEVER else None for mode in modes)
    return Kill(number, modes, victim, guest, round(chance.uniform(0, latest_s), 4), switch_s)


class Switch(threading.Thread):
    """Whoever wants a guest switched to postcopy, from then on."""

    def __init__(self, witness, client, after_s):
        super().__init__(daemon=True)
        self.witness, self.client, self.after_s = witness, client, after_s
        self.is_asked = self.is_granted = False

    def run(self):
        time.sleep(self.after_s)
        while self.client.poll() is None and not self.is_granted:
            self.is_asked = True
            self.is_granted = not self.witness.source.virsh("migrate-postcopy", self.witness.guest.name, check=False).returncode
            time.sleep(ASK_S)


class Arena:
    """A place with its two guests."""

    def __init__(self, build, patience):
        self.build, self.patience, self.place, self.witnesses = build, patience, None, []

    def enter(self):
        if self.place:
            return
        place = Place(self.build, is_postcopy=True, patience=self.patience)
        place.__enter__()
        try:
            emulator = postcopy.emulator(place)
            place.witnesses = self.witnesses = [Witness(place, name, image=stamps.create(place.shared / f"{name}.raw"), emulator=emulator)
                                                for name in NAMES]
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
        return [*program, "-c", source.socket_uri, "migrate", "--live", "--persistent", "--undefinesource", *MODES[mode],
                witness.guest.name, destination.tcp_uri]

    def play(self, kill):
        """The row of that kill."""
        row = row_of(kill)
        began = time.monotonic()
        self.enter()
        place = self.place
        sizes = {host: (host.folder / "ferryd.out").stat().st_size for host in place.hosts}
        known = place.journals()
        marks, clients, switches = [], [], []
        for witness, mode, switch_s in zip(self.witnesses, kill.modes, kill.switch_s):
            witness.source = witness.here
            marks.append(witness.ticks.mark())
            clients.append(witness.source.popen(self.argv(witness, mode), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
            switches.append(Switch(witness, clients[-1], switch_s) if switch_s is not None else None)
        for switch in filter(None, switches):
            switch.start()
        time.sleep(kill.after_s)
        early = [client.poll() for client in clients]
        self._strike(kill, clients[kill.guest])
        for number, client in enumerate(clients):
            guest = {"mode": kill.modes[number]}
            row["guests"].append(guest)
            try:
                guest["said"] = client.communicate(timeout=CLIENT_S)[0].strip()
            except subprocess.TimeoutExpired:
                strike(client, signal.SIGKILL)
                client.wait(5)
                guest["said"] = f"the client still waited after {CLIENT_S} s"
        for switch in filter(None, switches):
            switch.join()
        for number, (witness, guest, switch) in enumerate(zip(self.witnesses, row["guests"], switches)):
            guest.update(is_asked=bool(switch and switch.is_asked), is_switched=bool(switch and switch.is_granted))
            self._judge(witness, marks[number], kill, number, guest)
            guest["has_begun"] = bool(place.attempts(witness.source, witness.guest.uuid, known))
            if not guest["is_wrong"]:
                guest["complaint"] = refusal(kill, number, early[number], clients[number].returncode, guest)
                if guest["complaint"]:
                    guest.update(outcome="refused", is_wrong=True)
        row["wall_s"] = round(time.monotonic() - began, 2)
        if any(guest["is_wrong"] for guest in row["guests"]):
            for host in place.hosts:
                with open(host.folder / "ferryd.out", errors="replace") as log:
                    log.seek(sizes[host])
                    lines = [line.rstrip() for line in log if re.search("warning|error|migration of domain|is ready", line)]
                row["output"] += "".join(f"\n  {host.name}: {line[:240]}" for line in lines[-12:])
                row["output"] += "".join(self._last_words(host, witness.guest.name) for witness in self.witnesses)
            self.leave()
        else:
            for witness in self.witnesses:
                if not witness.qemus(witness.here):
                    witness.here.virsh("start", witness.guest.name)
                    witness.ticks.wait(witness.here.name, more=2)
        return row

    @staticmethod
    def _last_words(host, name):
        """What its QEMUs said there, last."""
        text = ""
        for path in (host.folder / "var/log/ferry").rglob(f"{name}.log*"):
            lines = [line for line in path.read_text(errors="replace").splitlines() if ": starting up: " not in line]
            text += "".join(f"\n  {host.name}, {path.name}: {line[:240]}" for line in lines[-4:])
        return text

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

    def _judge(self, witness, mark, kill, number, guest):
        """What became of one guest: stayed, moved, anew, crashed; or lost, doubled, person, harmed."""
        began = time.monotonic()
        guest.update(outcome="", is_wrong=True, complaint="", window="")
        may_crash = "QEMU" in kill.victim and number == kill.guest or kill.victim == "link" and guest["is_switched"]
        try:
            guest["outcome"] = witness.wait_for_one(mark, may_crash)
            if guest["outcome"] == "crashed":
                guest["window"] = window(kill, guest, witness.ticks.last().host == witness.source.name)
            guest["is_wrong"] = False
        except Waits as problem:
            guest.update(outcome="person", complaint=str(problem))
        except Harm as problem:
            text = str(problem)
            guest.update(outcome=next(outcome for outcome, pattern in SORTS if re.search(pattern, text)), complaint=text)
        guest["settled_s"] = round(time.monotonic() - began, 2)


def window(kill, guest, ran_here):
    """Why a guest may be shut off after it all; ran_here: it was at the source that it was seen last."""
    if guest["is_asked"]:
        return "W4"
    if kill.victim == "destination QEMU":
        return "W1" if ran_here else "it ran there"
    if not ran_here:
        raise Harm("no QEMU is left: it ran at the destination, and has ended with the source's QEMU")
    return "its only QEMU"


def refusal(kill, number, early, status, guest):
    """What is wrong with the answer that a client got; early: its status before anything was done, if it had ended by then."""
    is_hit = "QEMU" not in kill.victim and kill.victim != "client" or number == kill.guest
    said = " ".join(guest["said"].split())
    errors = [line for line in guest["said"].splitlines() if line.startswith("error: ") and not line.startswith(VIRSH_TRIED)]
    if early or not is_hit and status:
        return f"nothing was done to it, and it was refused: {said}"
    if not status and guest["outcome"] == "stayed":
        return f"it stayed, and its client has heard of no failure: {said}"
    if status and not (kill.victim == "client" and number == kill.guest) and not HIT.search(errors[-1] if errors else said):
        return f"refused for a reason that nobody gave here: {said}"
    return ""


def is_ours(guest):
    return guest["is_wrong"] and guest["outcome"] != "emulation"


def row_of(kill):
    return {"kill": kill.number, "victim": kill.victim, "modes": list(kill.modes), "after_s": kill.after_s, "switch_s": list(kill.switch_s),
            "guests": [], "output": ""}


def work(pieces, results, build, patience):
    arena = Arena(build, patience)
    try:
        for block in pieces:
            for kill in block:
                try:
                    row = arena.play(kill)
                    if any(guest["outcome"] == "emulation" for guest in row["guests"]) and not any(is_ours(guest) for guest in row["guests"]):
                        row = dict(arena.play(kill), again=True)
                except Exception:       # of the runner itself, or a host that does not start again: said, and a new lab
                    row = dict(row_of(kill), wall_s=0.0,
                               guests=[{"mode": mode, "outcome": "harmed", "is_wrong": True, "settled_s": 0.0, "said": "", "window": "",
                                        "is_asked": False, "is_switched": False, "has_begun": False,
                                        "complaint": f"the runner failed:\n{traceback.format_exc()}"} for mode in kill.modes])
                    arena.leave()
                results.put(row)
            arena.leave()
    finally:
        arena.leave()


OUTCOMES = ("moved", "stayed", "anew", "crashed")


def print_modes(guests, say):
    """A mode of which nothing comes to its end is not tried: those, as words."""
    idle = []
    say(f"{'':12}{'tried':>8}{'began':>8}{'switched':>10}" + "".join(f"{outcome:>9}" for outcome in OUTCOMES) + f"{'wrong':>8}")
    for mode in MODES:
        own = [guest for guest in guests if guest["mode"] == mode]
        count = collections.Counter(guest["outcome"] for guest in own)
        switched = [guest for guest in own if guest["is_switched"]]
        windows = collections.Counter(guest["window"] for guest in own if guest["window"])
        say(f"{mode:12}{len(own):8}{sum(guest['has_begun'] for guest in own):8}{len(switched) if mode == 'postcopy' else '':>10}" +
            "".join(f"{count[outcome]:9}" for outcome in OUTCOMES) + f"{sum(guest['is_wrong'] for guest in own):8}" +
            ("  crashed: " + ", ".join(f"{number} {text}" for text, number in windows.most_common()) if windows else ""))
        if len(own) >= ENOUGH and not count["moved"]:
            idle.append(f"of {len(own)} in mode {mode} none has moved")
        if mode == "postcopy" and len(own) >= ENOUGH and not any(guest["outcome"] == "moved" for guest in switched):
            idle.append(f"of {len(own)} in postcopy none has moved after a switch")
    return idle


def print_tally(rows, seconds, say=print):
    """(rows that are wrong, words on what was not tried)"""
    guests = [guest for row in rows for guest in row["guests"]]
    outcomes = collections.Counter(guest["outcome"] for guest in guests)
    by_victim = collections.defaultdict(collections.Counter)
    for row in rows:
        by_victim[row["victim"]].update(guest["outcome"] for guest in row["guests"])
    for victim in VICTIMS:
        say(f"{victim:18}" + ", ".join(f"{count} {outcome}" for outcome, count in by_victim[victim].most_common()))
    idle = print_modes(guests, say)
    wrong = [row for row in rows if any(guest["is_wrong"] for guest in row["guests"])]
    settled = sorted(guest["settled_s"] for guest in guests if not guest["is_wrong"])
    if settled:
        say(f"settled after {settled[len(settled) // 2]:.1f} s (median), {settled[-1]:.1f} s at most")
    if seconds:
        say(f"{3600 * seconds[0] / seconds[1]:.0f} kills per hour")
    for text in idle:
        say(f"not tried: {text}")
    say(f"{len(rows)} kills: {outcomes['lost']} lost, {outcomes['doubled']} doubled, {outcomes['person']} left to a person, "
        f"{outcomes['refused']} refused, {outcomes['harmed']} otherwise wrong; tried twice as the emulation had lost a write: "
        f"{sum('again' in row for row in rows)}, in vain: {outcomes['emulation']}")
    return wrong, idle


def main():
    parser = trials.options("Kills at random moments.", "build", 4)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--patience", type=float, default=1, help="how many times longer than usual things may take, on a busy machine")
    parser.add_argument("--only", type=int, action="append", default=[], help="play that kill alone")
    arguments = parser.parse_args()
    build = (TOP / arguments.build).resolve()
    try:
        require("qemu-system-x86_64", "virsh", "nft", "ss")
    except Unavailable as problem:
        print(f"soak: {problem}", file=sys.stderr)
        return 1
    os.environ["FERRY_BUILD"] = str(build)
    judges = (pathlib.Path(__file__), TESTS / "faults/judge.py", TESTS / "faults/places.py", TESTS / "guest/ticks.py", TESTS / "guest/stamps.py")
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
                                lambda todo: trials.blocks([plan(arguments.seed, number) for number in todo], BLOCK), line, build, arguments.patience).values())
    seconds = (len(tried), time.monotonic() - began) if tried else None
    for row in shown:
        if any(guest["is_wrong"] for guest in row["guests"]):
            print(f"\nFAILED kill {row['kill']}: {row['victim']} after {row['after_s'] * 1000:.0f} ms, {' and '.join(row['modes'])}")
            for name, guest in zip(NAMES, row["guests"]):
                if guest["is_wrong"]:
                    print(f"  {name}: {guest['outcome']}: {guest['complaint']}\n    its client: {guest['said']}")
            print("".join(f"  {line}\n" for line in row["output"].splitlines()), end="")
    print()
    wrong, idle = print_tally(shown, seconds)
    missing = len(numbers) - len(shown)
    if missing:
        print(f"{missing} not run")
    return 1 if wrong or idle or missing else 0


if __name__ == "__main__":
    sys.exit(main())
