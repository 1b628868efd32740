#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A name server that answers from a table: resolver.py '{"name": ["address"]}' answer|drop|slow:SECONDS

A name that is not in the table does not exist.  drop reads every question and never answers.
"""
import contextlib
import ipaddress
import json
import socket
import struct
import sys
import threading

A, AAAA = 1, 28


def question(data):
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode("ascii", "replace").lower())
        at += 1 + data[at]
    return ".".join(labels), struct.unpack(">H", data[at + 1:at + 3])[0], data[12:at + 5]


def answer(data, table):
    name, kind, text = question(data)
    records = b""
    found = [ipaddress.ip_address(value) for value in table.get(name, [])]
    wanted = [value for value in found if (kind, value.version) in ((A, 4), (AAAA, 6))]
    for value in wanted:
        records += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 5, len(value.packed)) + value.packed
    flags = 0x8580 | (0 if name in table else 3)
    return data[:2] + struct.pack(">HHHHH", flags, 1, len(wanted), 0, 0) + text + records


def reply(sock, data, peer, table):
    with contextlib.suppress(IndexError, struct.error, OSError):
        sock.sendto(answer(data, table), peer)


def main():
    table, mode = json.loads(sys.argv[1]), sys.argv[2]
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 53))
    print("ready", flush=True)
    while True:
        data, peer = sock.recvfrom(4096)
        if mode == "drop":
            continue
        # Late, but each by itself: a question does not wait for the one before it.
        threading.Timer(float(mode[5:]) if mode.startswith("slow:") else 0, reply, (sock, data, peer, table)).start()


main()
