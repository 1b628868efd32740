#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The faults with a stock host on one side, beside the same between two stock hosts: in no cell may ours be worse.

stock.py [--build DIR] [--jobs N] [--fresh] [--again] [--only PATTERN …] [--list] [--show] [--record FILE]

A cell is PAIR:MODE:MOMENT:FAULT.  The moments are seen from outside, so that they mean the same in each pair: a QEMU that is about
to be started there, bytes on the lane, a guest that has fallen silent, Finish's answer on its way.  What becomes of the guest is
seen from outside, too: QEMU processes, the guest's own ticks, virsh on both hosts.  What is not tried, RULES say.  A cell that may end worse than between stock hosts stands
in EXCEPTIONS with its letter of docs/handover.md, section 11.  Results are appended to FILE (DIR/faults-stock.jsonl), so that an
interrupted run goes on where it was.
"""
import contextlib
import itertools
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

TESTS = pathlib.Path(__file__).resolve().parent.parent
TOP = TESTS.parent
sys.path[:0] = [str(TESTS), str(TESTS / "guest")]

import stamps
from faults.places import BLINK_S, LOCK_S, PORTS, SHORT, STATE_KIB, Place, held, leading, strike
from lab import trials
from lab.lab import STOCK_PORT, Unavailable, require, wait_until
from lab.moves import STAMPED_DISK, Guest

PAIRS = {"stock": ("libvirtd", "libvirtd"), "to-stock": ("ferryd", "libvirtd"), "from-stock": ("libvirtd", "ferryd")}
CONTROL = "stock"
MODES = {"virsh": [], "p2p": ["--p2p"], "tunnelled": ["--p2p", "--tunnelled"]}
MOMENTS = {
    "prepare": "Prepare is not answered yet: the QEMU there is about to be started",
    "memory": "memory moves",
    "last": "the last phase: the guest is stopped, and the rest of it is under way",
    "there": "Finish's answer is on its way: between stock hosts the guest runs there by now",
}
FAULTS = {
    "kill-source-daemon": "the source's daemon is killed",
    "kill-destination-daemon": "the destination's daemon is killed",
    "kill-source-qemu": "the source's QEMU is killed",
    "kill-destination-qemu": "the destination's QEMU is killed",
    "kill-client": "the client is killed",
    "ctrl-c": "the user gives up",
    "cut": "the link falls silent for good",
    "blink": "the link breaks with all its connections, and is back in a moment",
    "stop-source-daemon": "the source's daemon is stopped for longer than a connection lives, then goes on",
    "stop-destination-daemon": "the destination's daemon is",
    "reboot-source": "the source's host loses its power and starts again",
    "reboot-destination": "the destination's host does",
    "disk-full-source": "the source's disk is full: with its records and definitions, at a stock host with its definitions",
    "disk-full-destination": "the destination's is",
    "lane": "the lane is not read any more; the user gives up",
    "return-path": "the way back is cut once the destination has loaded",
    "lock": "an image's lock is held by another for a moment",
}
# What is left out, and why.
LAST_ONLY = ("lane", "return-path", "lock")
RULES = (
    (lambda cell: cell.fault in LAST_ONLY and cell.moment != "last",
     "A lane, its way back and a lock at `cont` belong to the end of the stream: they are tried in the last phase."),
    (lambda cell: cell.fault == "return-path" and cell.mode == "tunnelled", "A tunnel has no way back."),
    (lambda cell: cell.mode == "tunnelled" and cell.moment == "prepare",
     "Until Prepare is answered nothing travels yet: tunnelled is tried as peer-to-peer."),
    (lambda cell: cell.mode == "tunnelled" and cell.fault.startswith("disk-full"), "A full disk does not know how the memory travels: the same."),
)
NOT_HERE = (
    "a step that fails, and a row of a table: a stock daemon has neither, and does not fail on order (make faults)",
    "a message of an older attempt: what is said once more, over any connection, is said between two ferryds (make faults); a stock host says each "
    "thing once, over a connection that ends with its attempt",
)
# From the best to the worst.
CLASSES = {
    "one": "runs on one side, and nothing of it is on the other",
    "one+stray": "runs on one side; on the other stands a paused one that a person must not resume, or its definition",
    "paused": "stands paused on one side, with all its memory",
    "both-paused": "stands paused on both sides",
    "crashed": "shut off, its definition is there",
    "lost": "shut off, and no definition is left",
    "doubled": "runs on both sides",
}
# Where ours may end worse: "PAIR:MODE:MOMENT:FAULT": its letter on the page.
EXCEPTIONS = {
    "from-stock:virsh:there:kill-destination-daemon": "U5",
    "from-stock:virsh:there:kill-client": "U5",
    "from-stock:virsh:there:reboot-source": "U5",
    "from-stock:p2p:there:kill-source-daemon": "U5",
    "from-stock:p2p:there:kill-destination-daemon": "U5",
    "from-stock:p2p:there:reboot-source": "U5",
    "from-stock:tunnelled:there:kill-source-daemon": "U5",
    "from-stock:tunnelled:there:kill-destination-daemon": "U5",
    "from-stock:tunnelled:there:reboot-source": "U5",
    "to-stock:tunnelled:there:reboot-destination": "U8",
    "to-stock:p2p:there:reboot-destination": "U8",      # between stock hosts it goes on with a memory that the other has outrun
}
SAMPLE = ("p2p:there:kill-source-daemon", "virsh:memory:kill-destination-qemu")

THROTTLE = ["rate", "6mbit", "burst", "16kb", "latency", "200ms"]
MOVING_BYTES = 200000
SILENT_S = 0.4          # without a tick: it is stopped
REACH_S = 12
CLIENT_S = 25
ABORT_S = 5             # for a user who has given up
STILL_S = 0.5           # without a byte: all of it is there
RUNS_S = 0.5            # a tick within it: it runs
CALM_S = 1.0            # so long must it stand as it is
LONG_S = SHORT.connection_s + 1.5     # so long where a connection has to be missed first
SETTLE_S = 8.0
CONTROL_TRIES = 4     # more of a cell between stock hosts, where ours has come out worse
PIECE = 8           # cells that a worker takes at once
STOCK_DISK = "/etc/libvirt/qemu"
STOCK_TIMES = "keepalive_interval = 1\nkeepalive_count = 2\n"
WRAPPER = """#!/bin/sh
case " $* " in *" -incoming "*)
    test -e /run/consoles/hold && echo > /run/consoles/hit
    while test -e /run/consoles/hold; do sleep 0.02; done;;
