# SPDX-License-Identifier: LGPL-2.1-or-later
"""Only a definition moves (`migrate --offline --persistent`): no image, but the same question: where is the guest now?"""
import contextlib
import shutil
import signal
import subprocess

import pytest
from conftest import make_lab
from lab.lab import end, wait_until
from lab.moves import Guest

IMPATIENT = "keepalive_interval = 1\nkeepalive_count = 2\n"
PAIRS = {"ours": ("ferryd", "ferryd"), "to-stock": ("ferryd", "libvirtd"), "from-stock": ("libvirtd", "ferryd")}
LED = {"virsh": ["virsh", "-k", "1", "-K", "2"], "ferry": ["ferry"], "p2p": ["virsh", "--p2p"]}
MOVES = ["--undefinesource"]


def start(host, kind):
    if kind == "ferryd":
        host.start_ferryd({"keepalive_interval": "1", "keepalive_count": "2", "incoming_timeout": "5"})
    else:
        host.start_libvirtd(libvirtd_conf=IMPATIENT, qemu_conf=IMPATIENT)


@pytest.fixture(scope="module", params=PAIRS)
def lab(request):
    if "libvirtd" in PAIRS[request.param] and not shutil.which("libvirtd"):
        pytest.skip("'libvirtd' is not installed")
    lab = make_lab([None, None])
    lab.kinds = PAIRS[request.param]
    for host, kind in zip(lab.hosts, lab.kinds):
        start(host, kind)
    yield lab
    lab.close()


@pytest.fixture
def guest(lab):
    one, two = lab.hosts
    guest = Guest(lab, name="still", append="")
    one.virsh("define", guest.path())
    yield guest
    two.run(["nft", "flush", "ruleset"])
    for host in lab.hosts:
        for word in ("destroy", "undefine"):
            host.virsh(word, guest.name, check=False)
        if host.name in known(lab) and lab.kinds[lab.hosts.index(host)] == "libvirtd":     # prepared, and never finished
            host.restart_libvirtd()


def argv(lab, led, *words, source=None, destination=None):
    source, destination = source or lab.hosts[0], destination or lab.hosts[1]
    client, *options = LED[led]
    more = [word for word in options if word == "--p2p"]
    return [lab.ferry if client == "ferry" else client, *[word for word in options if word != "--p2p"], "-c", source.socket_uri, "migrate", "--offline",
            *more, *words, "still", destination.tcp_uri]


def migrate(lab, led, *words, **more):
    return lab.hosts[0].run(argv(lab, led, "--persistent", *words, **more), check=False)


def where(lab):
    """On which hosts it is defined."""
    return [host.name for host in lab.hosts if "still" in host.virsh("list", "--all", "--persistent", "--name").stdout.split()]


def known(lab):
    return [host.name for host in lab.hosts if "still" in host.virsh("list", "--all", "--name").stdout.split()]


def starts(host):
    """Once it is settled, which takes an answer."""
    wait_until(lambda: host.virsh("start", "still", check=False).returncode == 0, f"a start on {host.name}")


def is_ours(lab, number):
    return lab.kinds[number] == "ferryd"


def only(lab, *kinds):
    if lab.kinds != kinds:
        pytest.skip("between two of ours only")


