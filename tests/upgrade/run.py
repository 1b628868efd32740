#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make upgrade: ferryd is upgraded on both hosts while guests move.

run.py [--build DIR] [--rounds N] [--seed TEXT] [--only N …] [--way NAME …] [--patience N]

A round begins one migration of each way at once, from where each guest is to the other host.  Once all are under way each host gets a new
binary and its daemon is restarted, at moments that follow from the seed and the round alone.  Every guest has to arrive, whole and with
its definition; one that may stay (WAYS, and what had not begun) has to say why.  Nothing may be left behind on either host.
"""
import argparse
import collections
import os
import pathlib
import random
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

TESTS = pathlib.Path(__file__).resolve().parent.parent
TOP = TESTS.parent
sys.path[:0] = [str(TESTS), str(TESTS / "guest")]

import stamps                                   # noqa: E402
from faults.judge import Harm, Witness          # noqa: E402
from faults.places import REAL, Place           # noqa: E402
from lab.lab import Unavailable, become_root, require, wait_until       # noqa: E402

MEMORY = {"memory_mib": 40, "append": "set=4 touch=12 check=500"}
SPEED = ("--bandwidth", "6")            # MiB/s: some three seconds
TICK_MS = 100
LATEST_S = 3.0
CLIENT_S = 180
VIRSH, FERRY = "virsh", "ferry"
LOG = "warning|error|migration|begun|restart|is ready|ends|outcome"


@dataclass(frozen=True)
class Way:
    client: str
    words: tuple = ()
    may_stay: bool = False      # led by stock virsh, carried by the daemons


WAYS = {
    "virsh": Way(VIRSH),
    "ferry": Way(FERRY),
    "virsh p2p": Way(VIRSH, ("--p2p",)),
    "ferry p2p": Way(FERRY, ("--p2p",)),
    "virsh tunnelled": Way(VIRSH, ("--p2p", "--tunnelled")),
    "ferry tunnelled": Way(FERRY, ("--p2p", "--tunnelled")),
    "virsh parallel": Way(VIRSH, ("--parallel",), may_stay=True),
    "ferry parallel": Way(FERRY, ("--parallel",)),
}


@dataclass
class Move:
    """What became of one guest in one round."""
    way: str
    source: str
    outcome: str = ""           # moved, stayed, unbegun; wrong
    complaint: str = ""
    status: int = 0
    output: str = ""
    settled_s: float = 0.0


@dataclass
class Round:
    number: int
    moments: tuple              # of each host's upgrade, in seconds since all were under way
    moves: list = field(default_factory=list)
    logs: str = ""

    @property
    def wrong(self):
        return [move for move in self.moves if move.complaint]


def plan(seed, number):
    chance = random.Random(f"{seed}:{number}")
    return Round(number, tuple(round(chance.uniform(0, LATEST_S), 3) for _ in range(2)))


class Installation:
    """A ferryd where a package would have it: a new one takes the name of the old, which runs on."""

    def __init__(self, build, folder):
        self.built = build / "src/ferryd/ferryd"
        self.path = folder / "installed/ferryd/ferryd"
        self.path.parent.mkdir(parents=True)
        for helpers in ("exec", "host"):
            (self.path.parent.parent / helpers).symlink_to(build / "src" / helpers)
        self.count = 0
        self.upgrade()

    def upgrade(self):
        self.count += 1
        new = self.path.with_suffix(f".{self.count}")
        new.write_bytes(self.built.read_bytes() + f"version {self.count}".encode())     # behind what is loaded
        new.chmod(0o755)
        new.rename(self.path)


class Upgrades:
    """with Upgrades(build) as upgrades: upgrades.play(plan(seed, number))"""

    def __init__(self, build, ways=tuple(WAYS), patience=1):
        self.place = Place(build, times=REAL, patience=patience)
        self.installed = Installation(self.place.build, self.place.folder)
        self.place.ferryd = self.installed.path
        self.ways = ways
        self.witnesses = {}

    def __enter__(self):
        self.place.__enter__()
        try:
            for number, way in enumerate(self.ways):
                name = f"guest-{'abcdefgh'[number]}"
                image = stamps.create(self.place.shared / f"{name}.raw")
                witness = self.witnesses[way] = Witness(self.place, name, tick_ms=TICK_MS, image=image, **MEMORY)
                self.place.witnesses.append(witness)
                witness.here = self.place.hosts[number // 2 % 2]
                witness.begin()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for witness in self.witnesses.values():
            witness.close()
        self.place.close()

    # One round

    def play(self, turn):
        place = self.place
        sizes = {host: (host.folder / "ferryd.out").stat().st_size for host in place.hosts}
        known = place.journals()
        marks, clients = {}, {}
        for way, witness in self.witnesses.items():
            witness.source = witness.here
            marks[way] = witness.ticks.mark()
            clients[way] = self._client(way, witness)
        for way in self.ways:
            wait_until(lambda way=way: clients[way].poll() is not None or self._attempts(way, known), f"the beginning of {way}", 60)
        upgraders = [threading.Thread(target=self._upgrade, args=(host, after_s)) for host, after_s in zip(place.hosts, turn.moments)]
        for upgrader in upgraders:
            upgrader.start()
        for way, client in clients.items():
            turn.moves.append(self._end(way, client))
        for upgrader in upgraders:
            upgrader.join()
        for move in turn.moves:
            self._judge(move, marks[move.way], known)
        if turn.wrong:
            turn.logs = self._logs(sizes)
        return turn

    def _client(self, way, witness):
        source, destination = witness.source, self.place.other(witness.source)
        program = ["virsh"] if WAYS[way].client == VIRSH else [self.place.ferry]
        return source.popen([*program, "-c", source.socket_uri, "migrate", "--live", "--persistent", "--undefinesource", *SPEED, *WAYS[way].words,
                             witness.guest.name, destination.tcp_uri], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def _upgrade(self, host, after_s):
        time.sleep(after_s)
        self.installed.upgrade()
        host.restart_ferryd()

    def _attempts(self, way, known):
        witness = self.witnesses[way]
        return self.place.attempts(witness.source, witness.guest.uuid, known)

    def _end(self, way, client):
        move = Move(way, self.witnesses[way].source.name)
        try:
            move.output = client.communicate(timeout=CLIENT_S)[0].strip()
        except subprocess.TimeoutExpired:
            client.kill()
            client.wait(5)
            move.complaint = f"its client still waited after {CLIENT_S} s"
        move.status = client.returncode
        return move

    def _judge(self, move, mark, known):
        witness = self.witnesses[move.way]
        began = time.monotonic()
        try:
            move.outcome = witness.wait_for_one(mark, False)
        except Harm as problem:
            move.outcome, move.complaint = "wrong", str(problem)
            return
        move.settled_s = time.monotonic() - began
        if move.outcome != "moved":
            self._judge_stayed(move, self._attempts(move.way, known))

    def _judge_stayed(self, move, attempts):
        """It may, if no memory moved yet when stock's client, which alone leads it, lost a daemon; or if it is carried and led by stock."""
        is_unbegun = WAYS[move.way] == Way(VIRSH) and not any(each.get("step") in ("memory", "go") for each in attempts)
        if is_unbegun:
            move.outcome = "unbegun"
        elif not WAYS[move.way].may_stay:
            move.complaint = "it stayed; " + "; ".join(f"{each.get('outcome')}: {each.get('cause')}" for each in attempts)
        if not move.status or not move.output or not all(each.get("outcome") == "KEPT" and each.get("cause") for each in attempts):
            move.complaint = f"it stayed, and nobody says why: status {move.status}, attempts {attempts}"

    def _logs(self, sizes):
        text = ""
        for host, size in sizes.items():
            with open(host.folder / "ferryd.out", errors="replace") as log:
                log.seek(size)
                lines = [line.rstrip() for line in log if re.search(LOG, line) and not re.search("debug (qmp|client|rpc|fault)", line)]
            text += "".join(f"\n  {host.name}: {line[:260]}" for line in lines[-400:])
        return text