esac
exec /usr/bin/qemu-system-x86_64 "$@"
"""


@dataclass(frozen=True)
class Cell:
    pair: str
    mode: str
    moment: str
    fault: str

    @property
    def id(self):
        return f"{self.pair}:{self.mode}:{self.moment}:{self.fault}"

    @property
    def control(self):
        return Cell(CONTROL, self.mode, self.moment, self.fault)


def all_cells():
    cells = (Cell(*words) for words in itertools.product(PAIRS, MODES, MOMENTS, FAULTS))
    return [cell for cell in cells if not any(rule(cell) for rule, _ in RULES)]


def parse(text):
    return Cell(*text.split(":"))


class Missed(Exception):
    """The course did not come to the moment."""


class StockPlace(Place):
    """Two hosts of which one or both run stock's daemon."""

    def __init__(self, build, kinds, **more):
        super().__init__(build, **more)
        self.kinds = dict(zip(self.hosts, kinds))
        self.have_disks = set()
        self.config = {"emulator_dirs": f"/usr/bin {self.shared}"}

    def __enter__(self):
        super().__enter__()
        for host in self.hosts:
            host.set_hosts({one.address: one.name for one in self.hosts})
        self.wrapper = self.shared / "qemu"
        self.wrapper.write_text(WRAPPER)
        self.wrapper.chmod(0o755)
        return self

    def start(self, host, **more):
        if self.kinds[host] == "ferryd":
            super().start(host, **more)
        else:
            self._give_disk(host)
            host.start_libvirtd(libvirtd_conf=STOCK_TIMES, qemu_conf=STOCK_TIMES)

    def filler(self, host):
        if self.kinds[host] == "ferryd":
            return super().filler(host)
        return pathlib.Path(f"/proc/{host.pid}/root{STOCK_DISK}/filler")

    def restart(self, host):
        if self.kinds[host] == "ferryd":
            super().restart(host)
        elif not host.daemon_pid("libvirtd"):
            host.restart_libvirtd()

    def _give_disk(self, host):
        """A disk of its own, that can be filled, for what a stock host keeps."""
        if host not in self.have_disks:
            host.run(["mkdir", "-p", STOCK_DISK])
            host.run(["mount", "-t", "tmpfs", "-o", f"size={STATE_KIB}k", "tmpfs", STOCK_DISK])
            self.have_disks.add(host)

    def kill_daemon(self, host):
        process, pid = host.daemons[self.kinds[host]], host.daemon_pid(self.kinds[host])
        os.kill(pid, signal.SIGKILL)
        process.wait(20)

    def power_off(self, host):
        super().power_off(host)
        for address in (self.other(host).address, self.other(host).address6):      # a kernel that ends says nothing more either
            host.run(["ss", "-K", "dst", address], check=False)

    # What makes moments long enough

    def throttle(self, host):
        host.run(["tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", *THROTTLE])

    def release(self, host):
        host.run(["tc", "qdisc", "del", "dev", "eth0", "root"], check=False, stderr=subprocess.DEVNULL)

    def count_bytes(self, host, ports):
        host.nft("add table inet lab\nadd chain inet lab input { type filter hook input priority 0; }\n"
                 f"add rule inet lab input tcp dport {ports} counter\n")

    @staticmethod
    def counted(host):
        """(packets, bytes) of the first counter."""
        match = re.search(r"counter packets (\d+) bytes (\d+)", host.run(["nft", "list", "table", "inet", "lab"]).stdout)
        return (int(match.group(1)), int(match.group(2))) if match else (0, 0)

    def cut_lanes(self):
        """Connections to the ports of migrations break."""
        for host in self.hosts:
            for end, other in (("sport", "dport"), ("dport", "sport")):
                host.run(["ss", "-K", "(", end, "ge", f":{PORTS[0]}", "and", end, "le", f":{PORTS[1]}", "and", other, "ne", f":{STOCK_PORT}", ")"],
                         check=False)


