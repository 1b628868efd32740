# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plays one cell between two daemons and says, from outside, how it ended."""
import contextlib
import json
import os
import re
import signal
import subprocess
import time
from dataclasses import asdict, dataclass

import stamps
from faults import cells, ends
from faults.places import BLINK_S, LOCK_S, PORTS, REAL, SHORT, Place, end, held, leading, strike
from faults.replay import OldAttempt
from lab import leases, postcopy
from lab.lab import wait_until
from lab.moves import STAMPED_DISK, Guest
from lab.trials import tried_again_if_harmed

CLIENT_S = 60           # ferry's own patience with a silent link is 35 s, that of the lane between the daemons 30 s
DOUBT_S = 20            # then ferry's user hears that the outcome is not yet known (docs/handover.md, section 10)
REACH_S = 6
NOTICE_S = 0.05         # until a daemon has noticed that a client has died
QEMU_NOTICE_S = 1.0     # that QEMU has, of which it says so
ABORT = "domain_abort_job"
QEMU_ENDED = "has ended by itself"
SETTLE_S = 12
PERSON_S = 3            # after which "outcome unknown" is a question to a person
ABORT_S = 10
START_S = 5             # a host that was off may still wait for the other's answer
SETTLE_TICKS = 3
STAMP_S = 0.5
CRASHED = ("shut off (crashed)",)
REBOOTED = ("shut off (crashed)", "shut off (unknown)")     # as every guest that was shut off when its daemon started
WAITS = r"outcome (unknown|not yet known)|waiting for its answer|granted to"
PASSED = re.compile(r"fault point (\S+)")
WAYS = {"virsh": [], "ferry": [], "p2p": ["--p2p"], "tunnelled": ["--p2p", "--tunnelled"], "leased": [],
        "postcopy": ["--postcopy", "--bandwidth", "2", "--postcopy-bandwidth", "2"]}       # the rest of its memory takes some seconds
PART = "with a part of its memory"
KEPT = "kept here after a migration, and cannot go on yet"
EXPLAINED = "explained"
TORN = ("paused (post-copy failed)", "running (post-copy failed)")


@dataclass
class Result:
    cell: str
    outcome: str = ""       # stayed, moved, crashed, explained; missed, waits, harmed
    is_right: bool = False
    complaint: str = ""
    output: str = ""
    status: int = 0
    wall_s: float = 0.0
    settled_s: float = 0.0
    again: bool = False

    def as_row(self):
        return asdict(self)


class Harm(Exception):
    """Not exactly one whole guest, or something is left."""


class Waits(Harm):
    """The guest waits for a person."""


class Missed(Exception):
    """The course did not come to the point."""


