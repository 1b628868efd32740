#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A live host that is not the one that is looked for: impostor.py RECORD FIRST LAST [keep]

Answers on every port from FIRST to LAST and writes down what it is sent: one JSON line for each connection
when it ends, with the peer, the port, how many bytes came and the first of them.  It closes a connection
that has sent something, or, with keep, reads it to its end.
"""
import json
import selectors
import socket
import sys

FIRST_BYTES = 64


class Visitor:
    def __init__(self, sock, peer, port):
        self.sock, self.peer, self.port, self.count, self.head, self.has_magic = sock, peer, port, 0, b"", False


def main():
    record, first, last, keep = open(sys.argv[1], "a"), int(sys.argv[2]), int(sys.argv[3]), "keep" in sys.argv[4:]
    selector = selectors.DefaultSelector()
    for port in range(first, last + 1):
        listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
        selector.register(listener, selectors.EVENT_READ, port)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            if isinstance(key.data, int):
                sock, peer = key.fileobj.accept()
                selector.register(sock, selectors.EVENT_READ, Visitor(sock, peer[0], key.data))
                continue
            visitor = key.data
            try:
                data = visitor.sock.recv(65536)
            except OSError:
                data = b""
            visitor.count += len(data)
            visitor.has_magic |= b"QEVM" in visitor.head[-3:] + data
            visitor.head = (visitor.head + data)[:FIRST_BYTES]
            if not data or not keep:
                selector.unregister(visitor.sock)
                visitor.sock.close()
                record.write(json.dumps({"peer": visitor.peer, "port": visitor.port, "bytes": visitor.count,
                                         "head": visitor.head.hex(), "has_magic": visitor.has_magic}) + "\n")
                record.flush()


main()
