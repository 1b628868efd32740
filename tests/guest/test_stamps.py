# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the test guest leaves on a disk, between bare QEMUs: alone, over starts and moves, and with a second writer on purpose."""
import struct

import pytest
import stamps
from lab import guest, qemu
from lab.lab import wait_until
from stamps import Stamp
from ticks import Ticks


@pytest.fixture
def image(tmp_path):
    return stamps.create(tmp_path / "disk.raw")


def start(folder, image, locking="on", **more):
    return qemu.Qemu(folder, "-blockdev", f"driver=file,filename={image},node-name=disk,cache.direct=on,locking={locking}",
                     "-device", "virtio-blk-pci,drive=disk,bus=pcie.0,addr=0x10", kernel=guest.image(), append="tick=20 stamp=2", **more)


def reached(image, is_true):
    found = []

    def reads():
        found.append(stamps.read(image))
        return is_true(found[-1])

    wait_until(reads, "the stamp", 30)
    return found[-1]


def test_every_start_is_a_generation(tmp_path, image):
    before = Stamp()
    for generation in (1, 2, 3):
        with start(tmp_path / "a", image) as one, Ticks(20, {"one": one.serial}) as ticks:
            one.qmp("cont")
            stamp = reached(image, lambda now: now.generation == generation and now.tick >= 10)
            later = reached(image, lambda now: now.tick > stamp.tick)
            ticks.wait_line(f"disk: generation {generation}")
            assert stamps.harm(before, stamp) == stamps.harm(stamp, later) == "" and not ticks.errors
            before = stamps.read(image)
    assert before.generation == 3


def test_a_move_goes_on_where_it_was(tmp_path, image):
    with start(tmp_path / "a", image) as one, start(tmp_path / "b", image, incoming=True) as two, \
            Ticks(20, {"one": one.serial, "two": two.serial}) as ticks:
        one.qmp("cont")
        before = reached(image, lambda now: now.tick >= 10)
        qemu.migrate(one, two)
        ticks.wait("two", more=5)
        number = ticks.last().number
        after = reached(image, lambda now: now.tick > number)
        assert stamps.harm(before, after) == "" and after.generation == 1 and not ticks.errors


@pytest.mark.parametrize("how", ["doubled", "started"])
def test_a_second_writer_is_told_and_kept(tmp_path, image, how):
    """The same guest on both sides of a migration, alike to the last byte; or another start of it.  Which one finds it is left to chance."""
    with start(tmp_path / "a", image, "off") as one, start(tmp_path / "b", image, "off", incoming=how == "doubled") as two, \
            Ticks(20, {"one": one.serial, "two": two.serial}) as ticks:
        one.qmp("cont")
        reached(image, lambda now: now.tick >= 10)
        if how == "doubled":
            qemu.migrate(one, two)
            wait_until(lambda: one.qmp("query-status")["status"] == "postmigrate", "the end of it at the source")
            one.qmp("cont")
        else:
            two.qmp("cont")
        told = reached(image, lambda now: now.sign)
        assert "TWO WRITERS" in stamps.harm(told, told)
        ticks._wait_until(lambda: any("ERROR disk: generation" in error for error in ticks.errors), 30, "its own word")
    left = stamps.read(image)
    with start(tmp_path / "a", image) as one:
        one.qmp("cont")
        kept = reached(image, lambda now: now.generation == left.generation + 1)
        assert kept.sign == left.sign and "TWO WRITERS" in stamps.harm(left, kept)


def test_a_disk_that_is_put_back_is_told(tmp_path, image):
    """As one host sees it that has old content in a cache."""
    with start(tmp_path / "a", image) as one, Ticks(20, {"one": one.serial}) as ticks:
        one.qmp("cont")
        reached(image, lambda now: now.tick >= 10)
        one.qmp("stop")
        old, content = stamps.read(image), image.read_bytes()
        one.qmp("cont")
        newer = reached(image, lambda now: now.tick > old.tick)
        one.qmp("stop")
        image.write_bytes(content)
        assert "WENT BACK" in stamps.harm(newer, stamps.read(image))
        one.qmp("cont")
        assert f"found {old} in its place" in reached(image, lambda now: now.sign).sign
        ticks._wait_until(lambda: any("ERROR disk: generation 1" in error for error in ticks.errors), 30, "its own word")
        verdict = ticks.verdict()
        assert not (verdict.missing or verdict.doubled or verdict.disorder), verdict.complaint()      # its word is not taken for a tick


