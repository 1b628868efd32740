#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make demo: a Linux guest moves between two hosts, by every command of the story, and counts on.

The hosts are namespaces on this machine (fedora1 192.168.122.11, fedora2 192.168.122.12); the
machine's own network, services and files stay as they are.  The name of the destination is first
unknown, then, as many installers leave it, mapped to 127.0.1.1, then right.

demo.py [--build DIR] [--daemon ferryd|libvirtd] [--client ferry|virsh] [--from client] [--quick]
"""
import argparse
import pathlib
import re
import shlex
import shutil
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "guest")]

from lab import linux, moves                            # noqa: E402
from lab.lab import Lab, TOP, Unavailable, become_root, wait_until   # noqa: E402

WAYS = (
    ("as it stands", [], None),
    ("live", ["--live"], None),
    ("to an address", ["--live"], "tcp://{address}"),
    ("to an address and a port", ["--live"], "tcp://{address}:12345"),
    ("host to host", ["--live", "--p2p"], None),
    ("host to host, in a tunnel", ["--live", "--p2p", "--tunnelled"], None),
)
NAMES = (
    ("does not resolve", lambda _source, _destination: {}),
    ("is mapped to 127.0.1.1", lambda _source, destination: {"127.0.1.1": destination.name}),
)
RIGHT = ("resolves to the right address", lambda _source, destination: {destination.address: destination.name})
DEVICES = """<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <interface type='user'><mac address='52:54:00:5d:1c:e0'/><model type='virtio'/></interface>"""

is_terminal = sys.stdout.isatty()


def paint(text, code):
    return f"\x1b[{code}m{text}\x1b[0m" if is_terminal else text


def say(text=""):
    print(text, flush=True)


class Story:
    def __init__(self, lab, guest, ticks, arguments):
        self.lab, self.guest, self.ticks, self.arguments = lab, guest, ticks, arguments
        self.done, self.failed = 0, []

    def tell(self, title, names, words, target, source, destination):
        for host in self.lab.all_hosts:
            host.set_hosts(names(source, destination))
        uri = [target.format(address=destination.address)] if target else []
        tail = ["migrate", self.guest.name, destination.tcp_uri, *uri, *words]
        where = self.lab.client if self.arguments.sender == "client" else source
        connect = ["-c", source.tcp_uri] if where is self.lab.client else []
        client = self.arguments.client
        say(f"{where.name} $ {paint(shlex.join([client, *connect, *tail]), 1)}")
        program = self.lab.ferry if client == "ferry" else client
        before = self.ticks.last().number
        with destination.watch_connections() as seen:
            result = moves.move(self.ticks, where, [program, *connect, *tail], destination, settle_ticks=10)
        for line in result.output.splitlines():
            say(f"    {line}")
        complaint = self.judge(result, source, destination, target, seen)
        self.done += 1
        if complaint:
            self.failed.append(f"{title}: {complaint}")
            say(paint(f"    FAILED: {complaint}", 31))
        else:
            gaps = f"downtime {result.downtime_ms:.0f} ms (idle, the longest gap is {self.idle_gap_ms:.0f} ms more than a tick)"
            say(paint(f"    counts on at {destination.name} from {before} to {self.ticks.last().number}, no tick lost, "
                      f"{gaps}, {result.wall_s:.2f} s; {source.name}: no trace", 32))

    def judge(self, result, source, destination, target, seen):
        if result.status:
            return f"exit status {result.status}"
        if not result.verdict.is_sound:
            return result.verdict.complaint()
        try:
            wait_until(lambda: not moves.traces(source, self.guest), "", 5)
        except TimeoutError:
            return f"{source.name} still has {', '.join(moves.traces(source, self.guest))}"
        port = re.search(r":(\d+)$", target or "")
        if port and int(port.group(1)) not in {row[3] for row in seen if row[2] == destination.address}:
            return f"no connection to port {port.group(1)} was seen on the wire"
        return None

    def measure_idle(self):
        """The guest's own rhythm: its count is a sleep and a bit of work, so the tick is what it measures."""
        since = self.ticks.mark()
        self.ticks.wait(more=25)
        ticks = self.ticks.ticks[since:]
        gaps = sorted((after.at - before.at) * 1000 for before, after in zip(ticks, ticks[1:]))
        self.ticks.tick_ms = gaps[len(gaps) // 2]
        self.idle_gap_ms = gaps[-1] - self.ticks.tick_ms


def run(arguments):
    began = time.monotonic()
    build = pathlib.Path(arguments.build).resolve()
    kernel, initrd = linux.prepare(build / "demo")
    with Lab(hosts=2, client=True, build=build) as lab:
        one, two = lab.hosts
        for path in (kernel, initrd):
            shutil.copy(path, lab.shared / path.name)
        for host in lab.hosts:
            host.start_daemon(arguments.daemon)
            host.set_default_uri()
        say(f"Two hosts on this machine: {one.name} {one.address}, {two.name} {two.address}, each with {arguments.daemon}.")
        guest = moves.Guest(lab, memory_mib=256, tick_ms=linux.TICK_MS, kernel=lab.shared / kernel.name, initrd=lab.shared / initrd.name,
                            append="console=ttyS0 quiet panic=-1", devices=DEVICES)
        with guest.ticks() as ticks:
            one.virsh("create", guest.path())
            ticks.wait(one.name, more=5, timeout_s=60)
            for _, _, line in ticks.lines:
                if line.startswith("guest:"):
                    say(f"The guest '{guest.name}' runs on {one.name}: {line[7:]}; it counts ten times a second.")
            story = Story(lab, guest, ticks, arguments)
            story.measure_idle()
            tell_all(story, one, two, arguments)
        seconds = time.monotonic() - began
    for line in story.failed:
        say(paint(f"failed: {line}", 31))
    say(f"\n{story.done - len(story.failed)} of {story.done} migrations arrived, in {seconds:.0f} s.")
    return 1 if story.failed else 0


def tell_all(story, one, two, arguments):
    for what, names in NAMES[:1] if arguments.quick else NAMES:
        for title, words, target in WAYS:
            say(f"\n{paint(f'The host name of the destination {what}; {title}', 4)}")
            story.tell(f"{what}, {title}", names, words, target, one, two)
            if story.ticks.last().host == two.name:
                story.tell(f"{what}, {title}, back", names, words, target, two, one)
    what, names = RIGHT
    say(f"\n{paint(f'The host name of the destination {what}', 4)}")
    story.tell(what, names, ["--live"], None, one, two)
    if story.ticks.last().host == two.name:
        story.tell(f"{what}, back", names, ["--live"], None, two, one)


def main():
    parser = argparse.ArgumentParser(description="A guest moves between two hosts on this machine.")
    parser.add_argument("--build", default=str(TOP / "build"))
    parser.add_argument("--daemon", choices=("ferryd", "libvirtd"), default="ferryd")
    parser.add_argument("--client", choices=("ferry", "virsh"), default="ferry")
    parser.add_argument("--from", dest="sender", choices=("source", "client"), default="source")
    parser.add_argument("--quick", action="store_true", help="only the name that does not resolve")
    arguments = parser.parse_args()
    become_root("demo")
    try:
        return run(arguments)
    except (Unavailable, linux.Missing) as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
