# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ferry on one side, stock on the other, in both directions and by both clients."""
import subprocess

import pytest
from conftest import lab_of
from lab.lab import HERE, PYTHON, end
from lab.moves import assert_moved, assert_stayed, move

MODES = {
    "plain": [],
    "live": ["--live"],
    "p2p": ["--live", "--p2p"],
    "tunnelled": ["--live", "--p2p", "--tunnelled"],
    "parallel": ["--live", "--parallel"],
    "p2p-parallel": ["--live", "--p2p", "--parallel", "--parallel-connections", "5"],
}


lab = lab_of(["ferryd", "libvirtd"])


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_to_stock_with_an_explicit_uri_and_back(lab, started, client, mode):
    ours, stock = lab.hosts
    running = started(ours, append="set=8 dirty=2000")
    for source, destination in ((ours, stock), (stock, ours)):
        explicit = [] if mode == "tunnelled" else [f"tcp://{destination.address}"]
        argv = client(source, "migrate", *MODES[mode], "qemu", destination.tcp_uri, *explicit)
        result = move(running.ticks, source, argv, destination)
        assert_moved(result, running.ticks, running.guest, source, destination)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_from_stock_without_an_explicit_uri(lab, started, client, mode):
    """Ours answers with an address literal, so stock has no name to fail on."""
    ours, stock = lab.hosts
    running = started(stock)
    result = move(running.ticks, stock, client(stock, "migrate", *MODES[mode], "qemu", ours.tcp_uri), ours)
    assert_moved(result, running.ticks, running.guest, stock, ours)


def test_what_broke_the_stream_is_what_is_said(lab, started, client):
    """Whatever the stock destination answers when it is told to give up, the first cause stands."""
    ours, stock = lab.hosts
    running = started(ours)
    wrong = ours.popen([PYTHON, "-I", HERE / "impostor.py", "/run/impostor.jsonl", 49210, 49210], stdout=subprocess.PIPE)
    wrong.stdout.readline()
    try:
        argv = client(ours, "migrate", "--live", "--p2p", "qemu", stock.tcp_uri, f"tcp://{ours.address}:49210")
        result = move(running.ticks, ours, argv)
    finally:
        end(wrong)
    assert "Unable to write to socket" in result.output
    assert_stayed(result, running.ticks, running.guest, ours, stock)
