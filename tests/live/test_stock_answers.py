# SPDX-License-Identifier: LGPL-2.1-or-later
"""Peer-to-peer to a stock host whose answer to Finish is lost.  It has no words of ours, so the source looks at the guest there."""
import shutil
import subprocess

import pytest
from conftest import make_lab
from lab.lab import wait_until
from lab.moves import Guest, traces

IMPATIENT = "keepalive_interval = 1\nkeepalive_count = 2\n"
DOUBT = "outcome not yet known: paused here, granted to fedora2; asking it since"


@pytest.fixture(scope="module")
def lab():
    if not shutil.which("libvirtd"):
        pytest.skip("'libvirtd' is not installed")
    lab = make_lab([None, None])
    ours, stock = lab.hosts
    ours.start_ferryd({"keepalive_interval": "1", "keepalive_count": "2"})
    stock.start_libvirtd(libvirtd_conf=IMPATIENT, qemu_conf=IMPATIENT)
    for host in lab.hosts:
        host.set_default_uri()
    yield lab
    lab.close()


@pytest.fixture
def guest(lab):
    """Defined and running at ours."""
    ours, stock = lab.hosts
    ours.set_hosts({stock.address: stock.name})
    guest = Guest(lab)
    ours.virsh("define", guest.path())
    ours.virsh("start", guest.name)
    with guest.ticks() as guest.seen:
        guest.seen.wait(ours.name)
        yield guest
    stock.run(["nft", "flush", "ruleset"])
    for host in lab.hosts:
        host.virsh("destroy", guest.name, check=False)
        host.virsh("undefine", guest.name, check=False)


def migrate(lab, *words):
    ours, stock = lab.hosts
    return ours.run(["virsh", "migrate", "--live", "--p2p", *words, "qemu", stock.tcp_uri], check=False)


MOVE = ("--persistent", "--undefinesource")


def test_it_runs_there(lab, guest):
    """The connection breaks with the answer on its way; a fresh one shows where the guest runs."""
    ours, stock = lab.hosts
    stock.cut_after_finish("out")
    since = guest.seen.mark()
    done = migrate(lab, *MOVE)
    assert done.returncode == 0, done.stderr
    guest.seen.wait(stock.name, more=5)
    assert guest.seen.verdict(since).is_sound
    wait_until(lambda: traces(ours, guest) == [], "nothing is left here")


@pytest.mark.parametrize("words", [MOVE, ()], ids=["persistent", "transient"])
def test_it_never_ran(lab, guest, words):
    """Finish itself is lost, and the destination ends its guest: it goes on here."""
    ours, stock = lab.hosts
    stock.cut_after_finish("call")
    since = guest.seen.mark()
    done = migrate(lab, *words)
    assert done.returncode == 1
    guest.seen.wait(ours.name, more=5)
    assert guest.seen.verdict(since).is_sound
    assert ours.virsh("domstate", "qemu").stdout.strip() == "running"
    wait_until(lambda: traces(stock, guest) == [], "nothing is left there")


UNCLEAR = "(it is shut off there, which does not tell whether it has run); only a person can say: look there"


def test_one_that_was_defined_there_before_is_ended_alike_whether_it_ran_or_not(lab, guest):
    """Finish is lost, and the destination destroys its guest with the connection: as somebody would who has seen it run."""
    ours, stock = lab.hosts
    stock.virsh("define", guest.path())
    stock.cut_after_finish("call")
    since = guest.seen.mark()
    process = ours.popen(["virsh", "migrate", "--live", "--p2p", "qemu", stock.tcp_uri])
    wait_until(lambda: stock.virsh("domstate", "--reason", "qemu").stdout.strip() == "shut off (destroyed)", "its end there")
    wait_until(lambda: UNCLEAR in ours.virsh("dominfo", "qemu").stdout, "the doubt is told")
    assert ours.virsh("domstate", "--reason", "qemu").stdout.strip() == "paused (migrating)"
    ours.ferry("migration", "resolve", "qemu", "--here", "--confirm", "fedora2")
    assert process.wait(20) == 1
    guest.seen.wait(ours.name, more=5)
    assert guest.seen.verdict(since).is_sound


