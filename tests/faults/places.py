# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two hosts for the fault cells: daemons that fail on order, and the harm that comes from outside."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import uuid
from dataclasses import dataclass

from lab import leases, postcopy
from lab.lab import Lab, end, strike, wait_until



@dataclass(frozen=True)
class Times:
    config: dict            # of the daemons
    virsh: tuple
    connection_s: float     # longer than a silent connection lives


# Short, so that what waits for a connection's end does not wait long.
SHORT = Times({"keepalive_interval": 1, "keepalive_count": 2, "incoming_timeout": 5}, ("-k", "1", "-K", "2"), 3.5)
REAL = Times({}, (), 40)    # the defaults of ferryd.conf and of virsh
BLINK_S = 0.3
LOCK_S = 1.0
STATE_KIB = 16384       # a thousand migrations of history, and more
PORTS = (49152, 49215)
STATE = "var/lib/ferry"
MAY_STAY = re.compile(r"migrations/[^/]+\.(json|owner)|domains/[^/]+\.attempt|emulators/.*|peers|filler")
STRAY = re.compile(r"\.new$|(^|/)\.ferry-|(^|/)nonces/")


def below(top):
    return {os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names}


class Place(Lab):
    """patience: how many times longer than usual things may take, on a busy machine."""

    def __init__(self, build, times=SHORT, patience=1, is_postcopy=False, is_leased=False, **more):
        super().__init__(hosts=2, build=build, **more)
        self.build, self.times, self.patience = pathlib.Path(build).resolve(), times, patience
        self.is_postcopy, self.is_leased = is_postcopy, is_leased
        self.config = {}
        self.baseline, self.witnesses = {}, []

    def __enter__(self):
        super().__enter__()
        try:
            for host in self.hosts:
                (host.folder / "durable").mkdir()
                self.new_boot(host)
                host.run(["mkdir", "-p", f"/{STATE}"])
                host.run(["mount", "-t", "tmpfs", "-o", f"size={STATE_KIB}k", "tmpfs", f"/{STATE}"])
                self.start(host)
            for host in self.hosts:
                wait_until(lambda one=host: one.virsh("list", check=False).returncode == 0, f"the daemon of {host.name}", 10)
                if self.is_leased:
                    wait_until(lambda one=host: f"is number {one.number} of the lockspace" in one.log(), "the lockspace", 30)
                self.baseline[host] = self.files(host)
        except BaseException:
            self.close()
            raise
        return self

    def start(self, host, **more):
        config = self.times.config | self.config | {"shared_dirs": str(self.shared)}
        shim = self.build / "tests/faults/durable.so"
        if self.is_leased:
            config |= leases.rows(self, host.number)
            if not host.daemon_pid("sanlock"):
                host.start_sanlock()
        environment = {"LD_PRELOAD": str(shim), "FERRY_DURABLE": str(host.folder / "durable")} if shim.exists() else None
        if self.is_postcopy:
            postcopy.start(self, host, environment=environment, **config)
        else:
            host.start_ferryd(config, environment=environment, **more)

    def restart(self, host):
        if host.daemon_pid("ferryd"):
            return
        host.stop_daemon()      # all of it: its last thread holds its lock when the first is a zombie already
        self._start_under_orders(host)

    def _start_under_orders(self, host, **more):
        try:
            self.start(host, **more)
        except RuntimeError as problem:     # an order may end it while it starts: that is the next strike's matter
            if "ended with -9" not in str(problem) and "ended with 137" not in str(problem):
                raise
            host.daemons.pop("ferryd", None)

    def other(self, host):
        return self.hosts[1 - self.hosts.index(host)]

    # Orders

    @staticmethod
    def order(host, point, word):
        path = host.folder / "run/ferry/faults" / point
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(word)
        return path

    @staticmethod
    def no_orders(host):
        shutil.rmtree(host.folder / "run/ferry/faults", ignore_errors=True)

    # What is there

    @staticmethod
    def state(host):
        """The folder of the records of migrations."""
        return pathlib.Path(f"/proc/{host.pid}/root/{STATE}/migrations")

    def journals(self):
        return {path for host in self.hosts for path in self.state(host).glob("*.json")}

    def attempts(self, host, uuid, known):
        """[journal] of that guest's attempts to leave the host, oldest first; known: journals() before them."""
        found = []
        for path in set(self.state(host).glob("*.json")) - known:
            with contextlib.suppress(OSError, ValueError):      # it is being written
                journal = json.loads(path.read_text())
                if journal.get("uuid") == uuid:
                    found.append(journal)
        return sorted(found, key=lambda journal: journal.get("epoch", 0))

    def files(self, host):
        """Below /run/ferry and in the state, what may stay excepted: what is known of migrations, of emulators and of other hosts."""
        found = {path for path in below(host.folder / "run/ferry") if "/faults/" not in path}
        return found | {f"{STATE}/{path}" for path in self._state(host) if not MAY_STAY.fullmatch(path)}

    def _state(self, host):
        """A host's own mount, seen through its first process."""
        top = f"/proc/{host.pid}/root/{STATE}"
        return {os.path.relpath(path, top) for path in below(top)}

    def strays(self):
        """What nobody may leave behind, wherever the guest is: halves of files, and proofs with their notes."""
        found = {f"{host.name}: {path}" for host in self.hosts for path in self._state(host) if STRAY.search(path)}
        return sorted(found | {path for path in below(self.shared) if STRAY.search(path)})

    # Harm

    def cut(self, host):
        host.nft('add table inet cut\n'
                 'add chain inet cut in { type filter hook input priority 0; }\nadd rule inet cut in iifname "eth0" drop\n'
                 'add chain inet cut out { type filter hook output priority 0; }\nadd rule inet cut out oifname "eth0" drop\n')

    def mend(self, host):
        host.run(["nft", "delete", "table", "inet", "cut"], check=False)
        host.run(["nft", "delete", "table", "inet", "way"], check=False)

    def reset_connections(self, *ports):
        for host in self.hosts:
            match = [word for port in ports for word in (["or"] if port != ports[0] else []) + ["sport", "=", f":{port}", "or", "dport", "=", f":{port}"]]
            other = self.other(host)
            for address in (other.address, f"[{other.address6}]", f"[::ffff:{other.address}]"):
                host.run(["ss", "-K", "dst", address, *(["and", "(", *match, ")"] if match else [])], check=False)

    def blink(self, host):
        """Connections end, and none can be made for a moment."""
        self.cut(host)
        self.reset_connections()

    def power_off(self, host):
        """The plug: nobody says goodbye."""
        self.cut(host)
        host.kill_daemon()
        for pid, _ in host.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not host.processes(), f"the end of everything on {host.name}", 5)

    def new_boot(self, host):
        boot = host.folder / "boot_id"
        if not boot.exists():
            boot.touch()
            host.run(["mount", "--bind", boot, "/proc/sys/kernel/random/boot_id"])
        boot.write_text(f"{uuid.uuid4()}\n")

    def power_on(self, host, orders=()):
        """What was not durable has not been written, /run is empty, and autostart is on."""
        for record in self.state(host).glob("*.owner"):
            kept = host.folder / "durable" / record.name
            if not kept.exists():
                record.unlink()
            elif kept.read_bytes() != record.read_bytes():
                record.write_bytes(kept.read_bytes())
        for entry in (host.folder / "run").iterdir():
            if entry.name != "consoles":
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()
        for entry in (host.folder / "run/consoles").iterdir():
            entry.unlink()
        self.speed_up(host)
        self.new_boot(host)
        for point, word in orders:
            self.order(host, point, word)
        held = host.folder / "run/ferry/faults"     # it decides before it serves, and may be told to stand still there
        self._start_under_orders(host, **({} if self.is_postcopy else {"is_held": lambda: any(held.rglob("*.hit"))}))
        self.mend(host)

    @staticmethod
    def slow_down(host):
        """Until there is power again, or the end of the cell."""
        (host.folder / "durable/slow").touch()

    @staticmethod
    def speed_up(host):
        (host.folder / "durable/slow").unlink(missing_ok=True)

    def filler(self, host):
        """In a host's own mount, which nobody else's disk is behind."""
        return pathlib.Path(f"/proc/{host.pid}/root/{STATE}/filler")

    def fill(self, host):
        with contextlib.suppress(OSError), open(self.filler(host), "wb") as out:
            while True:
                out.write(b"\0" * 65536)
                out.flush()

    def empty(self, host):
        with contextlib.suppress(FileNotFoundError):
            self.filler(host).unlink()


@contextlib.contextmanager
def held(image):
    """The image's bytes that QEMU locks, held by another process; it lets go with the block."""
    script = ("import fcntl, os, struct, sys\n"
              "fd = os.open(sys.argv[1], os.O_RDWR)\n"
              "for at in (200, 201, 203):\n"
              "    fcntl.fcntl(fd, 37, struct.pack('hhqqi4x', fcntl.F_RDLCK, 0, at, 1, 0))\n"
              "print('+', flush=True)\nsys.stdin.read()\n")
    process = subprocess.Popen(["/usr/bin/python3", "-I", "-c", script, image], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    try:
        yield
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def leading(host, argv):
    """The client that leads, for as long as the block lasts."""
    client = host.popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield client
    finally:
        if client.poll() is None:
            strike(client, signal.SIGKILL)
            client.wait(5)
        with contextlib.suppress(ValueError):
            client.stdout.close()


__all__ = ["BLINK_S", "LOCK_S", "PORTS", "Place", "REAL", "SHORT", "end", "held", "leading", "strike"]
