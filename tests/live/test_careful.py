# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stock source keeps no record: when no answer comes, it resumes its guest.  So ours answers first, and runs the guest
once the source's kernel has acknowledged the answer."""
import pytest
from conftest import make_lab
from lab.lab import wait_until
from lab.moves import move, traces

LEADERS = {"client": [], "p2p": ["--p2p"]}
IMPATIENT = "keepalive_interval = 1\nkeepalive_count = 2\n"
DOUBT = "outcome not yet known: may run on fedora1"


@pytest.fixture(scope="module")
def lab():
    lab = make_lab(["libvirtd", "ferryd"])
    lab.hosts[0].stop_daemon("libvirtd")
    lab.hosts[0].start_libvirtd(qemu_conf=IMPATIENT)
    yield lab
    lab.close()


@pytest.fixture(autouse=True)
def plugged(lab):
    yield
    lab.hosts[1].run(["nft", "flush", "ruleset"])


def migrate(stock, ours, leader):
    return ["virsh", "-k1", "-K2", "-c", stock.socket_uri, "migrate", "--live", *LEADERS[leader], "qemu", ours.tcp_uri]


def assert_in_doubt(ours, since):
    """since: how long the log was before."""
    wait_until(lambda: DOUBT in ours.virsh("dominfo", "qemu").stdout, "the doubt is told")
    assert ours.virsh("domstate", "--reason", "qemu").stdout.strip() == "paused (migrating)"
    assert DOUBT in ours.ferry("domstate", "--reason", "qemu").stdout
    assert "fedora1" in ours.ferry("migration", "list").stdout
    assert f"domain 'qemu': {DOUBT}" in ours.log()[since:]
    for verb in ("resume", "destroy", "reboot"):
        refused = ours.virsh(verb, "qemu", check=False)
        assert refused.returncode == 1 and DOUBT in refused.stderr, refused.stderr


@pytest.mark.parametrize("leader", LEADERS)
def test_it_runs_once_the_answer_is_acknowledged(lab, started, leader):
    """The acknowledgement is lost: the source has let go, the guest waits here.  When the link is back, it runs."""
    stock, ours = lab.hosts
    running = started(stock)
    since, before = running.ticks.mark(), len(ours.log())
    ours.cut_after_finish("in")
    done = move(running.ticks, stock, migrate(stock, ours, leader))
    assert done.status == 0, done.output
    assert_in_doubt(ours, before)
    assert running.ticks.last().host == stock.name
    ours.undrop()
    running.ticks.wait(ours.name, more=10, timeout_s=40)
    assert running.ticks.verdict(since).is_sound
    wait_until(lambda: ours.virsh("domstate", "qemu").stdout.strip() == "running", "it runs")
    assert "outcome not yet known" not in ours.virsh("dominfo", "qemu").stdout
    assert traces(stock, running.guest) == []


@pytest.mark.parametrize("leader", LEADERS)
def test_an_answer_that_is_lost_leaves_one_runner(lab, started, leader):
    """The source hears nothing, gives up and resumes; its kernel resets what comes later.  A person says where it runs."""
    stock, ours = lab.hosts
    running = started(stock)
    before = len(ours.log())
    ours.cut_after_finish("in", "out")
    done = move(running.ticks, stock, migrate(stock, ours, leader))
    assert done.status != 0, done.output
    running.ticks.wait(stock.name, more=10)
    assert_in_doubt(ours, before)
    ours.undrop()
    wait_until(lambda: "the connection broke before the answer" in ours.log()[before:], "the reset", 60)
    assert_in_doubt(ours, before)
    since = running.ticks.mark()
    running.ticks.wait(stock.name, more=10)
    assert running.ticks.verdict(since).is_sound
    ours.ferry("migration", "resolve", "qemu", "--there", "--confirm", "fedora1")
    wait_until(lambda: traces(ours, running.guest) == [], "nothing is left here")
    done = move(running.ticks, stock, migrate(stock, ours, leader), ours)
    assert done.status == 0, done.output


def test_a_restart_settles_nothing(lab, started):
    """The answer has left, and with the daemon went the connection that could say whether it arrived."""
    stock, ours = lab.hosts
    running = started(stock)
    before = len(ours.log())
    ours.cut_after_finish("in")
    assert move(running.ticks, stock, migrate(stock, ours, "p2p")).status == 0
    assert_in_doubt(ours, before)
    before = len(ours.log())
    ours.restart_ferryd()
    assert_in_doubt(ours, before)
    ours.ferry("migration", "resolve", "qemu", "--here", "--confirm", "fedora1")
    running.ticks.wait(ours.name, more=10)
    assert ours.virsh("domstate", "--reason", "qemu").stdout.strip() == "running (migrated)"


def test_fast_does_not_wait(lab, started):
    """As between stock hosts: the guest runs before anybody has heard so."""
    stock, ours = lab.hosts
    ours.stop_daemon("ferryd")
    ours.start_ferryd(config={"stock_source": "fast"})
    running = started(stock)
    ours.cut_after_finish("in")
    done = move(running.ticks, stock, migrate(stock, ours, "client"))
    assert done.status == 0, done.output
    running.ticks.wait(ours.name, more=10)
