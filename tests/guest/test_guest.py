# SPDX-License-Identifier: LGPL-2.1-or-later
"""The judge is judged first: the test guest between two bare QEMUs, and harm done to it on purpose."""
import re
import socket

import pytest
from lab import guest, qemu
from lab.trials import HARMED
from ticks import Tick, Ticks


def start(folder, append, **more):
    return qemu.Qemu(folder, kernel=guest.image(), append=append, **more)


def test_boots_and_ticks_at_its_rate(tmp_path):
    with start(tmp_path, "tick=20 name=rate") as one, Ticks(20, {"one": one.serial}) as ticks:
        one.qmp("cont")
        ticks.wait(more=60)
        verdict = ticks.verdict(since=5)
        span = ticks.ticks[-1].at - ticks.ticks[5].at
        assert verdict.is_sound, verdict.complaint()
        assert span / (len(ticks.ticks) - 6) > 0.019  # a busy machine makes it slower, nothing makes it faster


def test_an_option_that_it_does_not_know_is_an_error(tmp_path):
    with start(tmp_path, "tick=20 rate=60 name=odd dirt=1") as one, Ticks(20, {"one": one.serial}) as ticks:
        one.qmp("cont")
        ticks.wait(more=3)
        assert ticks.errors == ["one: ERROR unknown option rate=60", "one: ERROR unknown option dirt=1"]
        assert not ticks.verdict().is_sound


@pytest.mark.parametrize("append,memory", [("tick=20", 64), ("tick=20 set=32 dirty=4000 touch=48", 96)], ids=["idle", "dirty"])
def test_migrates_between_bare_qemus_without_a_lost_tick(tmp_path, append, memory):
    with start(tmp_path / "a", append, memory_mib=memory) as one, \
            start(tmp_path / "b", append, memory_mib=memory, incoming=True) as two, \
            Ticks(20, {"one": one.serial, "two": two.serial}) as ticks:
        one.qmp("cont")
        ticks.wait("one", more=20)
        since = ticks.mark()
        times = qemu.migrate(one, two)
        ticks.wait("two", more=40)
        verdict = ticks.verdict(since)
        assert verdict.is_sound, verdict.complaint()
        assert ticks.last().host == "two"
        assert verdict.downtime_ms < 10000 and times["downtime_ms"] < 10000


def test_sees_a_page_changed_behind_its_back(tmp_path):
    """A stale page is what a broken migration leaves: put one there by writing old content back."""
    with start(tmp_path, "tick=20 set=1 dirty=500 check=5000") as one, Ticks(20, {"one": one.serial}) as ticks:
        one.qmp("cont")
        ticks.wait(more=30)
        assert ticks.verdict().is_sound
        one.qmp("stop")
        one.qmp("pmemsave", val=16 << 20, size=4096, filename=str(tmp_path / "old"))
        one.qmp("cont")
        ticks.wait(more=60)
        one.qmp("stop")
        write_page(one, 16 << 20, (tmp_path / "old").read_bytes())
        one.qmp("cont")
        ticks.wait(more=30)
        assert any("stale" in error for error in ticks.errors), ticks.errors


def write_page(one, address, data):
    """Through the gdb stub, the one way to write guest memory from outside."""
    path = one.folder / "gdb.sock"
    one.qmp("human-monitor-command", command_line=f"gdbserver unix:{path},server=on,wait=off")
    with socket.socket(socket.AF_UNIX) as gdb:
        gdb.connect(str(path))
        gdb.settimeout(10)
        for offset in range(0, len(data), 512):
            body = f"M{address + offset:x},200:{data[offset:offset + 512].hex()}".encode()
            gdb.sendall(b"$" + body + b"#%02x" % (sum(body) & 255))
            answer = b""
            while b"$OK#9a" not in answer:
                got = gdb.recv(4096)
                assert got and b"$E" not in answer, answer
                answer += got
            gdb.sendall(b"+")
        gdb.sendall(b"$D#44")
        gdb.recv(4096)
    one.qmp("human-monitor-command", command_line="gdbserver none")


