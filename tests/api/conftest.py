# SPDX-License-Identifier: LGPL-2.1-or-later
"""API tests: the true clients are the judge.  Each test gets a ferryd of its own below a folder of its own.

--stock: the same tests against a stock libvirtd, to prove the tests; what is ferryd's own (mark `ours`) is left out."""
import pathlib
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from daemon import VIRSH, Daemon  # noqa: E402
from lab import guest  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--stock", action="store_true", help="run against a stock libvirtd")


def pytest_configure(config):
    config.addinivalue_line("markers", "ours: what only ferryd promises, or says in its own words")


def pytest_collection_modifyitems(config, items):
    if config.getoption("stock", False):
        for item in items:
            if item.get_closest_marker("ours"):
                item.add_marker(pytest.mark.skip(reason="ferryd's own"))


@pytest.fixture(scope="session")
def stock_host():
    from lab.lab import Lab
    with Lab(hosts=1) as lab:
        lab.hosts[0].run(["mkdir", "-p", "/run/lock"])      # where stock locks a console
        lab.hosts[0].start_libvirtd()
        yield lab.hosts[0]


@pytest.fixture
def make_daemon():
    """make_daemon(argument, …): a ferryd started with these arguments."""
    if not (guest.build_folder() / "src/ferryd/ferryd").exists():
        pytest.skip("ferryd is not built")
    if not pathlib.Path(VIRSH).exists():
        pytest.skip("stock virsh is not installed")
    made = []

    def make(*arguments):
        made.append(Daemon(arguments))
        return made[-1]

    yield make
    for it in made:
        it.clean()


@pytest.fixture
def daemon(request):
    if request.config.getoption("stock", False):
        from stock import StockDaemon
        it = StockDaemon(request.getfixturevalue("stock_host"))
        yield it
        it.clean()
    else:
        yield request.getfixturevalue("make_daemon")()


@pytest.fixture
def connection(daemon):
    """As python3-libvirt has it."""
    libvirt = pytest.importorskip("libvirt")
    libvirt.registerErrorHandler(lambda *_: None, None)
    it = libvirt.open(daemon.uri)
    yield it
    it.close()


@pytest.fixture(scope="session")
def libvirt_events():
    """python3-libvirt hears events from here on: its loop runs beside the tests."""
    libvirt = pytest.importorskip("libvirt")
    libvirt.registerErrorHandler(lambda *_: None, None)
    libvirt.virEventRegisterDefaultImpl()

    def run():
        while True:
            libvirt.virEventRunDefaultImpl()

    libvirt.virEventAddTimeout(100, lambda *_: None, None)
    threading.Thread(target=run, daemon=True).start()
