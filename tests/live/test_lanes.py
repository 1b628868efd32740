# SPDX-License-Identifier: LGPL-2.1-or-later
"""The connections of a migration, seen from the wire: how many, where to, and who else knocks."""
import collections
import contextlib
import json
import subprocess

import pytest
from conftest import lab_of
from lab.crowd import KINDS, crowd, overheard
from lab.lab import HERE, PYTHON, end, wait_until
from lab.moves import PORTS, assert_moved, move

MODES = {"managed": ["--live"], "p2p": ["--live", "--p2p"]}
SHARED = "10.77.0.5"
STRANGERS = 1000
TOUCHED = "set=4 touch=40 check=500"
PACE_MIB = 16


lab = lab_of(["ferryd", "ferryd", None])


def migrate(lab, running, words=(), destination=None, **more):
    one, two = lab.hosts[:2]
    argv = ["virsh", "-c", one.socket_uri, "migrate", *words, "qemu", two.tcp_uri]
    return move(running.ticks, one, argv, two, **more)


# ---- how many connections ----

LANES = {       # the pact and the memory
    "managed": (["--live"], 2),
    "p2p": (["--live", "--p2p"], 2),
}


@pytest.mark.parametrize("mode", LANES)
def test_one_port_and_one_connection_per_lane(lab, started, mode):
    words, lanes = LANES[mode]
    one, two = lab.hosts[:2]
    running = started(one)
    with two.watch_connections() as seen:
        result = migrate(lab, running, words)
    assert_moved(result, running.ticks, running.guest, one, two)
    found = [row for row in seen if PORTS[0] <= row[3] <= PORTS[1]]
    assert {row[3] for row in found} == {PORTS[0]}, found
    # An address that is slow to answer gets company in the race; who loses has been dialled once.
    (_, won), *lost = collections.Counter((row[0], row[2]) for row in found).most_common()
    assert won == lanes and all(count == 1 for _, count in lost), found


# ---- the wrong host ----

@contextlib.contextmanager
def shared_address(lab, *how):
    """Destination and stranger have the same private address, each on a network of its own; the source sees the stranger's."""
    one, two, other = lab.hosts
    made = []

    def cable(name, *hosts):
        lab.wire.ip("link", "add", name, "type", "bridge", "forward_delay", "0", "stp_state", "0")
        lab.wire.ip("link", "set", name, "up")
        made.append(name)
        for host, address in hosts:
            port = f"{name}{host.number}"
            lab.wire.ip("link", "add", port, "type", "veth", "peer", "name", "eth1", "netns", str(host.pid))
            lab.wire.ip("link", "set", port, "master", name, "up")
            host.run(["ip", "link", "set", "eth1", "up"])
            host.run(["ip", "addr", "add", f"{address}/24", "dev", "eth1"])
            made.append(port)

    record = other.folder / "run/impostor.jsonl"
    record.unlink(missing_ok=True)
    process = None
    try:
        cable("near", (one, "10.77.0.1"), (other, SHARED))
        cable("far", (two, SHARED))
        process = other.popen([PYTHON, "-I", HERE / "impostor.py", "/run/impostor.jsonl", *PORTS, *how], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE)
        process.stdout.readline()
        yield record
    finally:
        if process:
            end(process)
        for name in reversed(made):
            lab.wire.ip("link", "del", name)


@pytest.mark.parametrize("how", [["keep"], []], ids=["listens", "hangs-up"])
@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_host_of_the_same_address_gets_no_byte_of_the_guest(lab, started, mode, how):
    one, two = lab.hosts[:2]
    running = started(one)
    with shared_address(lab, *how) as record:
        with two.configured(migration_host=SHARED):
            result = migrate(lab, running, MODES[mode])
            assert_moved(result, running.ticks, running.guest, one, two)
        wait_until(lambda: record.exists() and record.read_text(), "the wrong host's visitor to leave", 20)
        visits = [json.loads(line) for line in record.read_text().splitlines()]
    assert not any(visit["has_magic"] for visit in visits)
    assert max(visit["bytes"] for visit in visits) <= 256, visits      # the hello at the most


# ---- strangers ----

@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_strangers_neither_stop_nor_enter_a_migration(lab, started, kind, tmp_path):
    one, two, other = lab.hosts
    running = started(one, append=TOUCHED)
    limit = ["--live", "--bandwidth", str(PACE_MIB)]
    with overheard(lab, one, tmp_path / "said") as said:
        if kind == "replay":        # what was said at an earlier migration is tried too
            first = started(one, name="earlier")
            done = one.run(["virsh", "-c", one.socket_uri, "migrate", "--live", "earlier", two.tcp_uri])
            assert done.returncode == 0 and first
            wait_until(said.read_text, "something to repeat", 5)
        with crowd(other, two, kind, STRANGERS, said if kind == "replay" else None) as told:
            result = migrate(lab, running, limit)
    assert_moved(result, running.ticks, running.guest, one, two)
    assert told["met"] > STRANGERS / 2, told
