# SPDX-License-Identifier: LGPL-2.1-or-later
"""The control: stock hosts on both sides, stock virsh.  It shows that the lab tells the story as it is.

If one of these fails, it is the lab or the judge that is wrong, not Ferry.
"""
import pytest
from conftest import lab_of
from lab.moves import assert_moved, assert_stayed, move


lab = lab_of(["libvirtd", "libvirtd"])


def test_the_classic_failure(lab, started):
    one, two = lab.hosts
    running = started(one)
    result = move(running.ticks, one, ["virsh", "migrate", "--live", "qemu", two.tcp_uri], two)
    assert "Unable to resolve address 'fedora2' service '49152'" in result.output
    assert_stayed(result, running.ticks, running.guest, one, two)


@pytest.mark.parametrize("words", [["--live"], [], ["--live", "--p2p"], ["--live", "--p2p", "--tunnelled"]],
                         ids=["live", "non-live", "p2p", "tunnelled"])
def test_succeeds_with_an_explicit_uri(lab, started, words):
    one, two = lab.hosts
    running = started(one, append="set=8 dirty=2000")
    explicit = [] if "--tunnelled" in words else [f"tcp://{two.address}"]
    result = move(running.ticks, one, ["virsh", "migrate", *words, "qemu", two.tcp_uri, *explicit], two)
    assert_moved(result, running.ticks, running.guest, one, two)


def test_succeeds_with_a_name_that_resolves(lab, started):
    one, two = lab.hosts
    one.set_hosts({two.address: "fedora2"})
    running = started(one)
    result = move(running.ticks, one, ["virsh", "migrate", "--live", "qemu", two.tcp_uri], two)
    assert_moved(result, running.ticks, running.guest, one, two)


def test_the_port_of_an_explicit_uri_is_used(lab, started):
    one, two = lab.hosts
    running = started(one)
    with two.watch_connections() as seen:
        result = move(running.ticks, one, ["virsh", "migrate", "--live", "qemu", two.tcp_uri, f"tcp://{two.address}:12345"], two)
    assert_moved(result, running.ticks, running.guest, one, two)
    assert (one.address, two.address, 12345) in {(a, c, d) for a, _, c, d in seen}
