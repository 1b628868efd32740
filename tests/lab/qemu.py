# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bare QEMU, driven over QMP with nothing in between: what every number is compared with."""
import array
import json
import pathlib
import select
import socket
import subprocess
import time

BINARY = "qemu-system-x86_64"


class QmpError(Exception):
    pass


class Qmp:
    """One monitor connection.  Counts its commands; keeps every event with its arrival."""

    def __init__(self, path, timeout_s=30):
        deadline = time.monotonic() + timeout_s
        while True:
            self.sock = socket.socket(socket.AF_UNIX)
            try:
                self.sock.connect(str(path))
                break
            except OSError:
                self.sock.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.001)
        self.rest, self.events, self.commands, self.timeout_s = b"", [], 0, timeout_s
        self._read(deadline)
        self("qmp_capabilities")

    def _read(self, deadline):
        while b"\n" not in self.rest:
            if not select.select([self.sock], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError("QEMU's monitor is silent")
            data = self.sock.recv(65536)
            if not data:
                raise QmpError("QEMU has closed its monitor")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        message = json.loads(line)
        if "event" in message:
            self.events.append((time.monotonic(), message))
        return message

    def __call__(self, command, fd=None, **arguments):
        text = {"execute": command}
        if arguments:
            text["arguments"] = {key.replace("_", "-"): value for key, value in arguments.items()}
        data = json.dumps(text).encode() + b"\n"
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd is not None else []
        self.sock.sendmsg([data], ancillary)
        self.commands += 1
        return self.wait_reply(command)

    def wait_reply(self, command="a command"):
        deadline = time.monotonic() + self.timeout_s
        while True:
            message = self._read(deadline)
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise QmpError(f"{command}: {message['error']['desc']}")

    def wait_event(self, name, timeout_s=60, **data):
        """Waits for an event with these data; returns (arrival, message).  Events already seen are taken first."""
        deadline = time.monotonic() + timeout_s
        while True:
            for index, (at, message) in enumerate(self.events):
                if message["event"] == name and data.items() <= message.get("data", {}).items():
                    del self.events[: index + 1]
                    return at, message
            self._read(deadline)

    def close(self):
        self.sock.close()


class Qemu:
    """A QEMU with a monitor and a serial console on unix sockets below `folder`."""

    def __init__(self, folder, *arguments, memory_mib=64, kernel=None, append="", incoming=False, machine="q35", popen=subprocess.Popen):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.serial = self.folder / "serial.sock"
        self.monitor = self.folder / "monitor.sock"
        argv = [BINARY, "-nodefaults", "-no-user-config", "-display", "none", "-machine", f"{machine},accel=tcg,usb=off",
                "-cpu", "qemu64", "-m", str(memory_mib), "-S",
                "-qmp", f"unix:{self.monitor},server=on,wait=off", "-serial", f"unix:{self.serial},server=on,wait=off"]
        if kernel:
            argv += ["-kernel", str(kernel), "-append", append]
        if incoming:
            argv += ["-incoming", "defer"]
        self.process = popen(argv + list(arguments), stdin=subprocess.DEVNULL)
        try:
            self.qmp = Qmp(self.monitor)
        except BaseException:
            self.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        if hasattr(self, "qmp"):
            self.qmp.close()
        self.process.kill()
        self.process.wait()


def migrate(source, destination, host="127.0.0.1", return_path=True):
    """The least that a migration over TCP needs, by descriptor as Ferry does it.  Returns a dict of times.

    before: from the first command to `migrate`; qemu: from there to *completed*; after: until the
    guest runs at the destination.
    """
    began = time.monotonic()
    commands = source.qmp.commands + destination.qmp.commands
    capabilities = [{"capability": "events", "state": True}, {"capability": "return-path", "state": return_path},
                    {"capability": "late-block-activate", "state": True}]
    destination.qmp("migrate-set-capabilities", capabilities=capabilities)
    listener = socket.create_server((host, 0))
    lane = socket.create_connection(listener.getsockname())
    far, _ = listener.accept()
    listener.close()
    for end in (lane, far):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    destination.qmp("getfd", fd=far.fileno(), fdname="lane")
    destination.qmp("migrate-incoming", uri="fd:lane")
    source.qmp("migrate-set-capabilities", capabilities=capabilities)
    source.qmp("migrate-set-parameters", max_bandwidth=2**63 - 2**20)
    source.qmp("getfd", fd=lane.fileno(), fdname="lane")
    started = time.monotonic()
    source.qmp("migrate", uri="fd:lane")
    lane.close()
    far.close()
    while True:
        _, message = source.qmp.wait_event("MIGRATION")
        if message["data"]["status"] == "failed":
            raise QmpError(f"migration failed: {source.qmp('query-migrate').get('error-desc')}")
        if message["data"]["status"] == "completed":
            break
    completed = time.monotonic()
    destination.qmp.wait_event("MIGRATION", status="completed")
    destination.qmp("cont")
    resumed = time.monotonic()
    info = source.qmp("query-migrate")
    return {"before_ms": (started - began) * 1000, "qemu_ms": (completed - started) * 1000, "after_ms": (resumed - completed) * 1000,
            "total_ms": (resumed - began) * 1000, "downtime_ms": info["downtime"], "bytes": info["ram"]["transferred"],
            "commands": source.qmp.commands + destination.qmp.commands - commands - 1}
