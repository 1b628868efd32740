# SPDX-License-Identifier: LGPL-2.1-or-later
"""A crowd of strangers at a migration port, for the tests and the bench alike."""
import contextlib
import json
import subprocess

from lab.lab import HERE, PYTHON, end

PORT = 49152        # the first one that is free, so that they can wait for it
KINDS = ("silent", "slow", "garbage", "magic", "replay")


@contextlib.contextmanager
def crowd(stranger, destination, kind, count=1000, record=None):
    """From before the port opens until the block ends.  Yields a dict that is filled then: tried, met, turned_away."""
    argv = [PYTHON, "-I", HERE / "strangers.py", destination.address, PORT, kind, count, *([record] if record else [])]
    process = stranger.popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    told = {}
    try:
        yield told
    finally:
        process.stdin.close()
        line = process.stdout.readline()
        told.update(json.loads(line) if line else {})
        process.wait(20)
        process.stdout.close()


@contextlib.contextmanager
def overheard(lab, host, path):
    """Writes what is said first on the migration ports at the host's cable to a file, line by line."""
    with open(path, "w") as out:
        process = lab.wire.popen([PYTHON, "-I", HERE / "watch.py", host.name, "words"], stdin=subprocess.PIPE, stdout=out)
    try:
        yield path
    finally:
        process.stdin.close()
        end(process)