class Witness:
    """One guest, and what can be seen of it from outside.  image: the disk on which it leaves stamps, in sight of all hosts."""

    def __init__(self, place, name, memory_mib=24, append="set=4 dirty=200", devices="", image=None, **more):
        self.place = place
        if image:
            append += " stamp=2"
            devices += STAMPED_DISK.format(image)
        self.guest = Guest(place, name=name, memory_mib=memory_mib, append=append, devices=devices, **more)
        self.ticks = self.guest.ticks(place.hosts).__enter__()
        self.disk = stamps.Disk(image, self.ticks) if image else None
        self.here = self.source = place.hosts[0]
        self.dead_states = CRASHED
        self.patience = place.patience

    def close(self):
        self.ticks.__exit__(None, None, None)

    def begin(self):
        self.here.virsh("define", self.guest.path())
        self.here.virsh("start", self.guest.name)
        self.ticks.wait(self.here.name, more=SETTLE_TICKS)
        if self.disk:
            wait_until(lambda: self.disk.read().generation, "the guest's first stamp", 10)

    def _look_at_disk(self, tick=None):
        return self.disk.complaint(tick, STAMP_S * self.patience) if self.disk else ""

    def _look_at_lease(self, *hosts):
        """It names who runs the guest, and nobody else."""
        named = leases.named(self.place, self.guest.uuid) if self.place.is_leased else [host.number for host in hosts]
        return "" if named == [host.number for host in hosts] else f"the lease names {named}, and not {[host.name for host in hosts]}"

    def qemus(self, host):
        return [pid for pid, words in host.qemus() if any(word.startswith(f"guest={self.guest.name},") for word in words)]

    def wait_for_one(self, since, may_crash):
        crashes = [text for host in self.place.hosts for text in host.crashes()]
        if crashes:
            raise Harm("; ".join(crashes))
        began = time.monotonic()
        while True:
            outcome, complaint = self.look(since, may_crash)
            if outcome:
                return outcome
            waited = time.monotonic() - began
            if waited > SETTLE_S * self.patience or waited > PERSON_S * self.patience and self._asks_a_person():
                break
            time.sleep(0.05)
        told = self.explanations()
        if any(told.values()):
            raise Waits(f"{complaint}; " + "; ".join(f"{host.name}: {text}" for host, text in told.items() if text))
        raise Harm(complaint)

    def look(self, since, may_crash, is_linked=True):
        """(outcome, "") if all is as it must be, else ("", what is not)."""
        qemus = {host: self.qemus(host) for host in self.place.hosts}
        alive = [host for host, found in qemus.items() if found]
        if sum(len(found) for found in qemus.values()) > 1:
            return "", f"QEMUs: {', '.join(f'{len(found)} on {host.name}' for host, found in qemus.items())}"
        if not alive:
            return self._look_for_crashed(may_crash, is_linked)
        here = alive[0]
        there = self.place.other(here)
        seen = len(self.ticks.ticks)
        try:
            self.ticks.wait(here.name, more=SETTLE_TICKS, timeout_s=0.5, begun=seen)
        except TimeoutError:
            return "", f"one QEMU, on {here.name}, and the guest does not tick"
        tick = next(tick.number for tick in self.ticks.ticks[seen:] if tick.host == here.name)
        return self._look_closer(here, there, since, may_crash, is_linked, tick)

    def _look_closer(self, here, there, since, may_crash, is_linked, tick):
        text = here.virsh("dominfo", self.guest.name, check=False).stdout
        state, persistent = (re.search(rf"^{word}: +(.*)$", text, re.M) for word in ("State", "Persistent"))
        if not state or state.group(1) != "running":
            return "", f"{here.name} shows the guest as '{state.group(1) if state else 'unknown'}' while it runs"
        if not persistent or persistent.group(1) != "yes":
            return "", f"{here.name} has the guest, but not its definition"
        listed = there.virsh("list", "--all", "--name", check=False)
        if listed.returncode or self.guest.name in listed.stdout.split():
            return "", f"{there.name} still shows it: {there.virsh('domstate', '--reason', self.guest.name, check=False).stdout.strip()}"
        if is_linked and any(host.listening(*PORTS) for host in self.place.hosts):      # it stays until each knows the other's word
            return "", "a port still listens"
        left = self._left(there)
        if left:
            return "", f"{there.name} keeps {', '.join(left[:3])}"
        strays = self.place.strays()
        if strays:
            return "", f"left behind: {', '.join(strays[:3])}"
        if is_linked:       # a daemon that was restarted may begin it again
            moving = [line for line in here.ferry("migration", "list", check=False).stdout.splitlines() if self.guest.name in line]
            if moving:
                return "", f"{here.name} is at moving it: {moving[0].strip()}"
        boots = self.ticks.boots(since)
        twice = self.ticks.ran_twice(since)
        if twice:
            raise Harm(twice)
        if boots and not may_crash:
            return "", f"the guest was started anew on {here.name}"
        if not boots:
            verdict = self.ticks.verdict(since)
            if not verdict.is_sound:
                raise Harm(verdict.complaint())
        complaint = self._look_at_disk(tick) or self._look_at_lease(here)
        if complaint:
            return "", complaint
        self.here = here
        return "anew" if boots else "stayed" if here is self.source else "moved", ""

    def _look_for_crashed(self, may_crash, is_linked):
        states = {host: host.virsh("domstate", "--reason", self.guest.name, check=False).stdout.strip() for host in self.place.hosts}
        shown = "; ".join(f"{host.name}: {state or 'not known'}" for host, state in states.items())
        if not may_crash:
            return "", f"no QEMU is left; {shown}"
        holders = [host for host, state in states.items() if state]
        if len(holders) != 1 or states[holders[0]] not in self.dead_states:
            return "", f"no QEMU is left, and it is not crashed on exactly one side; {shown}"
        if any(self.explanations().values()):
            return "", f"no QEMU is left, and somebody waits; {shown}"
        there = self.place.other(holders[0])
        left = self._left(there) + self.place.strays()
        if left or is_linked and any(host.listening(*PORTS) for host in self.place.hosts):
            return "", f"no QEMU is left, but files or ports are: {', '.join(left[:3])}"
        complaint = self._look_at_disk() or self._look_at_lease()
        if complaint:
            return "", complaint
        self.here = holders[0]
        return "crashed", ""

    def _left(self, host):
        """Files of this guest; with one guest in the place, any that were not there before it."""
        left = self.place.files(host) - self.place.baseline[host]
        mine = [path for path in left if len(self.place.witnesses) == 1 or self.guest.name in path or self.guest.uuid in path]
        return sorted(path.removeprefix(f"{host.folder}/") for path in mine)

    def _asks_a_person(self):
        return any("outcome unknown" in text for text in self.explanations().values())

    def explanations(self):
        """What each host's daemon says of a guest that waits, by state and by a refused verb; "" where it does not wait."""
        told = {}
        for host in self.place.hosts:
            reason = host.ferry("domstate", "--reason", self.guest.name, check=False)
            listed = [line for line in host.ferry("migration", "list", check=False).stdout.splitlines() if self.guest.name in line]
            match = re.search(f".*({WAITS}).*", "\n".join([reason.stdout, reason.stderr, *listed]))
            told[host] = match.group(0).strip() if match else ""
        return told

    def check_explained(self, host, text):
        refused = host.virsh("resume", self.guest.name, check=False)
        if not refused.returncode or not re.search(WAITS, refused.stderr):
            raise Harm(f"{host.name} waits ({text}), but `resume` says: {refused.stdout}{refused.stderr}")
        listed = host.ferry("migration", "list", check=False)
        if self.guest.name not in listed.stdout:
            raise Harm(f"{host.name} waits ({text}), but `migration list` says: {listed.stdout}{listed.stderr}")

    def resolve(self, told, destination):
        """As a person who has looked on both hosts."""
        runs = {host: bool(self.qemus(host)) and host.virsh("domstate", self.guest.name, check=False).stdout.strip() == "running"
                for host in self.place.hosts}
        if runs[destination] or runs[self.source]:
            winner = destination if runs[destination] else self.source
        else:
            winner = self.source if self.qemus(self.source) else destination
        for host in (self.place.other(winner), winner):     # the one that gives up first
            if told[host] and not runs[host]:
                word = "--here" if host is winner else "--there"
                done = host.ferry("migration", "resolve", self.guest.name, word, "--confirm", self.place.other(host).name, check=False)
                if done.returncode:
                    raise Harm(f"{host.name}: resolve {word}: {done.stderr.strip()}")


