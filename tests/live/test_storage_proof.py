# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks that move along by being shared: proven by what one host writes beside the image and the other reads there."""
import os
import subprocess

import pytest
from conftest import lab_of, make_lab
from lab.moves import assert_moved, assert_stayed, move

WAYS = {"direct": ["--live"], "p2p": ["--live", "--p2p"], "tunnelled": ["--live", "--p2p", "--tunnelled"]}


lab = lab_of(["ferryd", "ferryd"])


@pytest.fixture(scope="module")
def mixed():
    lab = make_lab(["ferryd", "libvirtd"])
    yield lab
    lab.close()


def make_disk(lab, kind="qcow2"):
    """A folder with an image in it, and the disk element that names it."""
    folder = lab.shared / "images"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    image = folder / f"disk.{kind}"
    if not image.exists():
        subprocess.run(["qemu-img", "create", "-q", "-f", kind, image, "64M"], check=True)
    image.chmod(0o666)
    return image, (f"<disk type='file' device='disk'><driver name='qemu' type='{kind}'/>"
                   f"<source file='{image}'/><target dev='vda' bus='virtio'/></disk>")


def hide(host, folder, other):
    """On that host alone, the folder shows what lies in another one."""
    host.run(["mount", "--bind", other, folder])


def reveal(host, folder):
    host.run(["umount", folder])


def contents(folder):
    return sorted(os.listdir(folder))


def client(lab, program, host, *words):
    return [lab.ferry if program == "ferry" else "virsh", "-c", host.socket_uri, *words]


@pytest.mark.parametrize("program", ["ferry", "virsh"])
@pytest.mark.parametrize("way", WAYS)
def test_a_shared_disk_needs_no_unsafe(lab, started, program, way):
    one, two = lab.hosts
    image, disk = make_disk(lab)
    running = started(one, devices=disk)
    before = contents(image.parent)
    for source, destination in ((one, two), (two, one)):
        result = move(running.ticks, source, client(lab, program, source, "migrate", *WAYS[way], "qemu", destination.tcp_uri), destination)
        assert_moved(result, running.ticks, running.guest, source, destination)
    assert contents(image.parent) == before


@pytest.mark.parametrize("kind", ["qcow2", "raw"])
@pytest.mark.parametrize("program", ["ferry", "virsh"])
def test_another_file_of_that_name_is_refused(lab, started, program, kind):
    one, two = lab.hosts
    image, disk = make_disk(lab, kind)
    running = started(one, devices=disk)
    other = lab.folder / "other"
    subprocess.run(["cp", "-a", image.parent, other], check=True)
    before = contents(image.parent)
    hide(two, image.parent, other)
    try:
        result = move(running.ticks, one, client(lab, program, one, "migrate", "--live", "qemu", two.tcp_uri))
    finally:
        reveal(two, image.parent)
    assert "Unsafe migration: Migration without shared storage is unsafe: disk 'vda'" in result.output
    assert "is not the same file as at the source" in result.output
    assert_stayed(result, running.ticks, running.guest, one, two)
    assert contents(image.parent) == before and contents(other) == before
    subprocess.run(["rm", "-r", other], check=True)


def test_a_missing_image_is_named(lab, started):
    one, two = lab.hosts
    image, disk = make_disk(lab)
    running = started(one, devices=disk)
    before = contents(image.parent)
    empty = lab.folder / "empty"
    empty.mkdir()
    hide(two, image.parent, empty)
    try:
        result = move(running.ticks, one, client(lab, "virsh", one, "migrate", "--live", "qemu", two.tcp_uri))
    finally:
        reveal(two, image.parent)
    assert f"disk 'vda' cannot be used here: cannot open '{image}'" in result.output
    assert_stayed(result, running.ticks, running.guest, one, two)
    assert contents(image.parent) == before


@pytest.mark.parametrize("program,way", [("ferry", "direct"), ("ferry", "p2p"), ("virsh", "direct"), ("virsh", "p2p")])
def test_a_stock_destination_can_prove_nothing(mixed, started_mixed, program, way):
    one, two = mixed.hosts
    image, disk = make_disk(mixed)
    running = started_mixed(one, devices=disk)
    before, owner = contents(image.parent), image.stat().st_uid
    result = move(running.ticks, one, client(mixed, program, one, "migrate", *WAYS[way], "qemu", two.tcp_uri))
    assert "Unsafe migration: Migration without shared storage is unsafe" in result.output and "--unsafe" in result.output
    assert_stayed(result, running.ticks, running.guest, one, two)
    assert contents(image.parent) == before and image.stat().st_uid == owner


@pytest.fixture
def started_mixed(mixed):
    from conftest import Started
    made = []
    yield lambda host, **more: made.append(Started(mixed, host, **more)) or made[-1]
    for one in made:
        one.close(mixed)


def test_what_a_killed_daemon_left_is_removed(lab):
    """The nonce of a check that its daemon did not survive: the note of it is found at the next start."""
    one, _ = lab.hosts
    image, _ = make_disk(lab)
    nonce = image.parent / f".ferry-{'0' * 32}-0123456789abcdef"
    nonce.write_text("x")
    note = one.folder / "var/lib/ferry/nonces" / ("0" * 32)
    note.write_text(str(nonce))
    one.restart_ferryd()
    from lab.lab import wait_until
    wait_until(lambda: not nonce.exists() and not note.exists(), "the removal", 5)
