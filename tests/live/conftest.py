# SPDX-License-Identifier: LGPL-2.1-or-later
"""Live tests need root, namespaces, QEMU and, each as it says, stock libvirtd or our own ferryd."""
import pytest
from lab.lab import Lab, Unavailable, require
from lab.moves import Guest


def make_lab(daemons, client=False, **more):
    """daemons: "ferryd", "libvirtd" or None per host."""
    try:
        require("qemu-system-x86_64", "virsh", *(["libvirtd", "virtlogd"] if "libvirtd" in daemons else []))
        lab = Lab(hosts=len(daemons), client=client, **more)
        if "ferryd" in daemons and not (lab.ferryd.exists() and lab.ferry.exists()):
            lab.close()
            raise Unavailable("ferryd or ferry is not built")
        lab.__enter__()
    except Unavailable as problem:
        pytest.skip(str(problem))
    try:
        for host, daemon in zip(lab.hosts, daemons):
            if daemon:
                host.start_daemon(daemon)
    except BaseException:
        lab.close()
        raise
    return lab


def lab_of(daemons, scope="module", **more):
    """The `lab` fixture of a module: make_lab's, closed behind the tests."""
    @pytest.fixture(scope=scope, name="lab")
    def fixture():
        lab = make_lab(daemons, **more)
        yield lab
        crashes = [text for host in lab.hosts for text in host.crashes()]
        lab.close()
        assert not crashes, crashes

    return fixture


class Started:
    """A guest that runs on a host, watched; what the `started` fixture makes."""

    def __init__(self, lab, host, **more):
        self.guest, self.host = Guest(lab, **more), host
        self.ticks = self.guest.ticks().__enter__()
        try:
            host.virsh("create", self.guest.path())
            self.ticks.wait(host.name, more=10)
        except BaseException:
            self.close(lab)
            raise

    def close(self, lab):
        self.ticks.__exit__(None, None, None)
        for host in lab.hosts:
            if host.daemons:
                host.virsh("destroy", self.guest.name, check=False)
                host.virsh("undefine", self.guest.name, check=False)


@pytest.fixture
def started(lab):
    """started(host, memory_mib=…, append=…): a running transient guest; gone after the test."""
    made = []

    def start(host, **more):
        made.append(Started(lab, host, **more))
        return made[-1]

    yield start
    for one in made:
        one.close(lab)


@pytest.fixture(params=["ferry", "virsh"])
def client(request, lab):
    """client(host, word, …): the command line on a host, with the daemon of that host (or uri) as its connection."""
    def argv(host, *words, uri=None):
        program = lab.ferry if request.param == "ferry" else "virsh"
        return [program, "-c", uri or host.socket_uri, *words]

    argv.name = request.param
    return argv


@pytest.fixture(autouse=True)
def fresh_names(request):
    """Every test begins with host names that do not resolve."""
    lab = request.getfixturevalue("lab") if "lab" in request.fixturenames else None
    yield
    for host in lab.all_hosts if lab else ():
        host.set_hosts({})
