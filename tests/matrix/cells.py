# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cells of the address matrix, the rules that merge some of them, and what each must end with.

Pure: nothing here touches a host.  A cell is where the hosts lie, what the destination's name leads
to, how the migration is asked for, and whose client, source and destination take part.  The verdicts
come from what each part can know, never from what the code does today.
"""
import itertools
from dataclasses import dataclass, replace

TOPOLOGIES = {
    "one": "hosts on one network",
    "nets": "two networks, of which one joins the hosts and the client sees only the other",
    "oneway": "a firewall: the source opens no migration port of the destination, the other way is open",
    "dropped": "all migration ports are dropped both ways, the control port is open",
    "v6": "IPv6 only",
    "nat": "the client is behind NAT",
}
NAMES = {
    "unresolvable": "resolves nowhere",
    "loopback": "is mapped to 127.0.0.1",
    "debian": "is mapped to 127.0.1.1",
    "localhost": "is localhost",
    "localdomain": "is localhost.localdomain",
    "wrong": "leads to another live host, which answers on the migration ports",
    "dead": "leads to an address that swallows everything",
    "family": "has only an address of the family that the path does not carry",
    "slow": "is right, but every resolver takes 20 s",
    "right": "is right",
}
MODES = {
    "managed": "the client leads, no migration URI",
    "explicit": "the client leads, migration URI without port",
    "port": "the client leads, migration URI with port",
    "p2p": "peer-to-peer",
    "tunnelled": "peer-to-peer, tunnelled",
}
CLIENTS = ("ferry", "virsh")
DAEMONS = ("ferryd", "libvirtd")


@dataclass(frozen=True)
class Cell:
    topology: str
    name: str
    mode: str
    client: str
    source: str
    destination: str

    @property
    def mix(self):
        return f"{self.client}-{self.source}-{self.destination}"

    @property
    def id(self):
        return f"{self.topology}/{self.name}/{self.mode}/{self.mix}"

    @property
    def is_control(self):
        """All three parts are stock's: shown beside, counted nowhere."""
        return (self.client, self.source, self.destination) == ("virsh", "libvirtd", "libvirtd")

    @property
    def lab(self):
        return self.topology, self.source, self.destination


def parse(text):
    topology, name, mode, mix = text.split("/")
    return Cell(topology, name, mode, *mix.split("-"))


def all_cells():
    return [Cell(*row) for row in itertools.product(TOPOLOGIES, NAMES, MODES, CLIENTS, DAEMONS, DAEMONS)]


# ---- merging ----

def merge_explicit(cell):
    if cell.mode in ("explicit", "port") and cell.name in ("loopback", "debian", "wrong", "dead", "family", "right"):
        return replace(cell, name="unresolvable")
    return None


def merge_tunnelled(cell):
    if cell.mode == "tunnelled" and cell.name in ("loopback", "debian", "wrong", "dead", "family", "right"):
        return replace(cell, name="unresolvable")
    return None


def merge_tunnelled_ours(cell):
    if cell.mode == "tunnelled" and cell.source == cell.destination == "ferryd" and cell.name in ("localhost", "localdomain"):
        return replace(cell, name="unresolvable")
    return None


def merge_nat(cell):
    if cell.topology == "nat" and cell.mode in ("p2p", "tunnelled"):
        return replace(cell, topology="one")
    return None


def merge_alike(cell):
    alike = {"debian": "loopback", "localdomain": "localhost"}
    if cell.topology not in ("one", "v6") and cell.name in alike:
        return replace(cell, name=alike[cell.name])
    return None


def merge_control(cell):
    if cell.is_control and cell.topology != "one" and cell.name not in ("unresolvable", "right"):
        return replace(cell, topology="one")
    return None


RULES = (
    (merge_explicit, "A migration URI holds a literal address and is an order, so that nobody looks the destination's name up: it is "
                     "tried with the names that resolve nowhere, are localhost (the host knows this of itself) and are slow."),
    (merge_tunnelled, "A tunnelled migration goes over the control connection, whose URI holds a literal address; it is tried with the same "
                      "three names."),
    (merge_tunnelled_ours, "Tunnelled between two ferryds, a host that is called localhost is as good as one whose name resolves nowhere: "
                           "neither of them sends its name as an address."),
    (merge_nat, "Peer-to-peer, the client makes one call to the source and never meets the destination: NAT in front of it is tried "
                "as one network."),
    (merge_alike, "127.0.0.1 and 127.0.1.1 are loopback by one and the same test, localhost and localhost.localdomain begin alike for "
                  "another: both of each are tried on one network, over IPv4 and over IPv6, elsewhere the first stands for both."),
    (merge_control, "With three stock parts the cells are a control: all names on one network, elsewhere the one that resolves nowhere and "
                    "the right one."),
)


