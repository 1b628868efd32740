# SPDX-License-Identifier: LGPL-2.1-or-later
"""One image, one writer: what a guest of this host uses, another does not get; QEMU's own locks name their holder."""
import contextlib
import json
import os
import subprocess

import pytest
from conftest import lab_of
from lab.lab import PYTHON, wait_until
from lab.moves import Guest, assert_moved, assert_stayed, move

# What QEMU 7.2 locks of an image's file: byte 100 + n says "I do that", byte 200 + n "nobody else may".
NOBODY_ELSE_WRITES = 201


lab = lab_of(["ferryd", "ferryd"])


def image(lab, name, kind="raw", base=None):
    folder = lab.shared / "images"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    path = folder / name
    if not path.exists():
        below = ["-b", str(base), "-F", base.suffix[1:]] if base else []
        subprocess.run(["qemu-img", "create", "-q", "-f", kind, *below, path, "16M"], check=True)
        path.chmod(0o666)
    return path


def disk(path, kind=None, more=""):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='{kind or path.suffix[1:]}'/>"
            f"<source file='{path}'/><target dev='vda' bus='virtio'/>{more}</disk>")


def refused(host, guest):
    """The complaint of a start that must fail, and that nothing has been touched for it."""
    before = host.qemus()
    done = host.virsh("create", guest.path(), check=False)
    assert done.returncode, f"'{guest.name}' has started"
    assert host.qemus() == before and guest.name not in host.virsh("list", "--all", "--name").stdout.split()
    return done.stderr


