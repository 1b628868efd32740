# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long the source takes to find and prove a way to the destination, with its first candidate right or wrong."""
import re

from lab import moves
from lab.lab import Lab

PROVEN = re.compile(r"proven in ([0-9.]+) ms")
REFUSING, SILENT = "reject with tcp reset", "drop"


def one_route(lab, name):
    """Milliseconds, as the source's log has them."""
    one, two = lab.hosts[:2]
    guest = moves.Guest(lab, name=name)
    with guest.ticks() as ticks:
        one.virsh("create", guest.path())
        ticks.wait(one.name, more=5)
        before = len(one.log())
        found = moves.move(ticks, one, [lab.ferry, "-c", one.socket_uri, "migrate", "--live", guest.name, two.tcp_uri], two)
        two.virsh("destroy", guest.name, check=False)
        one.virsh("destroy", guest.name, check=False)
    if found.status:
        raise RuntimeError(found.output)
    return float(PROVEN.search(one.log()[before:]).group(1))


def measure(rounds):
    """{what: [milliseconds]} and complaints.  The third host's address stands first where the first candidate is to be wrong."""
    results, complaints = {}, []
    with Lab(hosts=3) as lab:
        one, two, other = lab.hosts
        one.start_ferryd({"log_level": "info"})
        for what, verdict in (("the first is right", None), ("the first refuses", REFUSING), ("the first is a black hole", SILENT)):
            two.stop_daemon()
            two.start_ferryd({"log_level": "info", **({"migration_host": other.address} if verdict else {})})
            if verdict:
                other.nft(f"table inet bench\ndelete table inet bench\nadd table inet bench\n"
                          f"add chain inet bench in {{ type filter hook input priority 0; }}\nadd rule inet bench in tcp dport 49152-49215 {verdict}\n")
            for number in range(rounds):
                try:
                    results.setdefault(what, []).append(one_route(lab, f"route{number}"))
                except Exception as problem:
                    complaints.append(f"{what}: {problem}")
    return results, complaints
