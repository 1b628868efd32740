# SPDX-License-Identifier: LGPL-2.1-or-later
"""The least of the wire that measuring a daemon needs: calls with hand-packed arguments, replies as bytes.

A client library would measure itself as well; this one stamps the first and the last byte of a reply.
"""
import socket
import struct
import time

PROGRAM = 0x20008086
AUTH_LIST, OPEN, LIST_ALL_DOMAINS, DEFINE_XML, UNDEFINE, LOOKUP_BY_NAME, GET_STATE = 66, 1, 273, 350, 231, 23, 212


def text(value):
    data = value.encode()
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


class Failure(Exception):
    pass


class Client:
    def __init__(self, path, uri="qemu:///system", timeout_s=30):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout_s)
        self.serial = 0
        try:
            self.sock.connect(str(path))
            self.call(AUTH_LIST)
            self.call(OPEN, struct.pack(">I", 1) + text(uri) + struct.pack(">I", 0))
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def call(self, procedure, arguments=b""):
        """Returns the reply's body; self.first_s and self.whole_s say how long it took."""
        self.serial += 1
        frame = struct.pack(">IIIIIII", 28 + len(arguments), PROGRAM, 1, procedure, 0, self.serial, 0) + arguments
        began = time.perf_counter()
        self.sock.sendall(frame)
        while True:
            head = self._read(28)
            self.first_s = time.perf_counter() - began
            length, _, _, number, kind, serial, status = struct.unpack(">IIIIIII", head)
            body = self._read(length - 28)
            self.whole_s = time.perf_counter() - began
            if kind == 1 and serial == self.serial and number == procedure:
                break
        if status:
            raise Failure(f"procedure {procedure}: {readable(body)}")
        return body

    def _read(self, size):
        parts = bytearray()
        while len(parts) < size:
            data = self.sock.recv(size - len(parts))
            if not data:
                raise EOFError("the daemon closed the connection")
            parts += data
        return bytes(parts)

    def list_domains(self):
        return struct.unpack(">I", self.call(LIST_ALL_DOMAINS, struct.pack(">II", 1, 0))[:4])[0]

    def domains(self):
        """The active ones, each as it stands in the reply: what other calls take."""
        body, found, at = self.call(LIST_ALL_DOMAINS, struct.pack(">II", 1, 1)), [], 4
        for _ in range(struct.unpack_from(">I", body)[0]):
            length = struct.unpack_from(">I", body, at)[0]
            end = at + 4 + length + -length % 4 + 16 + 4
            found.append(body[at:end])
            at = end
        return found

    def state(self, domain):
        """(state, reason)"""
        return struct.unpack(">ii", self.call(GET_STATE, domain + struct.pack(">I", 0)))

    def define(self, xml):
        return self.call(DEFINE_XML, text(xml) + struct.pack(">I", 0))


def readable(body):
    return bytes(byte for byte in body if 32 <= byte < 127).decode()