def test_without_a_disk_it_complains(tmp_path):
    with qemu.Qemu(tmp_path, kernel=guest.image(), append="tick=20 stamp=2") as one, Ticks(20, {"one": one.serial}) as ticks:
        one.qmp("cont")
        ticks.wait(more=3)
        assert ticks.errors == ["one: ERROR disk: there is none on the first bus"]


@pytest.mark.parametrize("before,now,word", [
    (Stamp(), Stamp(), ""),
    (Stamp(), Stamp(1, 7, 1), ""),
    (Stamp(1, 7, 9), Stamp(1, 7, 9), ""),
    (Stamp(1, 7, 9), Stamp(2, 8, 1), ""),
    (Stamp(1, 7, 9), Stamp(1, 7, 8), "WENT BACK"),
    (Stamp(2, 7, 1), Stamp(1, 7, 8), "WENT BACK"),
    (Stamp(1, 7, 9), Stamp(), "WENT BACK"),
    (Stamp(1, 7, 9), Stamp(1, 8, 10), "SAME GENERATION"),
    (Stamp(1, 7, 9), Stamp(1, 7, 10, "found another"), "TWO WRITERS"),
    (Stamp(1, 7, 9), Stamp(1, 7, 10, is_whole=False), "not whole"),
], ids=str)
def test_what_is_harm(before, now, word):
    told = stamps.harm(before, now)
    assert word in told and bool(told) == bool(word)


def test_what_is_no_stamp_is_not_whole():
    assert not stamps.decode(b"x" * stamps.SECTOR).is_whole and stamps.decode(bytes(stamps.SECTOR)) == Stamp()


# What is said of a disk beside the consoles.

def sector(generation, run=7, tick=0):
    words = struct.unpack("<127I", stamps.LAYOUT.pack(b"FERRYDSK", generation, run, tick, 0, 0, 0, 0).ljust(508, b"\0"))
    total = 0x811c9dc5
    for word in words:
        total = (total ^ word) * 0x01000193 & 0xffffffff
    return struct.pack("<128I", *words, total)


@pytest.fixture
def disk(image):
    """Its guest has told of a first generation, and has stamped tick 10."""
    disk = stamps.Disk(image, Ticks(20, {}))
    tell(disk, 1)
    put(disk, sector(1, tick=10))
    assert disk.complaint(10, 0) == ""
    return disk


def tell(disk, generation):
    disk.ticks.lines.append((0.0, "a", f"disk: generation {generation}"))


def put(disk, content):
    with open(disk.path, "r+b") as image:
        image.write(content)


def test_a_guest_that_ticks_has_to_stamp(disk):
    assert "told of generation 1 and since of tick 11" in disk.complaint(11, 0)
    assert disk.complaint() == ""       # of one that has crashed nothing more comes


def test_a_start_goes_on_in_a_generation_of_its_own(disk):
    tell(disk, 2)
    assert disk.complaint() == ""       # crashed before it wrote
    assert "told of generation 2" in disk.complaint(3, 0)
    put(disk, sector(2, run=8, tick=5))
    assert disk.complaint(3, 0) == disk.complaint() == ""


@pytest.mark.parametrize("tick", [None, 3])
def test_a_guest_that_nobody_has_seen_is_told(disk, tick):
    put(disk, sector(2, run=8, tick=5))
    assert "generation 2 (run 00000008) tick 5, while consoles have told of generation 1" in disk.complaint(tick, 0)
    put(disk, sector(3, run=9, tick=5))
    tell(disk, 3)
    assert "told of generations [1, 3]" in disk.complaint(tick, 0)


@pytest.mark.parametrize("content,word", [
    (sector(1, tick=9), "WENT BACK"),
    (bytes(stamps.SECTOR), "WENT BACK"),
    (sector(1, run=8, tick=11), "SAME GENERATION"),
    (sector(1, tick=11) + sector(1, tick=10), "TWO WRITERS"),
    (b"x" * stamps.SECTOR, "not whole"),
], ids=["older", "blank", "other", "signed", "garbage"])
def test_harm_stays(disk, content, word):
    put(disk, content)
    assert word in disk.complaint()
    put(disk, sector(1, tick=20) + bytes(stamps.SECTOR))
    assert word in disk.complaint(20, 0)