def test_a_stock_host_that_was_restarted_does_not_remember_that_it_ran(lab, guest):
    """It ran there and was ended; its daemon, started anew, shows no reason any more.  The memory here is of the past."""
    ours, stock = lab.hosts
    stock.cut_after_finish("out")
    with stock.reached_once():
        process = ours.popen(["virsh", "migrate", "--live", "--p2p", *MOVE, "qemu", stock.tcp_uri])
        guest.seen.wait(stock.name, more=3)
        stock.virsh("destroy", "qemu")
        stock.restart_libvirtd()
        assert stock.virsh("domstate", "--reason", "qemu").stdout.strip() == "shut off (unknown)"
    wait_until(lambda: UNCLEAR in ours.virsh("dominfo", "qemu").stdout, "the doubt is told")
    assert ours.virsh("domstate", "--reason", "qemu").stdout.strip() == "paused (migrating)"
    ours.ferry("migration", "resolve", "qemu", "--there", "--confirm", "fedora2")
    assert process.wait(20) == 0
    wait_until(lambda: traces(ours, guest) == [], "nothing is left here")


def test_a_restart_looks_too(lab, guest):
    """The link is silent with the answer on its way, and the source's daemon is restarted: it waits, and then it looks."""
    ours, stock = lab.hosts
    stock.cut_after_finish("out")
    with stock.reached_once():
        process = ours.popen(["virsh", "migrate", "--live", "--p2p", *MOVE, "qemu", stock.tcp_uri])
        guest.seen.wait(stock.name, more=3)
        ours.kill_daemon("ferryd")
        process.wait(20)
        ours.restart_ferryd()
        wait_until(lambda: DOUBT in ours.virsh("dominfo", "qemu").stdout, "the doubt is told")
        refused = ours.virsh("resume", "qemu", check=False)
        assert refused.returncode == 1 and DOUBT in refused.stderr
    wait_until(lambda: traces(ours, guest) == [], "it has settled by itself")
    guest.seen.wait(stock.name, more=5)


def test_another_host_that_answers_there_proves_nothing(lab, guest):
    """The address leads to a host that does not know the guest: no reason to resume it here."""
    ours, stock = lab.hosts
    stock.cut_after_finish("out")
    uri = ours.folder / "etc/hosts"
    ours.set_hosts({stock.address: "fedora2 over-there"})
    with stock.reached_once():
        process = ours.popen(["virsh", "migrate", "--live", "--p2p", *MOVE, "qemu", "qemu+tcp://over-there/system"])
        guest.seen.wait(stock.name, more=3)
        uri.write_text(f"{ours.address} over-there\n")
    wait_until(lambda: "another host answers at 'qemu+tcp://over-there/system'" in ours.virsh("dominfo", "qemu").stdout, "the doubt is told")
    assert ours.virsh("domstate", "--reason", "qemu").stdout.strip() == "paused (migrating)"
    uri.write_text(f"{stock.address} over-there\n")
    assert process.wait(30) == 0
    wait_until(lambda: traces(ours, guest) == [], "it has settled by itself")


def test_ferry_looks_at_no_other_host_either(request):
    """Its client leads, and the address leads to a host that never had the guest by the time it looks."""
    if not shutil.which("libvirtd"):
        pytest.skip("'libvirtd' is not installed")
    lab = make_lab([None] * 3)
    request.addfinalizer(lab.close)
    ours, stock, other = lab.hosts
    ours.start_ferryd()
    other.start_ferryd()
    stock.start_libvirtd(libvirtd_conf=IMPATIENT, qemu_conf=IMPATIENT)
    guest = Guest(lab)
    ours.set_hosts({stock.address: "fedora2 over-there"})
    ours.virsh("define", guest.path())
    ours.virsh("start", "qemu")
    with guest.ticks() as seen:
        seen.wait(ours.name)
        stock.cut_after_finish("out")
        process = ours.popen([lab.ferry, "-c", ours.socket_uri, "migrate", "--live", *MOVE, "qemu", "qemu+tcp://over-there/system"],
                             stderr=subprocess.PIPE, text=True)
        seen.wait(stock.name, more=3)
        ours.set_hosts({stock.address: "fedora2", other.address: "over-there"})
        wait_until(lambda: "connect_get_capabilities" in other.log(), "ferry has asked there", 60)
        ours.set_hosts({stock.address: "fedora2 over-there"})
        assert process.wait(30) == 0, process.stderr.read()
        wait_until(lambda: traces(ours, guest) == [], "nothing is left here")
