#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Watches an interface for TCP connections: watch.py DEVICE [words], until standard input ends.

Prints one JSON list for each first SYN: [source, source port, destination, destination port].  With words,
what is said first on the migration ports instead: the same list and its bytes in hexadecimal, for each
direction of each connection (IPv4 only).  The kernel's filter lets nothing else through, so a migration is
not slowed down by being watched.
"""
import ctypes
import ipaddress
import json
import select
import socket
import struct
import sys

ETH_P_ALL, SO_ATTACH_FILTER, PACKET_OUTGOING = 3, 26, 4
# Classic BPF: (code, jump if true, jump if false, operand); passes TCP with SYN and without ACK.
PROGRAM = [
    (0x28, 0, 0, 12),           # ethertype
    (0x15, 0, 6, 0x0800),       # IPv4, else to the test for IPv6
    (0x30, 0, 0, 23),           # protocol
    (0x15, 0, 11, 6),
    (0xb1, 0, 0, 14),           # x = header length
    (0x50, 0, 0, 14 + 13),      # flags
    (0x54, 0, 0, 0x12),
    (0x15, 6, 7, 0x02),
    (0x15, 0, 6, 0x86dd),       # IPv6
    (0x30, 0, 0, 20),
    (0x15, 0, 4, 6),
    (0x30, 0, 0, 14 + 40 + 13),
    (0x54, 0, 0, 0x12),
    (0x15, 0, 1, 0x02),
    (0x06, 0, 0, 0xffff),
    (0x06, 0, 0, 0),
]
FIRST, LAST, SMALL = 49152, 49215, 400
# Passes small IPv4 packets from or to one of the migration ports.
WORDS_PROGRAM = [
    (0x28, 0, 0, 12),
    (0x15, 0, 11, 0x0800),
    (0x30, 0, 0, 23),
    (0x15, 0, 9, 6),
    (0x28, 0, 0, 16),           # length
    (0x25, 7, 0, SMALL),
    (0xb1, 0, 0, 14),
    (0x48, 0, 0, 16),           # destination port
    (0x35, 0, 1, FIRST),
    (0x25, 0, 4, LAST),
    (0x48, 0, 0, 14),           # source port
    (0x35, 0, 1, FIRST),
    (0x25, 0, 1, LAST),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xffff),
]


def attach_filter(sock, program):
    code = b"".join(struct.pack("HBBI", *row) for row in program)
    buffer = ctypes.create_string_buffer(code)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(buffer)))


def endpoints(frame):
    if frame[12:14] == b"\x08\x00":
        size = (frame[14] & 15) * 4
        source, target = frame[26:30], frame[30:34]
    else:
        size, source, target = 40, frame[22:38], frame[38:54]
    ports = struct.unpack(">HH", frame[14 + size:18 + size])
    return [str(ipaddress.ip_address(source)), ports[0], str(ipaddress.ip_address(target)), ports[1]]


def words(frame):
    tcp = 14 + (frame[14] & 15) * 4
    return frame[tcp + (frame[tcp + 12] >> 4) * 4:14 + struct.unpack(">H", frame[16:18])[0]]


def main():
    wants_words = sys.argv[2:] == ["words"]
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)      # nothing comes before the filter is in place
    attach_filter(sock, WORDS_PROGRAM if wants_words else PROGRAM)
    sock.bind((sys.argv[1], ETH_P_ALL))
    seen = set()
    print("ready", flush=True)
    while True:
        readable = select.select([sock, sys.stdin], [], [])[0]
        if sock in readable:
            frame = sock.recv(65535)
            key = tuple(endpoints(frame))
            said = words(frame).hex() if wants_words else None
            if key not in seen and said != "":
                seen.add(key)
                print(json.dumps([*key, said] if said else key), flush=True)
        elif sys.stdin in readable:
            return


main()
