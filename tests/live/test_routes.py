# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finding the way between two ferryds: called back through a one-way firewall, told early where there is none."""
import pytest
from conftest import make_lab
from lab.moves import assert_moved, assert_stayed, move

NEW = "tcp flags & (syn | ack) == syn tcp dport 49152-49215"
VERDICTS = {"silent": "drop", "refused": "reject with tcp reset"}
MODES = {"managed": ["--live"], "p2p": ["--live", "--p2p"]}


@pytest.fixture(scope="module")
def lab():
    lab = make_lab(["ferryd", "ferryd"])
    yield lab
    lab.close()


@pytest.fixture
def firewall(lab):
    """firewall(host, verdict): for new connections that come in at the host's ports of migrations."""
    def close(host, verdict):
        host.nft(f"add table inet wall\nadd chain inet wall in {{ type filter hook input priority 0; }}\n"
                 f"add rule inet wall in {NEW} {verdict}\n")

    yield close
    for host in lab.hosts:
        host.nft("table inet wall\ndelete table inet wall\n")


def command(lab, words):
    one, two = lab.hosts
    return ["virsh", "-c", one.socket_uri, "migrate", *words, "qemu", two.tcp_uri]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_destination_that_cannot_be_reached_calls_back(lab, started, firewall, mode, verdict):
    one, two = lab.hosts
    firewall(two, VERDICTS[verdict])
    running = started(one, append="set=8 dirty=2000")
    result = move(running.ticks, one, command(lab, MODES[mode]), two)
    assert_moved(result, running.ticks, running.guest, one, two)
    assert "the source does not reach this host, but this host reaches it: called back at" in two.log()


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_has_no_way_is_told_before_a_qemu_is_started(lab, started, firewall, verdict):
    one, two = lab.hosts
    for host in lab.hosts:
        firewall(host, VERDICTS[verdict])
    running = started(one)
    before = len(two.log())
    result = move(running.ticks, one, command(lab, MODES["managed"]), two)
    assert_stayed(result, running.ticks, running.guest, one, two)
    assert result.output.startswith(f"error: unable to connect to server at '{two.address}:"), result.output
    table = [line for line in result.output.splitlines() if line.startswith("  ")]
    assert any(two.address in line and "control connection" in line for line in table), result.output
    assert "did not reach this host either" in result.output
    assert "started QEMU" not in two.log()[before:]


def test_a_refused_start_is_told_with_its_reason(lab, started):
    """QEMU does not start at the destination: the source hears why over the pact lane, and keeps its guest."""
    one, two = lab.hosts
    only_here = "/run/kernel-of-one"
    one.run(["cp", lab.shared / "ferry-test-guest", only_here])
    running = started(one, kernel=only_here, append="tick=20 name=qemu")
    result = move(running.ticks, one, command(lab, MODES["managed"]), two)
    assert_stayed(result, running.ticks, running.guest, one, two)
    assert only_here in result.output, result.output