class Court:
    """A place with its guest, used for one cell after the other; source and destination swap as the guest moves."""

    def __init__(self, build, **more):
        self.build, self.more = build, more
        self.place = self.witness = self.own = None

    guest = property(lambda self: self.witness.guest)
    ticks = property(lambda self: self.witness.ticks)
    here = property(lambda self: self.witness.here)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()

    def leave(self):
        if self.witness:
            self.witness.close()
        if self.place:
            with contextlib.suppress(AssertionError):
                self.place.close()
        self.place = self.witness = None

    def enter(self, mode, times=cells.SHORT):
        own = {"is_postcopy": mode == "postcopy", "is_leased": mode == "leased", "times": REAL if times == cells.REAL else SHORT}
        if self.place and self.own == own:
            return
        self.leave()
        self.own = own
        place = Place(self.build, **own, **self.more)
        place.__enter__()
        try:
            self.image = stamps.create(place.shared / "disk.raw")
            self.witness = Witness(place, "qemu", image=self.image, **({"emulator": postcopy.emulator(place)} if place.is_postcopy else {}))
            place.witnesses.append(self.witness)
            self.witness.begin()
            self.place = place
            self.old = OldAttempt(place, self.witness.guest)
            self.witness.here = place.hosts[1]
            self.ticks.wait(self.here.name, more=SETTLE_TICKS)
        except BaseException:
            self.leave()
            place.close()
            raise

    # ---- playing ----

    def try_cell(self, cell):
        return tried_again_if_harmed(self._try_once, cell)

    def _try_once(self, cell):
        result = Result(cell.id)
        began = time.monotonic()
        try:
            self.enter(cell.mode, cell.times)
            self._play(cell, result)
        except Missed as problem:
            result.outcome, result.complaint = "missed", str(problem)
        except Waits as problem:
            result.outcome, result.complaint = "waits", str(problem)
        except (Harm, TimeoutError, RuntimeError, subprocess.TimeoutExpired) as problem:
            result.outcome, result.complaint = "harmed", str(problem)
        result.wall_s = round(time.monotonic() - began, 2)
        result.is_right = not result.complaint
        if result.complaint:
            self._add_logs(result)
            self.leave()
        return result

    def argv(self, mode, source, destination):
        words = ["migrate", "--live", "--persistent", "--undefinesource", *WAYS[mode], self.guest.name, destination.tcp_uri]
        if mode == "ferry":
            return [self.place.ferry, "-c", source.socket_uri, *words]
        return ["virsh", *self.place.times.virsh, "-c", source.socket_uri, *words]

    def _play(self, cell, result):
        source, destination = self.source, self.destination = self.here, self.place.other(self.here)
        self.witness.source = source
        self.witness.dead_states = REBOOTED if any(fault.startswith(("reboot", "kill-daemons", "kill-other")) for _, _, fault in cell.strikes) else CRASHED
        self.cut_for_good, self.helpers, self.pending = None, contextlib.ExitStack(), {}
        self.mode = cell.mode
        self.offsets = {host: self._log_size(host) for host in self.place.hosts}
        reboots = any(fault.startswith("reboot") for _, _, fault in cell.strikes)
        if reboots:
            source.virsh("autostart", self.guest.name)
        for point, place, fault in cell.strikes:
            host = source if cells.is_at_source(point) else destination
            word = {"fail": "fail", "kill-this": "kill", "kill-here": "kill"}.get(fault, "stall") + ("-after" if place == "after" else "")
            self.pending[self.place.order(host, point, word)] = (host, point, word)
        self.began_at = time.time()
        since = self.ticks.mark()
        with self.helpers, leading(source, self.argv(cell.mode, source, destination)) as self.client:
            for path, (point, place, fault) in zip(list(self.pending), cell.strikes):
                host = self.pending[path][0]
                self._reach(host, path, point)
                self._strike(host, path, fault)
            patience_s = DOUBT_S + REACH_S * self.place.patience if self._leads_into_silence() else CLIENT_S
            try:
                result.output, _ = self.client.communicate(timeout=patience_s)
            except subprocess.TimeoutExpired:
                raise Harm(f"the client still waits after {patience_s:.0f} s") from None
            result.status = self.client.returncode
            if self._leads_into_silence() and not re.search(WAITS, result.output):
                raise Harm(f"nobody can know how it has ended, but the client says: {result.output.strip()}")
        self._restore()
        began = time.monotonic()
        result.outcome = self._settle(cell, since)
        result.settled_s = round(time.monotonic() - began, 2)
        self._check_what_is_over(self.began_at)
        if cell.fault == "replay" and cell.course == "plain" and result.outcome != "moved":
            raise Harm(f"an older attempt's message has ended this one: {result.output.strip()}")
        for host in self.place.hosts:
            self.place.no_orders(host)
        if reboots:
            self.here.virsh("autostart", "--disable", self.guest.name, check=False)
        self._move_on()

    def _leads_into_silence(self):
        """By a client whose daemons settle it; the link is cut after the source's last word only (cells.merge_ferry_cut)."""
        return self.mode == "ferry" and self.cut_for_good

    def _reach(self, host, path, point):
        hit = path.with_name(path.name + ".hit")
        deadline = time.monotonic() + REACH_S * self.place.patience
        ended = None
        while not hit.exists():
            now = time.monotonic()
            if self.client.poll() is not None:
                ended = ended or now
            if now > deadline or ended and now > ended + REACH_S / 2:
                said = self.client.communicate()[0].strip() if ended else "waits"
                raise Missed(f"'{point}' was not reached on {host.name}; the client: {said}")
            time.sleep(0.005)

    def _release(self, path):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ".hit").unlink()

    def _strike(self, host, path, fault):
        place, other = self.place, self.place.other(host)
        if fault in ("kill-this", "kill-here"):
            wait_until(lambda: not host.daemon_pid("ferryd"), f"the end of the daemon on {host.name}", 5)
            if fault == "kill-here":
                self._kill_qemu(host)
            place.restart(host)
        elif fault == "kill-daemons":
            for one in place.hosts:
                one.kill_daemon()
            self._release(path)
            for one in place.hosts:
                place.restart(one)
        elif fault == "kill-other":
            other.kill_daemon()
            self._release(path)
            place.restart(other)
        elif fault == "kill-qemus":
            for one in (self.destination, self.source):     # the other way round it may say LOADED in between
                self._kill_qemu(one)
        elif fault in ("kill-source", "kill-destination"):
            self._kill_qemu(self.source if fault == "kill-source" else self.destination)
        elif fault == "stop":
            pid = host.daemon_pid("ferryd")
            os.kill(pid, signal.SIGSTOP)
            self._release(path)
            time.sleep(place.times.connection_s)
            os.kill(pid, signal.SIGCONT)
            os.kill(host.daemons["ferryd"].pid, signal.SIGCONT)     # nsenter stops with its child
        elif fault == "cut":
            place.cut(self.destination)
            self.cut_for_good = self.destination
        elif fault == "blink":
            place.blink(self.destination)
            self._release(path)
            time.sleep(BLINK_S)
            place.mend(self.destination)
        elif fault == "return-path":
            self._cut_the_way_back(path)
        elif fault == "lane":
            self._stop_reading(path)
        elif fault == "break-abort":
            before = self._log_size(self.source)
            place.blink(self.destination)
            wait_until(lambda: '"postcopy-paused"' in self._log(self.source, before), "the broken stream", 5)
            self._give_up()
            self._release(path)
            time.sleep(BLINK_S)
            place.mend(self.destination)
        elif fault == "switch":
            self.source.virsh("migrate-postcopy", self.guest.name)
        elif fault in ("client", "ctrl-c"):
            self._end_client(fault)
        elif fault == "slow-disk":
            place.slow_down(host)
        elif fault == "disk-full":
            place.fill(host)
        elif fault == "lock":
            self.helpers.enter_context(held(self.image))
            self._release(path)
            time.sleep(LOCK_S)
            self.helpers.close()
        elif fault == "replay":
            self.old.say_again()
        elif fault in ("reboot-this", "reboot-other"):
            self._reboot(host if fault == "reboot-this" else other, path)
        self._release(path)

    def _end_client(self, fault):
        if fault == "client":
            strike(self.client, signal.SIGKILL)
            time.sleep(NOTICE_S)
            return
        self._give_up()

    def _give_up(self):
        """Ctrl-C.  Without a terminal virsh does not read it: what it would send is sent beside it."""
        before = self._log_size(self.source)
        if self.mode == "ferry":
            strike(self.client, signal.SIGINT)
        else:
            process = self.source.popen(["virsh", "-c", self.source.socket_uri, "domjobabort", self.guest.name],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.helpers.callback(end, process, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: self.client.poll() is not None or ABORT in self._log(self.source, before), "the abort", 1.5)

    def _kill_qemu(self, host):
        before = self._log_size(host)
        for pid, _ in host.qemus():
            with contextlib.suppress(ProcessLookupError):       # it may just be ended
                os.kill(pid, signal.SIGKILL)
        if host.daemon_pid("ferryd"):
            with contextlib.suppress(TimeoutError):     # of one that stands still
                wait_until(lambda: QEMU_ENDED in self._log(host, before), "the daemon has noticed", QEMU_NOTICE_S)

    def _reboot(self, host, path):
        self.place.power_off(host)
        self._release(path)
        orders = [(point, word) for order, (own, point, word) in self.pending.items()
                  if own is host and order is not path and not order.with_name(order.name + ".hit").exists() and order.exists()]
        self.place.power_on(host, orders)

    def _cut_the_way_back(self, path):
        """Nothing that the destination says on the migration's ports arrives, until it has loaded; then they break."""
        source, destination = self.source, self.destination
        source.nft('add table inet way\nadd chain inet way in { type filter hook input priority 0; }\n'
                   f'add rule inet way in ip saddr {destination.address} tcp sport {PORTS[0]}-{PORTS[1]} tcp flags & psh != 0 drop\n')
        before = self._log_size(destination)
        self._release(path)
        wait_until(lambda: re.search(r'"MIGRATION".*"status": ?"completed"', self._log(destination, before)), "the loaded guest", 10)
        ports = destination.listening(*PORTS) or [PORTS[0]]
        self.place.reset_connections(*ports)
        self.place.mend(source)

    def _stop_reading(self, path):
        """Almost everything is sent in the last phase, and more than fits into buffers."""
        pid = self.destination.qemus()[0][0]
        before = self._log_size(self.source)
        self._set_downtime(self.source, 600000)
        self.source.virsh("migrate-setspeed", self.guest.name, "1")
        os.kill(pid, signal.SIGSTOP)
        self._release(path)
        wait_until(lambda: '"STOP"' in self._log(self.source, before), "the last phase", 10)
        time.sleep(NOTICE_S)
        self._give_up()
        try:
            self.client.wait(ABORT_S)
        except subprocess.TimeoutExpired:
            raise Harm(f"the user has given up {ABORT_S} s ago, and the client still waits for a lane that is not read") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        with contextlib.suppress(RuntimeError):     # it has gone, or has a QEMU of its own elsewhere
            self._set_downtime(self.source, 300)
            self.source.virsh("migrate-setspeed", self.guest.name, "0")

    def _set_downtime(self, host, milliseconds):
        host.virsh("qemu-monitor-command", self.guest.name, "--hmp", f"migrate_set_parameter downtime-limit {milliseconds}")

    def _restore(self):
        """Daemons are started again by whoever watches over them; whatever stood in the way has gone."""
        for host in self.place.hosts:
            for path, (own, _, _) in self.pending.items():
                if own is host:
                    self._release(path)
            self.place.empty(host)
            self.place.speed_up(host)
            self.place.restart(host)
            if host is not self.cut_for_good:
                self.place.mend(host)

    # ---- judging ----

    def _settle(self, cell, since):
        may_end = ends.may_end(cell)
        may_crash = ends.CRASHED in may_end
        outcome = self._settle_without_link(cell, since, may_crash) if self.cut_for_good else self.witness.wait_for_one(since, may_crash)
        if outcome not in may_end and not (outcome == EXPLAINED and self.cut_for_good):
            raise Harm(f"it has ended as '{outcome}', and may only as {', '.join(sorted(may_end))}")
        return outcome

    def _settle_without_link(self, cell, since, may_crash):
        """Either it has settled as far as it can without the other side, or it explains itself and a person resolves it."""
        deadline = time.monotonic() + SETTLE_S * self.place.patience
        told = {}
        while time.monotonic() < deadline:
            told = self.witness.explanations()
            if any(told.values()):
                break
            if cell.mode == "postcopy" and self._is_torn():
                return self._give_up_halves(since)
            if cell.mode == "postcopy" and self._is_kept_from_its_images():
                return self._end_the_other_half(since)
            outcome, complaint = self.witness.look(since, may_crash, is_linked=False)
            if outcome:
                self.place.mend(self.cut_for_good)
                self.witness.wait_for_one(since, may_crash)
                return outcome
            time.sleep(0.1)
        if not any(told.values()):
            raise Harm(f"the link has gone, and nobody explains: {complaint}")
        for host, text in told.items():
            if text:
                self.witness.check_explained(host, text)
        if PART in told[self.source]:
            if told[self.destination] and PART not in told[self.destination]:
                raise Harm(f"half of the guest is on each side, but {self.destination.name} says: {told[self.destination]}")
            return self._give_up_halves(since)
        self.witness.resolve(told, self.destination)
        self.place.mend(self.cut_for_good)
        self.witness.wait_for_one(since, may_crash)
        return EXPLAINED

    def _is_torn(self):
        return tuple(host.virsh("domstate", "--reason", self.guest.name, check=False).stdout.strip()
                     for host in (self.source, self.destination)) == TORN

    def _is_kept_from_its_images(self):
        """By the other half, which a silent link keeps from hearing that nobody needs it any more."""
        return KEPT in self.source.ferry("domstate", "--reason", self.guest.name, check=False).stdout

    def _end_the_other_half(self, since):
        """A person who cannot wait for the link."""
        refused = self.source.virsh("resume", self.guest.name, check=False)
        if not refused.returncode or "lock" not in refused.stderr:
            raise Harm(f"its images are locked, but `resume` says: {refused.stdout}{refused.stderr}")
        self.destination.virsh("destroy", self.guest.name, check=False)
        wait_until(lambda: self.source.virsh("domstate", self.guest.name).stdout.strip() == "running", "the guest that has its images again", SETTLE_S)
        self.place.mend(self.cut_for_good)
        if self.witness.wait_for_one(since, False) != "stayed":
            raise Harm("kept, and not here")
        return EXPLAINED

    def _give_up_halves(self, since):
        """A person knows that the link will never be back."""
        here, crashed = (self.source.ferry("migration", "resolve", self.guest.name, word, "--confirm", self.destination.name, check=False)
                         for word in ("--here", "--crashed"))
        if not here.returncode or "a part on" not in here.stderr:
            raise Harm(f"half of the guest is on each side, but resolve --here says: {here.stdout}{here.stderr}")
        if crashed.returncode:
            raise Harm(f"resolve --crashed: {crashed.stderr.strip()}")
        self.place.mend(self.cut_for_good)
        if self.witness.wait_for_one(since, True) != "crashed":
            raise Harm("given up, and not crashed")
        return EXPLAINED

    def _check_what_is_over(self, since):
        """Nobody listens for an attempt any more that both sides call over: its word must not go with the power."""
        for host in self.place.hosts:
            state = self.place.state(host)
            for path in state.glob("*.json"):
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < since or not json.loads(path.read_text()).get("is_over"):
                        continue
                    durable = host.folder / "durable" / f"{path.stem}.owner"
                    if not durable.exists() or durable.read_bytes() != path.with_suffix(".owner").read_bytes():
                        raise Harm(f"{host.name}: attempt {path.stem} is over, and its last word is not durable")

    # ---- and then ----

    def _move_on(self):
        """The next ordinary migration works, whatever has been."""
        here, there = self.here, self.place.other(self.here)
        if not here.qemus():
            wait_until(lambda: here.qemus() or not here.virsh("start", self.guest.name, check=False).returncode,     # or its autostart
                       "a start of the crashed guest", START_S)
        self.ticks.wait(here.name, more=SETTLE_TICKS)       # its autostart may have been at it since it was seen crashed
        since = self.ticks.mark()
        done = here.run(self.argv("virsh", here, there), check=False, timeout_s=CLIENT_S)
        if done.returncode:
            raise Harm(f"the next migration fails with {done.returncode}: {' '.join((done.stdout + done.stderr).split())}")
        deadline = time.monotonic() + 3
        while True:
            outcome, complaint = self.witness.look(since, False)
            if outcome:
                break
            if time.monotonic() > deadline:
                raise Harm(f"after the next migration: {complaint}")
            time.sleep(0.02)
        if self.here is not there:
            raise Harm("after the next migration the guest is where it was")

    # ---- the survey ----

    def survey(self, mode, course):
        """The points that a course passes, in the order of the hosts' logs."""
        first = cells.COURSES[course] or (cells.SWITCH if mode == "postcopy" else None)
        self.enter(mode)
        before = {host: self._log_size(host) for host in self.place.hosts}
        source, destination = self.here, self.place.other(self.here)
        if first:
            result = self.try_for_survey(cells.Cell(mode, cells.COURSE_OF.get(course, "plain"), *first))
        else:
            result = Result("plain")
            done = source.run(self.argv(mode, source, destination), check=False, timeout_s=CLIENT_S)
            if done.returncode:
                raise RuntimeError(done.stdout + done.stderr)
            wait_until(lambda: not source.qemus(), "the end of the source's QEMU", 5)
            self.witness.here = destination
        passed = [PASSED.findall(self._log(host, before[host])) for host in (source, destination)]
        if result.complaint or not self.here.qemus():
            self.leave()
        return [list(dict.fromkeys(own)) for own in passed]

    def try_for_survey(self, cell):
        """Without the migration that follows, whose points would count too."""
        move_on, self._move_on = self._move_on, lambda: None
        result = Result(cell.id)
        try:
            self._play(cell, result)
        except (Harm, Missed, TimeoutError, RuntimeError, subprocess.TimeoutExpired) as problem:
            result.complaint = str(problem)
        finally:
            self._move_on = move_on
        return result

    # ---- logs ----

    @staticmethod
    def _log_size(host):
        path = host.folder / "ferryd.out"
        return path.stat().st_size if path.exists() else 0

    @staticmethod
    def _log(host, since):
        with open(host.folder / "ferryd.out", "rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")

    def _add_logs(self, result):
        """The last warnings and errors of both daemons: what harm leaves is gone with its lab."""
        for host in self.place.hosts if self.place else ():
            lines = [line for line in self._log(host, self.offsets.get(host, 0)).splitlines()
                     if re.search(r"warning|error|migration of domain|fault injected|is ready|outcome", line) and not re.search("fault point|debug client", line)]
            result.output += "".join(f"\n  {host.name}: {line[:240]}" for line in lines[-8:])


__all__ = ["Court", "Harm", "Result"]
