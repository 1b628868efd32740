# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stock hosts on both sides; only the client is ours.  It tries once more with an address that it knows to lead there."""
import subprocess

import pytest
from conftest import lab_of
from lab.lab import HERE, PYTHON, end
from lab.moves import PORTS, assert_moved, assert_stayed, move

NAMES = {
    "unresolvable": lambda lab: {},
    "127.0.1.1": lambda lab: {"127.0.1.1": "fedora2"},
    "itself": lambda lab: {lab.hosts[0].address: "fedora2"},
    "dead": lambda lab: {"192.168.122.77": "fedora2"},
    "wrong-host": lambda lab: {lab.client.address: "fedora2"},
}


lab = lab_of(["libvirtd", "libvirtd"], client=True)


@pytest.mark.parametrize("name,mode", [(name, "led") for name in NAMES] + [("unresolvable", "p2p"), ("dead", "p2p")])
def test_one_more_try_with_the_address_of_the_daemon(lab, started, name, mode):
    one, two = lab.hosts
    one.set_hosts(NAMES[name](lab))
    running = started(one)
    words = ["--p2p"] if mode == "p2p" else []
    result = move(running.ticks, one, [lab.ferry, "migrate", "--live", *words, "qemu", two.tcp_uri], two)
    assert_moved(result, running.ticks, running.guest, one, two)
    assert "note: " in result.output and f"went by tcp://{two.address} instead" in result.output


@pytest.mark.parametrize("words", [[], ["--p2p"]], ids=["led", "p2p"])
def test_a_wrong_host_that_answers_and_hangs_up(lab, started, words):
    one, two = lab.hosts
    one.set_hosts({lab.client.address: "fedora2"})
    running = started(one)
    wrong = lab.client.popen([PYTHON, "-I", HERE / "impostor.py", "/run/impostor.jsonl", *PORTS], stdout=subprocess.PIPE)
    wrong.stdout.readline()
    try:
        result = move(running.ticks, one, [lab.ferry, "migrate", "--live", *words, "qemu", two.tcp_uri], two)
    finally:
        end(wrong)
    assert_moved(result, running.ticks, running.guest, one, two)
    assert "Unable to write to socket" in result.output and f"went by tcp://{two.address} instead" in result.output


@pytest.mark.parametrize("words", [[], ["--p2p"]], ids=["led", "p2p"])
def test_a_destination_that_calls_itself_localhost(lab, started, words):
    one, two = lab.hosts
    running = started(one)
    two.run(["hostname", "localhost"])
    try:
        result = move(running.ticks, one, [lab.ferry, "migrate", "--live", *words, "qemu", two.tcp_uri], two)
    finally:
        two.run(["hostname", two.name])
    assert_moved(result, running.ticks, running.guest, one, two)


@pytest.mark.parametrize("words", [[], ["--p2p"]], ids=["led", "p2p"])
def test_not_if_the_user_wants_none(lab, started, words):
    one, two = lab.hosts
    running = started(one)
    result = move(running.ticks, one, [lab.ferry, "migrate", "--live", "--no-fallback", *words, "qemu", two.tcp_uri], two)
    assert "error: Unable to resolve address 'fedora2' service '49152'" in result.output
    assert "No other way was tried: the user wants none (--no-fallback)" in result.output
    assert_stayed(result, running.ticks, running.guest, one, two)


@pytest.mark.parametrize("words", [[], ["--p2p"]], ids=["led", "p2p"])
@pytest.mark.parametrize("is_named", [False, True], ids=["unresolvable", "right"])
def test_where_no_port_is_open_the_daemons_carry_it(lab, started, words, is_named):
    one, two = lab.hosts
    one.set_hosts({two.address: "fedora2"} if is_named else {})
    running = started(one)
    two.nft("add table inet lab\nadd chain inet lab input { type filter hook input priority 0; }\n"
            "add rule inet lab input tcp dport 49152-49215 reject with tcp reset\n")
    try:
        result = move(running.ticks, one, [lab.ferry, "migrate", "--live", *words, "qemu", two.tcp_uri], two)
    finally:
        two.undrop()
    assert_moved(result, running.ticks, running.guest, one, two)
    assert f"; the source's daemon sent it through its connection to {two.tcp_uri}" in result.output


def test_all_that_failed_is_told(lab, started):
    """The source's daemon does not reach the destination's either; only the client does."""
    one, two = lab.hosts
    running = started(one)
    two.nft("add table inet lab\nadd chain inet lab input { type filter hook input priority 0; }\n"
            f"add rule inet lab input ip saddr {one.address} reject with tcp reset\n")
    try:
        result = move(running.ticks, lab.client, [lab.ferry, "-c", one.tcp_uri, "migrate", "--live", "qemu", two.tcp_uri], two)
    finally:
        two.undrop()
    assert "error: Unable to resolve address 'fedora2' service '49152'" in result.output
    assert f"\nBy tcp://{two.address} it did not go either: unable to connect to server at '{two.address}:" in result.output
    assert "\nThrough the connection of the daemons it did not go either: " in result.output
    assert_stayed(result, running.ticks, running.guest, one, two)