def print_round(turn):
    tally = collections.Counter(move.outcome for move in turn.moves)
    moments = " and ".join(f"{moment * 1000:.0f}" for moment in turn.moments)
    print(f"{'FAIL' if turn.wrong else 'ok  '} round {turn.number}: upgrades after {moments} ms: "
          f"{', '.join(f'{count} {outcome}' for outcome, count in tally.most_common())}", flush=True)
    for move in turn.wrong:
        print(f"  {move.way} from {move.source}: {move.complaint}\n    its client ({move.status}): {move.output}")


def main():
    parser = argparse.ArgumentParser(description="Upgrades of ferryd on both hosts while guests move.")
    parser.add_argument("--build", default=str(TOP / "build"))
    parser.add_argument("--rounds", type=int, default=14)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", type=int, action="append", help="play that round alone")
    parser.add_argument("--way", action="append", choices=list(WAYS))
    parser.add_argument("--patience", type=int, default=3, help="how many times longer than usual things may take, on a busy machine")
    parser.add_argument("--logs", action="store_true", help="print the daemons' logs of a round that goes wrong")
    arguments = parser.parse_args()
    become_root("upgrade")
    build = pathlib.Path(arguments.build).resolve()
    os.environ["FERRY_BUILD"] = str(build)
    began, tally, wrong, settled = time.monotonic(), collections.defaultdict(collections.Counter), 0, []
    try:
        require("qemu-system-x86_64", "virsh")
        with Upgrades(build, tuple(arguments.way or WAYS), arguments.patience) as upgrades:
            for number in arguments.only or range(arguments.rounds):
                turn = upgrades.play(plan(arguments.seed, number))
                print_round(turn)
                if arguments.logs and turn.wrong:
                    print(turn.logs)
                for move in turn.moves:
                    tally[move.way][move.outcome] += 1
                    settled.append(move.settled_s)
                wrong += len(turn.wrong)
                if any(move.outcome == "wrong" for move in turn.moves):
                    print("that guest is not whole, so nothing that follows would count")
                    break
    except Unavailable as problem:
        print(f"upgrade: {problem}", file=sys.stderr)
        return 1
    print()
    for way, outcomes in tally.items():
        print(f"{way:16}" + ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()))
    total = sum(sum(outcomes.values()) for outcomes in tally.values())
    print(f"seed {arguments.seed}: {total} migrations, {wrong} wrong; {time.monotonic() - began:.0f} s")
    return 1 if wrong or not total else 0


if __name__ == "__main__":
    sys.exit(main())