def test_echoes_and_obeys_the_power_button(tmp_path):
    with start(tmp_path, "tick=20") as one:
        with socket.socket(socket.AF_UNIX) as console:
            console.connect(str(one.serial))
            console.settimeout(10)
            one.qmp("cont")
            seen = b""
            while b"tick 3" not in seen:
                seen += console.recv(4096)
            console.sendall(b"hello\n")
            while b"echo: hello" not in seen:
                seen += console.recv(4096)
            one.qmp("system_powerdown")
            one.qmp.wait_event("SHUTDOWN", timeout_s=10)
            assert one.process.wait(10) == 0


def test_a_line_cut_by_the_move_is_one_line(tmp_path):
    """Every byte is sent at another place than the one before, as if the guest moved within its lines."""
    servers = {}
    for name in ("a", "b"):
        servers[name] = socket.socket(socket.AF_UNIX)
        servers[name].bind(str(tmp_path / name))
        servers[name].listen()
    with Ticks(10, {name: tmp_path / name for name in servers}) as ticks:
        ends = [server.accept()[0] for server in servers.values()]
        for number in range(10, 15):
            end = ends[number % 2]
            end.sendall(b"ck %d gen 0\r\nti" % number if number > 10 else b"tick 10 gen 0\r\nti")
            ticks._wait_until(lambda: len(ticks.ticks) == number - 9, 5, "the tick")
        verdict = ticks.verdict()
        assert not (verdict.missing or verdict.doubled or verdict.disorder or verdict.errors), verdict
    for one in (*ends, *servers.values()):
        one.close()


def test_lost_and_doubled_ticks_are_told():
    ticks = Ticks(100, {})
    ticks.ticks = [Tick(at / 10, host, number) for at, host, number in
                   ((0, "a", 1), (1, "a", 2), (2, "a", 4), (3, "b", 4), (9, "b", 5), (10, "a", 3))]
    verdict = ticks.verdict()
    assert (verdict.missing, verdict.doubled, verdict.disorder) == ([3], [4], [3])
    assert verdict.downtime_ms == pytest.approx(500)
    assert verdict.gap_hosts == ("b", "b")


@pytest.mark.parametrize("numbers", [(1, 2, 2, 3, 3), (1, 2, 3, 4, 5)], ids=["doubled", "whole"])
def test_a_guest_that_ran_on_both_hosts_is_never_excused(numbers):
    """What the emulation loses can repeat a number, and the test that met it; it cannot let the guest come back."""
    ticks = Ticks(100, {})
    ticks.ticks = [Tick(at / 10, host, number) for at, (host, number) in enumerate(zip("aabab", numbers))]
    verdict = ticks.verdict()
    assert not verdict.is_sound and verdict.hosts == ["a", "b", "a", "b"]
    ticks.errors.append("a: ERROR page 0x1000000 round 3: stale, holds round 2")
    for said in (ticks.verdict().complaint(), str(ticks.verdict())):
        assert not re.search(HARMED, said), said
    assert ticks.verdict(since=2, until=4).hosts == ["b", "a"] and not ticks.verdict(until=3).has_run_twice


@pytest.mark.parametrize("hosts,is_twice", [("aaGbbbb", False), ("aaGabbb", True), ("aaGbbab", True), ("abaGbbb", True), ("aaGbbGaa", False),
                                            ("aaGbaGaa", True), ("aabb", False)])
def test_a_guest_that_is_started_anew_ticks_nowhere_else(hosts, is_twice):
    """G: the first line of a start, on the host of the last tick before the next start."""
    ticks, home = Ticks(100, {}), hosts[-1]
    for at, host in reversed(list(enumerate(hosts))):
        if host == "G":
            ticks.lines.insert(0, (at / 10, home, "guest qemu set=4"))
            home = hosts[at - 1]
        else:
            ticks.ticks.insert(0, Tick(at / 10, host, at))
    assert bool(ticks.ran_twice()) == is_twice and not re.search(HARMED, ticks.ran_twice())
    assert [host for _, host in ticks.boots(0)] == [host for _, host, _ in ticks.lines]
