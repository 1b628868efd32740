#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the seeds of the targets `frame` and `procedures` from recorded frames.

seed.py tests/wire/frames.txt fuzz/corpus      (then keep what counts: fuzz-NAME -merge=1 NEW OLD)
"""
import hashlib
import pathlib
import struct
import sys

SMALL = 600     # bytes of a seed
REMOTE = 0x20008086


def steps(path):
    """[(client's bytes, server's bytes, frames)] for each step of the recording."""
    found = []
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith("# "):
            found.append((bytearray(), bytearray(), []))
        elif line:
            frame = bytes.fromhex(line[2:])
            found[-1][line[0] == "<"].extend(frame)
            found[-1][2].append(frame)
    return found


def write(folder, data):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(data).hexdigest()[:12]).write_bytes(data)


def main(recording, corpus):
    seen = set()
    for number, (client, server, frames) in enumerate(steps(recording)):
        # The first byte chooses the end and the habits of its handlers, the second the cut; see frame.c.
        for end, data in ((0x00, client), (0x80, server)):
            if 0 < len(data) < SMALL:
                write(corpus / "frame", bytes([end | (number * 5 + 1) & 0x1f, 17 + number]) + data)
        for frame in frames:
            program, _, procedure, kind, _, status = struct.unpack(">6I", frame[4:28])
            key = (procedure, kind, status)
            if program != REMOTE or kind > 2 or len(frame) > SMALL or len(frame) == 28 or key in seen:
                continue
            seen.add(key)
            if status == 0:     # bodies are counted args, ret, args, ret …; see procedures.c
                write(corpus / "procedures", struct.pack(">H", (procedure - 1) * 2 + (kind == 1)) + frame[28:])


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