class Court:
    """One pair of hosts, used for one cell after the other."""

    def __init__(self, build, patience=1):
        self.build, self.patience = build, patience
        self.place, self.pair, self.number = None, None, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()

    def leave(self):
        if self.place:
            with contextlib.suppress(AssertionError):
                self.place.close()
        self.place = self.pair = None

    def enter(self, pair):
        if self.place and self.pair == pair:
            return
        self.leave()
        place = StockPlace(self.build, PAIRS[pair])
        place.__enter__()
        self.place, self.pair = place, pair

    def try_cell(self, cell):
        began, row = time.monotonic(), {"cell": cell.id, "outcome": "failed", "told": "", "output": ""}
        try:
            self.enter(cell.pair)
            self._play(cell, row)
        except Missed as problem:
            row["outcome"], row["told"] = "missed", str(problem)
        except (TimeoutError, RuntimeError, subprocess.TimeoutExpired, Unavailable) as problem:
            row["told"] = str(problem)
        row["wall_s"] = round(time.monotonic() - began, 2)
        if not self.place or not self._clean():
            self.leave()
        return row

    # ---- playing ----

    def _play(self, cell, row):
        place = self.place
        self.source, self.destination = source, destination = place.hosts
        self.number += 1
        self.image = stamps.create(place.shared / f"g{self.number}.raw") if cell.fault == "lock" else None
        self.guest = Guest(place, name=f"g{self.number}", memory_mib=24, append="set=4 dirty=50" + (" stamp=2" if self.image else ""),
                           emulator=place.wrapper, devices=STAMPED_DISK.format(self.image) if self.image else "")
        with self.guest.ticks(place.hosts) as self.ticks:
            source.virsh("define", self.guest.path())
            source.virsh("start", self.guest.name)
            self.ticks.wait(source.name, more=3)
            self._get_ready(cell)
            argv = ["virsh", *SHORT.virsh, "-c", source.socket_uri, "migrate", "--live", "--persistent", "--undefinesource",
                    *MODES[cell.mode], *(["--unsafe"] if self.image else []), self.guest.name, destination.tcp_uri]
            self.is_cut = False
            with leading(source, argv) as self.client:
                self._reach(cell.moment)
                self._strike(cell.fault)
                self._release()
                try:
                    row["output"] = self.client.communicate(timeout=CLIENT_S * self.patience)[0].strip()
                except subprocess.TimeoutExpired:
                    row["output"] = f"still waits after {CLIENT_S} s"
            for host in place.hosts:
                place.empty(host)
                place.restart(host)
            row["outcome"] = self._observe(LONG_S if cell.fault in ("cut", "blink") or cell.fault.startswith(("stop", "reboot")) else CALM_S)
            row["told"] = self._told()

    def _get_ready(self, cell):
        moment = cell.moment
        if moment == "prepare":
            (self.destination.folder / "run/consoles/hold").touch()
        if moment in ("memory", "last"):
            self.place.throttle(self.source)
            self.place.count_bytes(self.destination, STOCK_PORT if cell.mode == "tunnelled" else f"{PORTS[0]}-{PORTS[1]}")
        if moment == "last":
            self.source.virsh("qemu-monitor-command", self.guest.name, "--hmp", "migrate_set_parameter downtime-limit 600000")
        if moment == "there":
            self.destination.cut_after_finish("out")

    def _reach(self, moment):
        consoles = self.destination.folder / "run/consoles"
        reached = {
            "prepare": (consoles / "hit").exists,
            "memory": lambda: self.place.counted(self.destination)[1] > MOVING_BYTES,
            "last": lambda: self.place.counted(self.destination)[1] > MOVING_BYTES and time.monotonic() - self.ticks.last().at > SILENT_S,
            "there": lambda: self.place.counted(self.destination)[0] > 0 and not self._ticks_at(self.source),    # not that of Finish(cancelled)
        }[moment]
        deadline = time.monotonic() + REACH_S * self.patience
        while not reached():
            if self.client.poll() is not None:
                raise Missed(f"'{moment}' was not reached: {self.client.communicate()[0].strip()}")
            if time.monotonic() > deadline:
                raise Missed(f"'{moment}' was not reached in {REACH_S} s")
            time.sleep(0.01)

    def _ticks_at(self, host):
        return any(tick.host == host.name and time.monotonic() - tick.at < SILENT_S for tick in self.ticks.ticks[-50:])

    def _release(self):
        for name in ("hold", "hit"):
            with contextlib.suppress(FileNotFoundError):
                (self.destination.folder / "run/consoles" / name).unlink()
        self.place.release(self.source)
        self.destination.run(["nft", "delete", "table", "inet", "lab"], check=False)

    def _strike(self, fault):
        place, host = self.place, self.source if "source" in fault else self.destination
        if fault.startswith("kill") and fault.endswith("daemon"):
            place.kill_daemon(host)
            self._release()
            place.restart(host)
        elif fault.startswith("kill") and fault.endswith("qemu"):
            self._kill_qemu(host)
        elif fault == "kill-client":
            strike(self.client, signal.SIGKILL)
        elif fault == "ctrl-c":
            self._give_up()
        elif fault.startswith("disk-full"):
            place.fill(host)
        elif fault == "lane":
            self._stop_reading()
        elif fault == "return-path":
            self._cut_the_way_back()
        elif fault == "lock":
            with held(self.image):
                self._release()
                time.sleep(LOCK_S)
        elif fault == "cut":
            place.cut(self.destination)
            self.is_cut = True
        elif fault == "blink":
            place.blink(self.destination)
            self._release()
            time.sleep(BLINK_S)
            place.mend(self.destination)
        elif fault.startswith("stop"):
            pid, process = host.daemon_pid(place.kinds[host]), host.daemons[place.kinds[host]]
            os.kill(pid, signal.SIGSTOP)
            self._release()
            time.sleep(place.times.connection_s)
            os.kill(pid, signal.SIGCONT)
            os.kill(process.pid, signal.SIGCONT)        # nsenter stops with its child
        else:
            place.power_off(host)
            self._release()
            place.power_on(host)

    def _give_up(self):
        """Ctrl-C.  Without a terminal virsh does not read it: what it would send is sent beside it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.source.virsh("domjobabort", self.guest.name, check=False, timeout_s=3)

    def _stop_reading(self):
        pids = self._qemus(self.destination)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            self._give_up()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.client.wait(ABORT_S)
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _cut_the_way_back(self):
        """Nothing that the destination says on the migration's ports arrives, until it has loaded; then they break."""
        place, destination = self.place, self.destination
        self.source.nft("add table inet way\nadd chain inet way in { type filter hook input priority 0; }\n"
                        f"add rule inet way in ip saddr {destination.address} tcp sport {PORTS[0]}-{PORTS[1]} tcp flags & psh != 0 drop\n")
        place.release(self.source)
        last, since = place.counted(destination), time.monotonic()
        deadline = since + REACH_S * self.patience
        while time.monotonic() - since < STILL_S:
            found, now = place.counted(destination), time.monotonic()
            if now > deadline:
                raise Missed("the lane does not come to rest")
            if found != last:
                last, since = found, now
            time.sleep(0.02)
        place.cut_lanes()
        place.mend(self.source)

    def _kill_qemu(self, host):
        """Also one that is about to be: what was held before it."""
        for pid, words in host.processes():
            if any(f"guest={self.guest.name}," in word for word in words):
                os.kill(pid, signal.SIGKILL)

    # ---- judging ----

    def _qemus(self, host):
        return [pid for pid, words in host.qemus() if any(word.startswith(f"guest={self.guest.name},") for word in words)]

    def _class(self):
        now, hosts = time.monotonic(), self.place.hosts
        alive = [host for host in hosts if self._qemus(host)]
        running = {tick.host for tick in self.ticks.ticks[-200:] if now - tick.at < RUNS_S}
        runs = [host for host in alive if host.name in running]
        if len(runs) == 2:
            return "doubled"
        known = [host for host in hosts
                 if self.guest.name in host.virsh("list", "--all", "--name", check=False).stdout.split()]
        if runs:
            return "one" if alive == runs and known == runs else "one+stray"
        if alive:
            return "paused" if len(alive) == 1 else "both-paused"
        return "crashed" if known else "lost"

    def _observe(self, calm_s):
        """As it is once nothing has changed for a while."""
        began = since = time.monotonic()
        last = None
        while True:
            found, now = self._class(), time.monotonic()
            if found != last:
                last, since = found, now
            is_long = now - began > calm_s * self.patience
            if is_long and now - since > CALM_S and (found == "one" or now - began > SETTLE_S * self.patience):
                return found
            if now - began > 2 * SETTLE_S * self.patience:
                return found
            time.sleep(0.1)

    def _told(self):
        return "; ".join(f"{host.name}: {host.virsh('domstate', '--reason', self.guest.name, check=False).stdout.strip() or 'not known'}"
                         for host in self.place.hosts)

    # ---- and then ----

    def _clean(self):
        """Whether the next cell may have these hosts."""
        place = self.place
        try:
            self._release()
            for host in place.hosts:
                place.mend(host)
                place.restart(host)
                host.virsh("destroy", self.guest.name, check=False, timeout_s=5)
                host.virsh("undefine", self.guest.name, check=False, timeout_s=5)
            for host in place.hosts:
                if host.qemus() or host.virsh("list", "--all", "--name", timeout_s=5).stdout.split() or host.listening(*PORTS):
                    return False
        except (subprocess.TimeoutExpired, RuntimeError, TimeoutError, AttributeError):
            return False
        return True