@pytest.mark.parametrize("led", LED)
def test_the_definition_moves(lab, guest, led):
    one, two = lab.hosts
    text = one.virsh("dumpxml", "--inactive", "still").stdout
    done = migrate(lab, led, *MOVES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert known(lab) == where(lab) == ["fedora2"]
    assert two.virsh("domstate", "still").stdout.strip() == "shut off"
    assert two.virsh("domuuid", "still").stdout.strip() == guest.uuid
    assert f"<kernel>{guest.kernel}</kernel>" in text and f"<kernel>{guest.kernel}</kernel>" in two.virsh("dumpxml", "still").stdout
    two.virsh("start", "still")


@pytest.mark.parametrize("led", LED)
def test_the_definition_stays_too(lab, guest, led):
    """Here it has been given away then: it starts there, and here once that host has given it back, or if a person says so."""
    one, two = lab.hosts
    done = migrate(lab, led)
    assert done.returncode == 0, done.stdout + done.stderr
    assert where(lab) == ["fedora1", "fedora2"]
    two.virsh("start", "still")
    two.virsh("destroy", "still")
    if is_ours(lab, 0):
        refused = one.virsh("start", "still", check=False)
        if led == "p2p" and is_ours(lab, 1):
            assert refused.returncode == 0, refused.stderr
            return
        assert refused.returncode == 1 and "given to fedora2" in refused.stderr.replace("the other host", "fedora2"), refused.stderr
        assert ("a row `peer_uri` in ferryd.conf says it" in refused.stderr) or "a stock host cannot be asked" in refused.stderr, refused.stderr
        one.ferry("migration", "resolve", "still", "--here", "--confirm", "fedora2")
        one.virsh("start", "still")


def test_there_and_back(lab, guest):
    """And over an older definition of the same guest."""
    one, two = lab.hosts
    for source, destination in ((one, two), (two, one), (one, two)):
        done = source.run(argv(lab, "p2p", "--persistent", "--undefinesource", source=source, destination=destination), check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert known(lab) == where(lab) == [destination.name]


@pytest.mark.parametrize("led", ["virsh", "p2p"])
def test_another_name(lab, guest, led):
    done = migrate(lab, led, *MOVES, "--dname", "moved")
    assert done.returncode == 0, done.stderr
    assert known(lab) == [] and "moved" in lab.hosts[1].virsh("list", "--all", "--name").stdout
    lab.hosts[1].virsh("undefine", "moved")


REFUSALS = {
    "offline migration must be specified with the persistent flag set": [],
    "offline migration cannot handle non-shared storage": ["--persistent", "--copy-storage-all"],
    "tunnelled offline migration does not make sense": ["--persistent", "--p2p", "--tunnelled"],
}


@pytest.mark.parametrize("text", REFUSALS, ids=["transient", "storage", "tunnelled"])
def test_refused_as_stock_refuses(lab, guest, text):
    done = lab.hosts[0].run(argv(lab, "virsh", *REFUSALS[text]), check=False)
    assert done.returncode == 1 and text in done.stderr, done.stderr
    assert where(lab) == ["fedora1"]
    lab.hosts[0].virsh("start", "still")


@pytest.mark.parametrize("led", LED)
def test_a_destination_that_refuses(lab, guest, led):
    """The definition is where it was, and it starts there."""
    one, two = lab.hosts
    other = Guest(lab, name="still", append="")
    two.virsh("define", other.path())
    try:
        done = migrate(lab, led, *MOVES)
    finally:
        two.virsh("undefine", "still")
    assert done.returncode == 1 and other.uuid in done.stderr, done.stderr
    assert where(lab) == ["fedora1"]
    one.virsh("start", "still")


def test_a_running_guest_keeps_its_definition(lab, guest):
    """Else it could be started there, beside itself."""
    if not is_ours(lab, 0):
        pytest.skip("a stock source does as it likes")
    one, _ = lab.hosts
    one.virsh("start", "still")
    for led in LED:
        done = migrate(lab, led, *MOVES)
        assert done.returncode == 1 and "domain 'still' is running: an offline migration moves" in done.stderr, done.stderr
    assert where(lab) == ["fedora1"] and one.virsh("domstate", "still").stdout.strip() == "running"


# --- what goes wrong on the way ---

@contextlib.contextmanager
def in_the_dark(host):
    host.nft("add table inet dark\nadd chain inet dark input { type filter hook input priority 0; policy drop; }\n")
    yield
    host.nft("delete table inet dark\n")


@pytest.mark.parametrize("way,place", [("call", "fedora1"), ("out", "fedora2")], ids=["finish", "its-answer"])
def test_lost_between_two_of_ours(lab, guest, way, place):
    """The destination has refused, or taken it; the source asks, and does what the record says."""
    only(lab, "ferryd", "ferryd")
    one, two = lab.hosts
    two.cut_after_finish(way)
    done = migrate(lab, "p2p", *MOVES)
    assert (done.returncode == 0) == (place == "fedora2"), done.stderr
    wait_until(lambda: known(lab) == where(lab) == [place], f"the definition is on {place}")
    starts(lab.hosts[place == "fedora2"])


def test_another_host_that_answers_there_proves_nothing(request):
    """The address leads to a host that knows no such attempt: no reason to start it here."""
    lab = make_lab([None] * 3)
    request.addfinalizer(lab.close)
    for host in lab.hosts:
        start(host, "ferryd")
    one, two, three = lab.hosts
    one.set_hosts({two.address: "over-there"})
    one.virsh("define", Guest(lab, name="still", append="").path())
    two.cut_after_finish("out")
    with two.reached_once():
        client = one.popen(["virsh", "migrate", "--offline", "--persistent", "--p2p", "still", "qemu+tcp://over-there/system"])
        wait_until(lambda: where(lab) == ["fedora1", "fedora2"], "the definition is there")
        one.set_hosts({three.address: "over-there"})
    wait_until(lambda: "another host answers at 'qemu+tcp://over-there/system'" in one.virsh("dominfo", "still").stdout, "the doubt is told")
    refused = one.virsh("start", "still", check=False)
    assert refused.returncode == 1 and "outcome not yet known" in refused.stderr, refused.stderr
    one.set_hosts({two.address: "over-there"})
    assert client.wait(30) == 0


@pytest.mark.parametrize("killed", [0, 1], ids=["source", "destination"])
@pytest.mark.parametrize("way,place", [("call", "fedora1"), ("out", "fedora2")], ids=["finish", "its-answer"])
def test_a_daemon_dies(lab, guest, killed, way, place):
    """Before the destination has heard Finish, or after it has obeyed; its record decides."""
    only(lab, "ferryd", "ferryd")
    one, two = lab.hosts
    two.cut_after_finish(way)
    client = one.popen(argv(lab, "p2p", "--persistent", *MOVES), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if way == "out":
        wait_until(lambda: "fedora2" in where(lab), "the definition is there")
    else:
        wait_until(lambda: "fedora2" in known(lab), "it is prepared")
    host = lab.hosts[killed]
    host.kill_daemon("ferryd")
    host.restart_ferryd()
    try:
        client.wait(30)
    finally:
        end(client, signal.SIGKILL)
    wait_until(lambda: known(lab) == where(lab) == [place], f"the definition is on {place}")
    starts(lab.hosts[place == "fedora2"])


def test_the_leading_client_dies(lab, guest):
    """Nobody can be asked then: the source says what a person is to look at, and what to do."""
    if not is_ours(lab, 0):
        pytest.skip("a stock source keeps no record")
    one, two = lab.hosts
    two.cut_after_finish("out")
    client = one.popen(argv(lab, "virsh", "--persistent", *MOVES), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: "fedora2" in where(lab), "the definition is there")
    end(client, signal.SIGKILL)
    wait_until(lambda: "its definition may have moved to" in one.virsh("dominfo", "still").stdout, "the doubt is told")
    for verb in ("start", "undefine"):
        refused = one.virsh(verb, "still", check=False)
        assert refused.returncode == 1 and "its definition may have moved to" in refused.stderr, refused.stderr
    one.restart_ferryd()
    assert "its definition may have moved to" in one.virsh("dominfo", "still").stdout
    one.ferry("migration", "resolve", "still", "--there", "--confirm", "fedora2")
    assert known(lab) == ["fedora2"]


def test_a_stock_clients_word_counts(lab, guest):
    """U2: it was told nothing, says that it was cancelled, and the source can ask nobody."""
    if not is_ours(lab, 0):
        pytest.skip("a stock source keeps no record")
    one, two = lab.hosts
    two.cut_after_finish("call")
    done = migrate(lab, "virsh", *MOVES)
    assert done.returncode == 1
    wait_until(lambda: where(lab) == ["fedora1"], "it stays")
    starts(one)


def test_ferry_does_not_guess(lab, guest):
    """The connection breaks with the answer on its way: the source is told nothing, and a person looks."""
    if not is_ours(lab, 0):
        pytest.skip("a stock source keeps no record")
    one, two = lab.hosts
    two.cut_after_finish("out")
    client = one.popen(argv(lab, "ferry", "--persistent", *MOVES), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(lambda: "fedora2" in where(lab), "the definition is there")
    one.run(["ss", "-K", "dst", two.address, "dport", "=", ":16509"])
    output, _ = client.communicate(timeout=20)
    assert client.returncode == 1, output
    wait_until(lambda: "its definition may have moved to" in one.virsh("dominfo", "still").stdout, "the doubt is told")
    assert one.virsh("start", "still", check=False).returncode == 1
    one.ferry("migration", "resolve", "still", "--there", "--confirm", "fedora2")
    assert known(lab) == ["fedora2"]


def test_a_lost_answer_of_a_stock_host(lab, guest):
    """Peer-to-peer, too: a definition that is found there may have been there before, so a person looks."""
    only(lab, "ferryd", "libvirtd")
    one, two = lab.hosts
    two.cut_after_finish("out")
    assert migrate(lab, "p2p", *MOVES).returncode == 1
    # virsh may have dropped the reason: it looks at the job twice a second, and forgets any error when a guest is off
    refused = one.virsh("start", "still", check=False)
    assert refused.returncode == 1 and "its definition may have moved to fedora2" in refused.stderr, refused.stderr
    one.ferry("migration", "resolve", "still", "--there", "--confirm", "fedora2")
    assert where(lab) == ["fedora2"]