HOLD = """import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, int(sys.argv[2]), 1, 0))
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def locked(host, path, byte=NOBODY_ELSE_WRITES):
    """Holds one of QEMU's locks on that host, as a QEMU would that ferryd knows nothing of."""
    holder = host.popen([PYTHON, "-I", "-c", HOLD, path, byte], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"

    def release():
        holder.stdin.close()
        holder.wait(20)

    try:
        yield release
    finally:
        release()
        holder.stdout.close()


@pytest.fixture
def paused(lab):
    """paused(host, name, devices): a guest that holds its images and does nothing; gone after the test."""
    made = []

    def start(host, name, devices):
        host.virsh("create", "--paused", Guest(lab, name=name, memory_mib=16, devices=devices).path())
        made.append((host, name))

    yield start
    for host, name in made:
        host.virsh("destroy", name, check=False)


def test_an_image_in_use_is_refused_under_every_name(lab, paused):
    one, two = lab.hosts
    path = image(lab, "disk.raw")
    linked, soft, other = (path.with_name(name) for name in ("hard.raw", "soft.raw", "mounted"))
    os.link(path, linked)
    soft.symlink_to(path.name)
    other.mkdir()
    paused(one, "owner", disk(path))
    one.run(["mount", "--bind", path.parent, other])
    try:
        for name in (path, linked, soft, other / path.name):
            said = refused(one, Guest(lab, name="intruder", devices=disk(name)))
            assert f"image '{name}' of disk 'vda' is in use by disk 'vda' of guest 'owner'" in said, said
            assert "shut guest 'owner' down, or mark the disk <shareable/>" in said, said
        # A daemon that starts anew knows it again.
        one.restart_ferryd()
        wait_until(lambda: "is in use by" in refused(one, Guest(lab, name="intruder", devices=disk(linked))), "the claim")
    finally:
        one.run(["umount", other])
    # A copy is another image, and once its user has gone everybody may have it.
    paused(one, "copied", disk(image(lab, "copy.raw")))
    one.virsh("destroy", "owner")
    paused(one, "intruder", disk(linked))


def test_those_who_share_agree_and_a_base_is_read_by_many(lab, paused):
    one, _ = lab.hosts
    shared, base = image(lab, "shared.raw"), image(lab, "base.raw")
    middle = image(lab, "middle.qcow2", "qcow2", base)
    over = [image(lab, "over1.qcow2", "qcow2", base), image(lab, "over2.qcow2", "qcow2", middle)]
    paused(one, "first", disk(shared, more="<shareable/>"))
    paused(one, "second", disk(shared, more="<shareable/>"))
    assert "guest 'first'" in refused(one, Guest(lab, name="third", devices=disk(shared)))
    for number, path in enumerate(over):
        paused(one, f"overlay{number}", disk(path))
    said = refused(one, Guest(lab, name="writer", devices=disk(base)))
    assert f"image '{base}', which disk 'vda' would write to, is the base of disk 'vda' of guest 'overlay0'" in said, said
    assert "qemu-img create" in said
    one.virsh("destroy", "overlay0")
    assert "is the base of disk 'vda' of guest 'overlay1'" in refused(one, Guest(lab, name="writer", devices=disk(base)))
    paused(one, "reader", disk(base, more="<readonly/>"))
    vain = disk(over[1], more="<shareable/>")
    assert "only raw images can be shared" in refused(one, Guest(lab, name="vain", devices=vain))


def test_prepare_and_the_rehearsal_say_who_uses_it(lab, started, paused):
    one, two = lab.hosts
    path = image(lab, "moving.raw")
    running = started(one, name="mover", devices=disk(path))
    argv = ["virsh", "-c", one.socket_uri, "migrate", "--live", "mover", two.tcp_uri]
    # The storage is one for the kernel here, so its locks keep the image from a second guest wherever it runs: on the
    # other host that path is a copy meanwhile.
    other = lab.folder / "other-images"
    subprocess.run(["cp", "-a", path.parent, other], check=True)
    two.run(["mount", "--bind", other, path.parent])
    try:
        paused(two, "blocker", disk(path))
        rows = two.ferry("migrate", "--check", "mover", two.tcp_uri, uri=one.socket_uri, check=False)
        assert rows.returncode and "in use by disk 'vda' of guest 'blocker'" in rows.stdout, rows.stdout
        result = move(running.ticks, one, argv)
        assert result.status and "in use by disk 'vda' of guest 'blocker': shut guest 'blocker' down" in result.output
        two.virsh("destroy", "blocker")
        assert_stayed(result, running.ticks, running.guest, one, two)
    finally:
        two.run(["umount", path.parent])
    result = move(running.ticks, one, argv, two)
    assert_moved(result, running.ticks, running.guest, one, two)


def test_a_held_lock_keeps_the_guest_at_its_source(lab, started):
    """The destination's `cont` is refused, so is the source's: it is tried until the holder has gone, by a new daemon too."""
    one, two = lab.hosts
    path = image(lab, "held.raw")
    running = started(one, name="held", devices=disk(path))
    since = running.ticks.mark()
    with locked(one, path) as release:
        done = one.run(["virsh", "-c", one.socket_uri, "migrate", "--live", "--p2p", "held", two.tcp_uri], check=False)
        assert done.returncode and f"image '{path}' is locked, and by no process of this host" in done.stderr, done.stderr
        wait_until(lambda: "and cannot go on yet" in one.ferry("domstate", "--reason", "held").stdout +
                   one.virsh("dominfo", "held").stdout, "the word that it is tried on")
        assert one.virsh("domstate", "held").stdout.strip() == "paused"
        told = json.loads(one.ferry("domstate", "--json", "held").stdout)
        assert told["doubt"] is None and "and cannot go on yet" in told["kept"], told
        assert f"image '{path}' is locked by process" in one.log() and "(python3) of this host: end that" in one.log()
        one.restart_ferryd()
        assert one.virsh("domstate", "--reason", "held").stdout.strip() == "paused (migrating)"
        release()
    running.ticks.wait(one.name, more=10)
    wait_until(lambda: one.virsh("domstate", "held").stdout.strip() == "running", "the guest to go on")
    wait_until(lambda: not two.qemus(), "the end of QEMU at the destination")
    verdict = running.ticks.verdict(since)
    assert verdict.is_sound, verdict.complaint()


def test_a_start_names_the_holder(lab):
    one, _ = lab.hosts
    path = image(lab, "resumed.raw")
    with locked(one, path):
        said = refused(one, Guest(lab, name="late", devices=disk(path)))
        assert f"image '{path}' is locked by process " in said and "(python3" in said, said