# ---- workers ----

def work(pieces, results, build, patience):
    with Court(build, patience) as court:
        for piece in pieces:
            for name in piece:
                results.put(court.try_cell(parse(name)))


def in_pieces(names):
    """Of one pair each, so that hosts are used again."""
    own = {pair: [name for name in names if parse(name).pair == pair] for pair in PAIRS}
    return [piece for found in own.values() for piece in trials.blocks(found, PIECE)]


# ---- what came of it ----

def rank(outcome):
    return list(CLASSES).index(outcome)


def verdicts(rows):
    """[(cell, what is wrong)]; rows: {id: row}."""
    wrong = []
    for row in rows.values():
        cell = parse(row["cell"])
        if row["outcome"] not in CLASSES:
            wrong.append((cell, f"{row['outcome']}: {row['told']}"))
            continue
        control = rows.get(cell.control.id)
        if cell.pair == CONTROL or not control or control["outcome"] not in CLASSES:
            continue
        if rank(row["outcome"]) > rank(control["outcome"]) and cell.id not in EXCEPTIONS:
            wrong.append((cell, f"{row['outcome']}, between stock hosts {control['outcome']}: {row['told']}"))
    return wrong


def worst(one, other):
    return max(one, other, key=lambda row: rank(row["outcome"]) if row["outcome"] in CLASSES else -1)


