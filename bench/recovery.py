# SPDX-License-Identifier: LGPL-2.1-or-later
"""How soon a host knows again: a daemon that was killed, and a link that was cut in the hand-over and came back."""
import contextlib
import os
import signal
import time

import rpc
from daemons import socket_of
from lab import moves
from lab.lab import Lab, wait_until
from many import crowd

GUESTS = 100
RUNNING = 1
CUTS_S = (3, 40)            # shorter, and longer than keepalive waits for an answer
PATIENCE_S = 25             # after the link is back; who has not settled by then waits for a person


# --- a killed daemon

@contextlib.contextmanager
def crowded(daemon, guests=GUESTS):
    """A host on which that many tiny guests tick."""
    with crowd.Crowd(guests, hosts=1, daemon=daemon) as made:
        made.start()
        yield made.lab.hosts[0]


def answers_ms(host, daemon, guests):
    """From spawning the daemon to the first answer and to the state of every guest, asked over one connection."""
    began = time.perf_counter()
    host.spawn_daemon(daemon)
    first = None
    while True:
        try:
            with rpc.Client(socket_of(host, daemon)) as client:
                domains = client.domains()
                first = first or (time.perf_counter() - began) * 1000
                if len(domains) == guests and all(client.state(domain)[0] == RUNNING for domain in domains):
                    return first, (time.perf_counter() - began) * 1000
        except (OSError, EOFError, rpc.Failure):
            pass
        if time.perf_counter() - began > 60:
            raise RuntimeError(f"{daemon} did not tell the state of {guests} guests within a minute of its start")
        time.sleep(0.001)


def killed(daemon, rounds, guests=GUESTS):
    """[(first answer, every state)] in milliseconds."""
    found = []
    with crowded(daemon, guests) as host:
        for _ in range(rounds):
            host.kill_daemon(daemon)
            found.append(answers_ms(host, daemon, guests))
            time.sleep(1)       # what it does behind the first answers is none of the next start's
    return found


# --- a cut link

def where(lab, name):
    """{host: state} of those that list it."""
    return {host.name: host.virsh("domstate", name, check=False).stdout.strip() for host in lab.hosts
            if name in host.virsh("list", "--all", "--name").stdout.split()}


def cut(cut_s, mode):
    """The destination takes GO in when nobody can hear its answer any more.  Milliseconds from the link's return until exactly
    one host has the guest and runs it; None: that needs a person."""
    with Lab() as lab:
        one, two = lab.hosts
        for host in lab.hosts:
            host.start_ferryd({"log_level": "info"})
        guest = moves.Guest(lab, name="torn", append="set=1 check=0")
        with guest.ticks() as ticks:
            one.virsh("create", guest.path())
            ticks.wait(one.name, more=5)
            client = one.popen([lab.ferry, "-q", "-c", one.socket_uri, "migrate", "--live", "--bandwidth", "1", *mode, guest.name, two.tcp_uri])
            wait_until(lambda: two.qemus() and "Memory processed" in one.virsh("domjobinfo", guest.name).stdout, "the memory to flow")
            pid = two.daemon_pid("ferryd")
            os.kill(pid, signal.SIGSTOP)
            one.virsh("migrate-setspeed", guest.name, "8000")
            wait_until(lambda: one.virsh("domstate", guest.name).stdout.strip() == "paused", "the end of the copy")
            time.sleep(0.3)     # GO is in the destination's socket
            two.link("down")
            os.kill(pid, signal.SIGCONT)
            two.daemons["ferryd"].send_signal(signal.SIGCONT)       # nsenter stops with its child
            time.sleep(cut_s)
            began = time.monotonic()
            two.link("up")
            while time.monotonic() - began < PATIENCE_S:
                found = where(lab, guest.name)
                if list(found.values()) == ["running"]:
                    settled = (time.monotonic() - began) * 1000
                    client.wait(30)
                    return settled
                time.sleep(0.02)
            client.kill()
            client.wait()
            return None
