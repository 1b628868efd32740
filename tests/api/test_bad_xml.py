# SPDX-License-Identifier: LGPL-2.1-or-later
"""Definitions that nobody should write: refused with a sentence, quickly, and nothing is kept."""
import threading
import time

import pytest

libvirt = pytest.importorskip("libvirt")

from daemon import problem_of  # noqa: E402
from wire import Wire  # noqa: E402

XML_CODES = (1, 8, 27, 35)      # what stock uses for XML that cannot be read, or is not a domain
UNSUPPORTED_CODES = (1, 8, 27, 67, 84, 74)


def refusal(connection, xml):
    return problem_of(connection.defineXML, xml)


MALFORMED = {
    "nothing": "",
    "blank": " \n",
    "no markup": "hello",
    "cut in a tag": "<domain",
    "cut behind a tag": "<domain type='qemu'>",
    "wrong end": "<domain type='qemu'><name>x</domain></name>",
    "two roots": "<domain type='qemu'/><domain type='qemu'/>",
    "attribute twice": "<domain type='qemu' type='kvm'/>",
    "naked ampersand": "<domain type='qemu'><name>a & b</name></domain>",
    "unknown entity": "<domain type='qemu'><name>&nope;</name></domain>",
    "control character": "<domain type='qemu'><name>a\x01b</name></domain>",
    "another root": "<network><name>x</name></network>",
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed(connection, what):
    problem = refusal(connection, MALFORMED[what])
    assert problem.get_error_code() in XML_CODES + (17,), problem
    assert len(problem.get_error_message()) > 10
    assert connection.listAllDomains() == []


@pytest.mark.ours
@pytest.mark.parametrize("text", [
    "<!DOCTYPE domain><domain type='qemu'/>",
    "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain type='qemu'><name>&a;</name></domain>",
    "<!DOCTYPE domain SYSTEM 'file:///etc/passwd'><domain type='qemu'/>",
    "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]>"
    "<domain type='qemu'><name>&c;</name></domain>"])
def test_a_doctype_is_refused_whatever_it_says(connection, text):
    problem = refusal(connection, text)
    assert "doctype" in problem.get_error_message().lower()


@pytest.mark.ours
def test_limits_are_named(daemon, connection):
    good = daemon.xml()
    assert "64" in refusal(connection, good.replace("<features>", "<metadata>" + "<a>" * 70 + "</a>" * 70 + "</metadata><features>")).get_error_message()
    many = refusal(connection, good.replace("<features>", "<metadata>" + "<a/>" * 50001 + "</metadata><features>"))
    assert "50000" in many.get_error_message().replace(",", "").replace(" ", "")
    large = refusal(connection, good.replace("<features>", f"<description>{'x' * 1048577}</description><features>"))
    assert "1 MiB" in large.get_error_message() or "1048576" in large.get_error_message()
    deep = refusal(connection, "<a>" * 100000)
    assert deep.get_error_message()
    assert connection.listAllDomains() == []


@pytest.mark.parametrize("old,new", [
    ("<memory unit='MiB'>64</memory>", "<memory unit='MiB'>much</memory>"),
    ("<memory unit='MiB'>64</memory>", "<memory unit='parsec'>64</memory>"),
    ("<memory unit='MiB'>64</memory>", "<memory unit='KiB'>99999999999999999999</memory>"),
    ("<memory unit='MiB'>64</memory>", ""),
    pytest.param("<vcpu>1</vcpu>", "<vcpu>-1</vcpu>", marks=pytest.mark.ours),      # ends a stock 9.0.0 daemon
    ("<vcpu>1</vcpu>", "<vcpu>many</vcpu>"),
    ("<vcpu>1</vcpu>", "<vcpu>999999999999</vcpu>"),
    (">hvm<", ">mystery<"),
    ("type='qemu'", "type='nonsense'"),
    ("machine='q35'", "machine='toaster'"),
    ("arch='x86_64'", "arch='pdp11'"),
])
def test_values_of_the_wrong_kind(daemon, connection, old, new):
    xml = daemon.xml()
    assert old in xml
    problem = refusal(connection, xml.replace(old, new))
    assert problem.get_error_code() in XML_CODES + UNSUPPORTED_CODES, problem
    assert connection.listAllDomains() == []


@pytest.mark.parametrize("name", ["", "a/b", "/"])
def test_names_that_cannot_be_files(daemon, connection, name):
    refusal(connection, daemon.xml().replace(daemon.name(), name))


@pytest.mark.ours
@pytest.mark.parametrize("name", ["x" * 256, "a\tb", "a&#10;b"])
def test_names_that_nobody_should_use(daemon, connection, name):
    assert "name" in refusal(connection, daemon.xml().replace(daemon.name(), name)).get_error_message()


@pytest.mark.ours
@pytest.mark.parametrize("device", ["<hostdev mode='subsystem' type='usb'/>", "<video><model type='qxl'/></video>", "<filesystem type='mount'/>",
                                    "<graphics type='spice'/>", "<channel type='spicevmc'/>", "<tpm model='tpm-tis'/>", "<shmem name='a'/>",
                                    "<frobnicator/>"])
def test_what_is_not_supported_is_refused_by_name(daemon, connection, device):
    word = device[1:].split()[0].split("/")[0].split(">")[0]
    assert word in refusal(connection, daemon.xml(more=device)).get_error_message()


def test_others_are_not_held_up(daemon, connection):
    """While one client sends nonsense without pause, another's calls stay quick."""
    xml = daemon.xml().replace("<features>", "<metadata>" + "<a>x</a>" * 40000 + "</metadata><features>") + "<rest"
    stop = threading.Event()

    def annoy():
        other = libvirt.open(daemon.uri)
        while not stop.is_set():
            try:
                other.defineXML(xml)
            except libvirt.libvirtError:
                pass
        other.close()

    worker = threading.Thread(target=annoy)
    worker.start()
    took = []
    try:
        with Wire(daemon.socket) as client:
            for _ in range(60):
                began = time.monotonic()
                client.hostname()
                took.append(time.monotonic() - began)
                time.sleep(0.01)
    finally:
        stop.set()
        worker.join()
    took.sort()
    assert took[len(took) // 2] < 0.15, took
    assert took[-1] < 1.5, took