def with_worst_controls(rows, try_again):
    """A stock host may toss a coin between two ends; what it does at its worst is the measure.  try_again: {id: row} of some cells."""
    for _ in range(CONTROL_TRIES):
        wanted = {cell.control.id for cell, _ in verdicts(rows) if rows[cell.id]["outcome"] in CLASSES and cell.control.id in rows}
        if not wanted:
            break
        rows = rows | {name: worst(rows[name], row) for name, row in try_again(wanted).items()}
    return rows


def print_rules(say=print):
    every = [Cell(*words) for words in itertools.product(PAIRS, MODES, MOMENTS, FAULTS)]
    for rule, text in RULES:
        say(f"{sum(map(rule, every)):5} {text}")
    for text in NOT_HERE:
        say(f"      not here: {text}")


def print_table(rows, say=print):
    say("\n" + "\n".join(f"{name:12} {text}" for name, text in CLASSES.items()) + "\n")
    say(f"{'':45}" + "".join(f"{pair:20}" for pair in PAIRS))
    for mode, moment, fault in itertools.product(MODES, MOMENTS, FAULTS):
        found = {pair: rows.get(Cell(pair, mode, moment, fault).id) for pair in PAIRS}
        if any(found.values()):
            texts = [f"{row['outcome']} {EXCEPTIONS.get(row['cell'], '')}" if row else "" for row in found.values()]
            say(f"{mode:9} {moment:8} {fault:26} " + "".join(f"{text:20}" for text in texts))


