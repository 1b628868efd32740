# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that stamps a shared disk, there and back: what is on the disk is what one running guest has written, without a gap or a step back."""
import pytest
import stamps
from conftest import lab_of
from lab.moves import STAMPED_DISK, assert_moved, move

lab = lab_of(["ferryd", "ferryd"])
WAYS = {"direct": [], "p2p": ["--p2p"]}


@pytest.mark.parametrize("way", WAYS)
def test_there_and_back(lab, started, way):
    one, two = lab.hosts
    image = stamps.create(lab.shared / f"{way}.raw")
    running = started(one, append="stamp=2", devices=STAMPED_DISK.format(image))
    disk = stamps.Disk(image, running.ticks)
    for source, destination in ((one, two), (two, one)):
        words = ["migrate", "--live", *WAYS[way], "qemu", destination.tcp_uri]
        result = move(running.ticks, source, ["virsh", "-c", source.socket_uri, *words], destination)
        assert_moved(result, running.ticks, running.guest, source, destination)
        complaint = disk.complaint(running.ticks.last().number, 20)
        assert not complaint, complaint
    assert disk.stamp.generation == 1
