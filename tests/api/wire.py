# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client made by hand, for what the real ones never send.  Numbers come from protocol/*.tsv."""
import array
import collections
import contextlib
import os
import pathlib
import socket
import struct
import time

PROTOCOL = pathlib.Path(__file__).resolve().parents[2] / "protocol"
REMOTE, QEMU, KEEPALIVE = 0x20008086, 0x20008087, 0x6B656570
CALL, REPLY, MESSAGE, STREAM, CALL_WITH_FDS, REPLY_WITH_FDS, STREAM_HOLE = range(7)
OK, ERROR, CONTINUE = range(3)
HEADER = struct.Struct(">IIIiIII")
Row = collections.namedtuple("Row", "number name kind ro args ret")
Frame = collections.namedtuple("Frame", "program version procedure type serial status body")
Problem = collections.namedtuple("Problem", "code domain message level")


def rows(program):
    found = []
    for line in (PROTOCOL / f"{program}.tsv").read_text().splitlines():
        if line and not line.startswith("#"):
            number, name, kind, _prio, _stream, _fds, ro, args, ret = line.split("\t")[:9]
            found.append(Row(int(number), name, kind, ro, args, ret))
    return found


PROCEDURES = {row.name: row for row in rows("remote")}
LAST = max(row.number for row in PROCEDURES.values())


def number(name):
    return PROCEDURES[name].number


# Bodies

def u32(value):
    return struct.pack(">I", value & 0xFFFFFFFF)


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return u32(len(value)) + value + bytes(-len(value) % 4)


def maybe(value):
    return u32(0) if value is None else u32(1) + value


def domain(name="x", uuid=bytes(16), ident=-1):
    return text(name) + uuid + u32(ident)


def frame(procedure, body=b"", serial=0, program=REMOTE, version=1, kind=CALL, status=OK, length=None):
    number_ = number(procedure) if isinstance(procedure, str) else procedure
    return HEADER.pack(28 + len(body) if length is None else length, program, version, number_, kind, serial, status) + body


def problem(body):
    code, dom, present = struct.unpack_from(">iiI", body)
    at, message = 12, None
    if present:
        size = struct.unpack_from(">I", body, at)[0]
        message = body[at + 4:at + 4 + size].decode(errors="replace")
        at += 4 + size + -size % 4
    return Problem(code, dom, message, struct.unpack_from(">i", body, at)[0])


class Closed(Exception):
    """The daemon has closed the connection."""


class Wire:
    def __init__(self, path=None, address=None, opens=True, timeout_s=20):
        self.sock = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.sock.settimeout(timeout_s)
        self.sock.connect(str(path) if path else address)
        self.rest, self.serial = b"", 0
        if opens:
            self.open()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def open(self, name="qemu:///system"):
        assert self.call("auth_list").status == OK
        assert self.call("connect_open", maybe(text(name)) + u32(0)).status == OK

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None

    def send_fd(self, fd):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])

    def _take(self, size):
        while len(self.rest) < size:
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                raise Closed
            self.rest += more
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def receive(self):
        length, *words = HEADER.unpack(self._take(28))
        return Frame(*words, self._take(length - 28))

    def reply(self, serial):
        """The reply to that call; keepalive is answered, events are passed over."""
        while True:
            got = self.receive()
            if got.program == KEEPALIVE and got.procedure == 1:
                self.send(frame(2, program=KEEPALIVE, kind=MESSAGE))
            elif got.type in (REPLY, REPLY_WITH_FDS) and got.serial == serial:
                return got

    def call(self, procedure, body=b"", **more):
        serial = self.serial
        self.serial += 1
        self.send(frame(procedure, body, serial, **more))
        return self.reply(serial)

    def refused(self, procedure, body=b"", **more):
        got = self.call(procedure, body, **more)
        assert got.status == ERROR, f"{procedure}: it was granted"
        return problem(got.body)

    def hostname(self):
        got = self.call("connect_get_hostname")
        assert got.status == OK, problem(got.body)
        size = struct.unpack_from(">I", got.body)[0]
        return got.body[4:4 + size].decode(errors="replace")

    def is_closed(self, within_s=5):
        """True once the daemon has closed; False if it is still open after that time."""
        end = time.monotonic() + within_s
        while True:
            self.sock.settimeout(max(0.01, end - time.monotonic()))
            try:
                if not self.sock.recv(65536):
                    return True
            except ConnectionResetError:
                return True
            except TimeoutError:
                return False


def null_fd():
    return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
