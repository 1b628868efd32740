# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every procedure with arguments that decode but make no sense: each is answered, and the daemon lives on."""
import pathlib
import random
import re
import socket
import struct

import pytest

PROTOCOL = pathlib.Path(__file__).resolve().parent.parent.parent / "protocol"
PROGRAMS = {"remote": 0x20008086, "qemu": 0x20008087, "ferry": 0x46657272}
STRINGS = ["", "vm", "/", "a" * 300, "\x01\xff", "%s%n", "<domain type='qemu'><name>s</name></domain>", "qemu:///system", "{}",
           "{\"execute\":\"query-status\"}", "tcp:127.0.0.1:1", "\n"]
NUMBERS = [0, 1, 2, 3, 7, 15, 16, 255, 4096, 2**31 - 1, 2**31, 2**32 - 1]


def tables():
    types, constants = {}, {}
    for line in (PROTOCOL / "types.tsv").read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        kind, name, definition = line.split("\t")[:3]
        types[name] = (kind, definition)
    calls = []
    for program, number in PROGRAMS.items():
        for line in (PROTOCOL / f"{program}.tsv").read_text().splitlines():
            fields = line.split("\t")
            if line.startswith("#") or len(fields) < 9 or fields[2] != "call":
                continue
            calls.append((number, int(fields[0]), fields[1], fields[7]))
    return types, calls


class Maker:
    """Random arguments by the grammar of the tables."""

    def __init__(self, types, seed, uuids):
        self.types, self.random, self.uuids = types, random.Random(seed), uuids

    def text(self):
        raw = self.random.choice(STRINGS).encode("latin1")
        return struct.pack(">I", len(raw)) + raw + b"\0" * (-len(raw) % 4)

    def make(self, kind):
        r = self.random
        kind = kind.removesuffix("!secret")
        if kind.endswith("?"):
            return struct.pack(">I", 0) if r.random() < 0.3 else struct.pack(">I", 1) + self.make(kind[:-1])
        match = re.fullmatch(r"(.+)\[(<=)?(\w+)\]", kind)
        if match:
            inner, bounded, limit = match.group(1), match.group(2), match.group(3)
            count = r.randrange(0, 3) if bounded else int(limit)
            if bounded and limit.isdigit():
                count = min(count, int(limit))
            if inner == "bytes":
                raw = r.randbytes(count)
                return (struct.pack(">I", count) if bounded else b"") + raw + b"\0" * (-len(raw) % 4)
            return (struct.pack(">I", count) if bounded else b"") + b"".join(self.make(inner) for _ in range(count))
        if kind == "str":
            return self.text()
        if kind == "uuid":
            return r.choice(self.uuids)
        if kind in ("int64", "uint64"):
            return struct.pack(">Q", r.choice(NUMBERS + [2**63, 2**64 - 1]))
        if kind == "f64":
            return struct.pack(">d", r.random())
        if kind in ("int32", "uint32", "i8w", "u8w", "u16w"):
            return struct.pack(">I", r.choice(NUMBERS))
        family, definition = self.types[kind]
        if family == "struct":
            return self.fields(definition)
        if family == "enum":
            return struct.pack(">I", r.choice([0, 1, 2, 99]))
        if family == "union":
            arms = re.findall(r"(\d+)=(\S+)", definition)
            number, arm = r.choice(arms)
            return struct.pack(">I", int(number)) + self.make(arm)
        raise AssertionError(f"{kind}: {family}")

    def fields(self, definition):
        if definition == "-":
            return b""
        return b"".join(self.make(field.split(":", 1)[1]) for field in definition.split(", "))


class Wire:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.settimeout(60)
        self.serial = 0
        self.call(0x20008086, 66, b"")
        assert self.call(0x20008086, 1, struct.pack(">III", 1, 0, 0)) == 0

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            assert piece, "the daemon closed the connection"
            data += piece
        return data

    def call(self, program, procedure, body):
        self.serial += 1
        self.socket.sendall(struct.pack(">IIIIIII", 28 + len(body), program, 1, procedure, 0, self.serial, 0) + body)
        while True:
            length, = struct.unpack(">I", self.read(4))
            frame = self.read(length - 4)
            _, _, _, kind, serial, status = struct.unpack(">IIiIII", frame[:24])
            if kind == 1 and serial == self.serial:
                return status


NOT_HERE = {"connect_open", "connect_close", "auth_list", "auth_sasl_init", "auth_sasl_start", "auth_sasl_step", "auth_polkit"}


@pytest.mark.limit(400)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_procedure_is_answered(daemon, seed):
    types, calls = tables()
    daemon.virsh("define", daemon.write(daemon.xml()))
    daemon.virsh("create", daemon.write(daemon.xml("run"), "run.xml"))
    uuids = [bytes.fromhex(daemon.virsh("domuuid", daemon.name(name)).replace("-", "")) for name in ("vm", "run")] + [b"\0" * 16]
    maker = Maker(types, seed, uuids)
    wire = Wire(daemon.socket)
    answered = 0
    for program, number, name, arguments in calls:
        if name in NOT_HERE:
            continue
        for _ in range(3):
            try:
                wire.call(program, number, maker.fields(arguments))
                answered += 1
            except (AssertionError, OSError) as problem:
                assert daemon.process.poll() is None, f"{name} ended the daemon:\n{daemon.log()[-6000:]}"
                last = [line for line in daemon.log().splitlines() if "ended:" in line][-1]
                assert "stream" in last or "keepalive" in last or "descriptor" in last, f"{name}: {problem}; {last}"
                wire = Wire(daemon.socket)
    assert answered > 1000
    assert daemon.virsh("list", "--all")
    assert daemon.stop() == 0