def merge(cell):
    """The cell that is run in its place; the cell itself if it is run."""
    while True:
        other = next(filter(None, (rule(cell) for rule, _ in RULES)), None)
        if other is None:
            return cell
        cell = other


def cells_to_run():
    return [cell for cell in all_cells() if merge(cell) == cell]


# ---- verdicts ----

# Stock's leading words: scripts match them, so ours are the same.
UNRESOLVED = "Unable to resolve address|address resolution failed"
UNREACHED = "unable to connect to server at"
LOCALHOST = "hostname on destination resolved to localhost"
BROKEN = "Unable to write to socket"


@dataclass(frozen=True)
class Expected:
    outcome: str        # arrives, told, either
    why: str
    reason: str = ""    # what the words of a refusal must match


def arrives(why):
    return Expected("arrives", why)


def told(why, reason=UNREACHED):
    return Expected("told", why, reason)


def reason_of_name(cell):
    """What is said of a name that was all there was to go by."""
    return {
        "unresolvable": UNRESOLVED,
        "localhost": LOCALHOST,
        "localdomain": LOCALHOST,
        "wrong": f"{UNREACHED}|{BROKEN}",
        "dead": UNREACHED,
        "right": UNREACHED,
    }.get(cell.name, f"{UNREACHED}|{UNRESOLVED}")


def expected(cell):
    if cell.mode == "tunnelled":
        return arrives("everything goes over the control connection")
    is_open = cell.topology not in ("oneway", "dropped")
    if cell.mode in ("explicit", "port"):
        return arrives("the order can be carried out") if is_open else told("an explicit URI is an order: only that or a failure")
    if cell.is_control:
        return expected_of_stock(cell, is_open)
    return expected_open(cell) if is_open else expected_firewall(cell)


def expected_of_stock(cell, is_open):
    if is_open and cell.name in ("right", "slow"):
        return arrives("the name is right")
    return told("stock goes by the name", f"{reason_of_name(cell)}|{UNREACHED}")


def expected_open(cell):
    """The source can open the destination's migration ports, at the right address."""
    source_is_ours, destination_is_ours = cell.source == "ferryd", cell.destination == "ferryd"

    if destination_is_ours:
        if source_is_ours:
            return arrives("the destination names all its addresses, the source tries them")
        return arrives("the destination gives a literal address")
    if cell.name == "right":
        return arrives("the name is right")
    if source_is_ours and cell.mode == "p2p":
        return arrives("the source goes by the address of its control connection")
    if source_is_ours and cell.client == "ferry":
        if cell.topology == "nets":
            return arrives("the client passes an address on that only it can reach, and carries the memory itself")
        return arrives("the client passes on the address at which it reaches the destination")
    if source_is_ours:
        if cell.name == "slow":
            return Expected("either", "the source may wait for the name or say that it has nothing to go by", reason_of_name(cell))
        return told("a stock client, a stock destination and an empty peer book: there is nothing to go by", reason_of_name(cell))
    if cell.name == "slow":
        return arrives("the name is right, in the end")
    if cell.topology == "nets" and cell.mode == "managed":
        return told("between two stock hosts the client has one more try, with an address that does not join them",
                    f"{reason_of_name(cell)}|{UNREACHED}")
    return arrives("the client tries again with the address that it knows")


def expected_firewall(cell):
    """The source cannot open the destination's migration ports."""
    source_is_ours, destination_is_ours = cell.source == "ferryd", cell.destination == "ferryd"

    if source_is_ours and destination_is_ours and cell.topology == "oneway":
        return arrives("the destination dials the source")
    if source_is_ours and cell.mode == "p2p":
        return arrives("the tunnel over the peer-to-peer connection")
    if source_is_ours and cell.client == "ferry":
        return arrives("the client, which reaches both control ports, carries the memory")
    if source_is_ours:
        return told("no connection of their own joins the hosts, and a stock client carries nothing", f"{UNREACHED}|{reason_of_name(cell)}")
    if cell.client == "ferry":
        return arrives("the client asks the stock source for the tunnel")
    return told("a stock client and a stock source know nothing but the address that they are given")


# ---- the sample for the gate ----

def sample():
    """Few cells in which every topology meets every mix and every name every mode (as far as such cells are run)."""
    left = cells_to_run()
    marks = {cell: {(cell.topology, cell.mix), (cell.name, cell.mode), (cell.topology, cell.mode)} for cell in left}
    missing, chosen = set().union(*marks.values()), []
    while missing:
        best = max(left, key=lambda cell: (len(marks[cell] & missing), not cell.is_control, cell.name != "slow"))
        chosen.append(best)
        missing -= marks[best]
    return chosen