def line(row):
    return f"{row['cell']}: {row['outcome']}, {row['wall_s']:.1f} s ({row['told'].strip()})"


def main():
    parser = trials.cell_options("Tries with a stock host on one side what may happen, beside two stock hosts.", "build-faults", 3)
    parser.add_argument("--no-make", action="store_true", help="take the programs as they are")
    parser.add_argument("--patience", type=float, default=1, help="how many times longer than usual things may take")
    arguments = parser.parse_args()
    build = (TOP / arguments.build).resolve()
    chosen = [cell.id for cell in trials.chosen(all_cells(), arguments.only)]
    if arguments.sample:
        chosen = [name for name in chosen if name.split(":", 1)[1] in SAMPLE]
    if arguments.list:
        print("\n".join(chosen))
        return 0
    try:
        require("qemu-system-x86_64", "virsh", "libvirtd", "virtlogd", "nft", "ss", "tc")
        if not arguments.no_make:
            from faults.run import make     # brings the live tests with it
            make(build)
    except (Unavailable, OSError) as problem:
        print(f"faults-stock: {problem}", file=sys.stderr)
        return 1
    os.environ["FERRY_BUILD"] = str(build)
    record = trials.Record(arguments.record or build / "faults-stock.jsonl", trials.fingerprint(build, TESTS / "faults/places.py"),
                           is_fresh=arguments.fresh)
    redo = {cell.id for cell, _ in verdicts(record.rows_of(chosen))} if arguments.again else set()
    redo |= {parse(name).control.id for name in redo}
    rows = record.rows_of(chosen) if arguments.show else \
        trials.try_all(chosen, redo, record, arguments.jobs, work, in_pieces, line, build, arguments.patience)
    if not arguments.show:
        rows = with_worst_controls(rows, lambda names: trials.try_all(sorted(names), names, record, arguments.jobs, work, in_pieces, line, build,
                                                                       arguments.patience))
    wrong = verdicts(rows)
    print_rules()
    print_table(rows)
    for cell, text in wrong:
        print(f"\nFAILED {cell.id}: {text}\n  {rows[cell.id]['output']}")
    missing = len(chosen) - len(rows)
    better = [name for name, row in rows.items() if row["outcome"] in CLASSES and parse(name).control.id in rows and
              rank(row["outcome"]) < rank(rows[parse(name).control.id]["outcome"])]
    print(f"\n{len(rows)} cells{f', {missing} not run' if missing else ''}: {len(wrong)} not as they must be, {len(better)} better than between "
          f"stock hosts, {sum(name in EXCEPTIONS for name in rows)} may be worse")
    return 1 if wrong or missing else 0


if __name__ == "__main__":
    sys.exit(main())
