# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest whose definition stayed where it left: a start there asks the other host for it, which gives it back if it does not run."""
import re
import threading

import pytest
from conftest import make_lab
from lab.lab import wait_until
from lab.moves import Guest

OFFLINE = ["--offline", "--persistent"]
WAYS = {"offline": OFFLINE, "live": ["--live", "--persistent"], "transient": ["--live"]}


def rows(lab, number):
    """Each knows how the other's daemon is called."""
    other = lab.hosts[number == 0]
    return {"peer_uri": f"{other.name} {other.tcp_uri}"}


@pytest.fixture(scope="module")
def lab():
    lab = make_lab([None, None, None])
    for number, host in enumerate(lab.hosts):
        host.start_ferryd(rows(lab, number))
    yield lab
    lab.close()


@pytest.fixture
def guest(lab):
    guest = Guest(lab, name="still", append="")
    lab.hosts[0].virsh("define", guest.path())
    yield guest
    for host in lab.hosts:
        host.undrop()
        if not host.daemons:
            host.restart_ferryd()
        for word in ("destroy", "undefine"):
            host.virsh(word, guest.name, check=False)


def state(host):
    return host.virsh("domstate", "still", check=False).stdout.strip()


def leaves(lab, way="offline", led=()):
    """From the first host to the second, and there it is shut off."""
    one, two, _ = lab.hosts
    if way != "offline":
        one.virsh("start", "still")
    one.virsh("migrate", *WAYS[way], *led, "still", two.tcp_uri)
    if way != "offline":
        two.virsh("destroy", "still")


def refused(host, verb="start"):
    done = host.virsh(verb, "still", check=False)
    assert done.returncode == 1, done.stdout
    return done.stderr


@pytest.mark.parametrize("led", [(), ("--p2p",)], ids=["virsh", "p2p"])
@pytest.mark.parametrize("way", WAYS)
def test_it_starts_here_once_it_is_shut_off_there(lab, guest, way, led):
    one, two, _ = lab.hosts
    leaves(lab, way, led)
    one.virsh("start", "still")
    assert state(one) == "running"
    assert "given back by fedora2" in one.ferry("migration", "list", "--all").stdout
    if way == "transient":
        assert "still" not in two.virsh("list", "--all").stdout
        return
    assert "given to fedora1" in refused(two)
    one.restart_ferryd()
    assert state(one) == "running"
    one.virsh("destroy", "still")
    for host in (two, one, two):
        host.virsh("start", "still")
        assert "runs, or is paused" in refused(two if host is one else one)
        host.virsh("destroy", "still")


def test_it_is_refused_while_it_runs_there(lab, guest):
    one, two, _ = lab.hosts
    leaves(lab)
    two.virsh("start", "still")
    for _ in range(2):
        told = refused(one)
        assert re.search(r"domain 'still' given to fedora2 by migration [0-9a-f]{32}, and not given back: .*on host 'fedora2' domain 'still' runs, or is "
                         r"paused; if it must start here, make sure .*`ferry migration resolve still --here`", told), told
    two.virsh("suspend", "still")
    assert "runs, or is paused" in refused(one)
    assert "still" not in two.ferry("migration", "list").stdout
    two.virsh("destroy", "still")
    one.virsh("start", "still")


def test_it_is_refused_while_the_other_host_is_down(lab, guest):
    one, two, _ = lab.hosts
    leaves(lab)
    two.kill_daemon()
    told = refused(one)
    assert "given to fedora2" in told and "refused" in told and "`ferry migration resolve still --here`" in told, told
    two.restart_ferryd()
    one.virsh("start", "still")
    assert state(one) == "running"


def test_it_is_refused_where_nobody_can_be_asked(lab, guest):
    """Led by a client, and no row says how the other daemon is called."""
    one, two, _ = lab.hosts
    leaves(lab)
    one.stop_daemon("ferryd")
    one.start_ferryd()
    try:
        told = refused(one)
        assert "how its ferryd is called is not known here: a row `peer_uri`" in told and "resolve still --here" in told, told
    finally:
        one.stop_daemon("ferryd")
        one.start_ferryd(rows(lab, 0))
    one.virsh("start", "still")


@pytest.mark.parametrize("first", ["fedora1", "fedora2"])
def test_both_start_it_at_once(lab, guest, first):
    """Wherever it was last: exactly one of them has it, and the other says where it is."""
    one, two, _ = lab.hosts
    leaves(lab)
    if first == "fedora1":
        one.virsh("start", "still")
        one.virsh("destroy", "still")
    for _ in range(5):
        told = {}

        def start(host):
            told[host] = host.virsh("start", "still", check=False)

        threads = [threading.Thread(target=start, args=(host,)) for host in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winner = [host for host in (one, two) if told[host].returncode == 0]
        assert len(winner) == 1, [done.stderr for done in told.values()]
        assert [state(host) for host in (one, two)].count("running") == 1
        winner[0].virsh("destroy", "still")


def test_what_has_gone_on_to_a_third_host_is_not_given_back(lab, guest):
    one, two, three = lab.hosts
    leaves(lab)
    two.virsh("migrate", *OFFLINE, "still", three.tcp_uri)
    assert "'still' has moved on since: its last migration there was with fedora3" in refused(one)
    three.virsh("start", "still")
    assert "has moved on since" in refused(one)


def test_what_another_migration_has_brought_back_is_asked_for_there(lab, guest):
    one, two, _ = lab.hosts
    leaves(lab)
    two.virsh("migrate", *OFFLINE, "still", one.tcp_uri)
    one.virsh("start", "still")
    assert "given to fedora1" in refused(two) and "runs, or is paused" in refused(two)


def test_autostart_asks_too(lab, guest):
    one, two, _ = lab.hosts
    leaves(lab)
    one.virsh("autostart", "still")
    one.stop_daemon("ferryd")
    (one.folder / "run/ferry/autostarted").unlink()
    one.start_ferryd(rows(lab, 0))
    wait_until(lambda: state(one) == "running", "the autostart")
    assert "given to fedora1" in refused(two)
    one.virsh("destroy", "still")
    two.virsh("start", "still")
    one.stop_daemon("ferryd")
    (one.folder / "run/ferry/autostarted").unlink()
    one.start_ferryd(rows(lab, 0))
    wait_until(lambda: "autostart failed" in one.virsh("dominfo", "still").stdout, "the refusal")
    assert "runs, or is paused" in one.virsh("dominfo", "still").stdout and state(two) == "running"
