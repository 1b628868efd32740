# SPDX-License-Identifier: LGPL-2.1-or-later
"""The labs of the matrix: where hosts and client lie, what stands between them, and what a name leads to."""
import contextlib
import json
import subprocess

from lab.lab import HERE as LAB, NETWORK, PYTHON, Lab, end

SOURCE, DESTINATION, OTHER = "fedora1", "fedora2", "fedora3"
PORTS = (49152, 49215)
JOIN = "10.44.0"            # of two networks, the one that joins the hosts
INSIDE = "10.55.0"          # behind NAT
DEAD, DEAD6 = "10.99.0.1", "fd00:dead::1"
RESOLVER_S = 20
SHORT = {                   # a connect gives up after some 2 s, a neighbour that does not answer after 0.6 s
    "net.ipv4.tcp_syn_retries": 1,
    "net.ipv4.tcp_synack_retries": 1,
    "net.ipv4.neigh.eth0.mcast_solicit": 2,
    "net.ipv4.neigh.eth0.retrans_time_ms": 300,
    "net.ipv6.neigh.eth0.mcast_solicit": 2,
    "net.ipv6.neigh.eth0.retrans_time_ms": 300,
    "net.ipv4.ip_local_port_range": "32768 49151",      # else an answer to one of these ports meets the firewall, once in 400 times
}


class Place(Lab):
    """topology: one, nets, oneway, dropped, v6 or nat.  hosts: source, destination and a stranger."""

    def __init__(self, topology, **more):
        super().__init__(names=[SOURCE, DESTINATION, OTHER], client=topology in ("nets", "nat"), **more)
        self.topology = topology
        self.source, self.destination, self.other = self.hosts
        self.seen = {}          # Host: its address as the source sees it
        self.name = None

    def __enter__(self):
        super().__enter__()
        try:
            for host in self.all_hosts:
                self._shorten(host)
            self.wire.run(["nft", "-f", "-"], stdin=None, input=(
                "add table inet dead\nadd chain inet dead hole { type filter hook prerouting priority -300; }\n"
                f"add rule inet dead hole ip daddr {DEAD} drop\nadd rule inet dead hole ip6 daddr {DEAD6} drop\n"))
            self.seen = {host: host.address for host in self.hosts}
            getattr(self, f"_make_{self.topology}")()
            self.record = self.other.folder / "run/impostor.jsonl"
            process = self.other.popen([PYTHON, "-I", LAB / "impostor.py", "/run/impostor.jsonl", *PORTS], stdout=subprocess.PIPE)
            process.stdout.readline()
            self.other.helpers.append(process)
        except BaseException:
            self.close()
            raise
        return self

    def _shorten(self, host):
        host.run(["sysctl", "-qw", *(f"{key}={value}" for key, value in SHORT.items())])

    def _only_v4(self, hosts=None):
        for host in hosts or self.all_hosts:
            host.run(["ip", "-6", "addr", "flush", "dev", "eth0", "scope", "global"])

    def _make_one(self):
        self._only_v4()

    def _make_nets(self):
        """eth0 goes to the client's network, where the hosts do not see each other; eth1 joins the hosts."""
        self._only_v4()
        self.wire.ip("link", "add", "join", "type", "bridge", "forward_delay", "0", "stp_state", "0")
        self.wire.ip("link", "set", "join", "up")
        for host in self.hosts:
            self.wire.ip("link", "set", host.name, "type", "bridge_slave", "isolated", "on")
            self.wire.ip("link", "add", f"{host.name}j", "type", "veth", "peer", "name", "eth1", "netns", str(host.pid))
            self.wire.ip("link", "set", f"{host.name}j", "master", "join", "up")
            self.seen[host] = f"{JOIN}.{10 + host.number}"
            host.run(["ip", "link", "set", "eth1", "up"])
            host.run(["ip", "addr", "add", f"{self.seen[host]}/24", "dev", "eth1"])
            host.run(["sysctl", "-qw", "net.ipv4.neigh.eth1.mcast_solicit=2", "net.ipv4.neigh.eth1.retrans_time_ms=300",
                      "net.ipv6.conf.eth1.disable_ipv6=1", "net.ipv6.conf.eth0.disable_ipv6=1"])

    def _make_oneway(self):
        self._only_v4()
        for host in (self.destination, self.other):
            host.drop("tcp dport {}-{} tcp flags & (syn|ack) == syn".format(*PORTS))

    def _make_dropped(self):
        self._only_v4()
        for host in self.hosts:
            host.drop('iifname "eth*" tcp dport {}-{}'.format(*PORTS))

    def _make_v6(self):
        for host in self.hosts:
            host.run(["ip", "-4", "addr", "flush", "dev", "eth0"])
            host.run(["ip", "-6", "route", "replace", "default", "via", "fd00:122::1"])
            self.seen[host] = host.address6
        self.wire.run(["ip", "-6", "addr", "add", "fd00:122::1/64", "dev", "bridge", "nodad"])

    def _make_nat(self):
        """The client's cable goes to a network of its own behind the wire, which translates."""
        self._only_v4()
        self.wire.run(["ip", "link", "set", "client", "nomaster"])
        self.wire.run(["ip", "addr", "add", f"{INSIDE}.1/24", "dev", "client"])
        self.client.run(["ip", "addr", "flush", "dev", "eth0"])
        self.client.run(["ip", "addr", "add", f"{INSIDE}.2/24", "dev", "eth0"])
        self.client.run(["ip", "route", "replace", "default", "via", f"{INSIDE}.1"])
        self.wire.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
        self.wire.run(["nft", "-f", "-"], stdin=None, input=(
            "add table ip nat\nadd chain ip nat out { type nat hook postrouting priority 100; }\n"
            f"add rule ip nat out ip saddr {INSIDE}.0/24 masquerade\n"
            "add chain ip nat through { type filter hook forward priority 0; }\n"
            'add rule ip nat through iifname "bridge" oifname "client" ct state new drop\n'))

    # Daemons

    def start(self, source, destination):
        for host, kind in ((self.source, source), (self.destination, destination)):
            if kind == "libvirtd":
                host.start_libvirtd(listen="::" if self.topology == "v6" else "0.0.0.0")
                continue
            config = {}
            # A stock source can be given one address only.  Which network joins the hosts is for the administrator to say.
            if self.topology == "nets" and source == "libvirtd":
                config["migration_host"] = self.seen[host]
            host.start_ferryd(config)
        self.kinds = {self.source: source, self.destination: destination}

    # Addresses

    @property
    def where(self):
        """The host on which the client runs."""
        return self.client or self.source

    @property
    def source_uri(self):
        return f"qemu+tcp://{self.source.address}/system" if self.client else self.source.socket_uri

    def destination_uri(self, mode):
        """Whoever calls the destination's daemon names it as it sees it: the client, or the source when it is peer-to-peer."""
        is_of_client = mode not in ("p2p", "tunnelled") and self.client
        address = self.destination.address if is_of_client else self.seen[self.destination]
        return f"qemu+tcp://{bracketed(address)}/system"

    def migration_uri(self, mode):
        address = bracketed(self.seen[self.destination])
        return {"explicit": f"tcp://{address}", "port": f"tcp://{address}:49170"}.get(mode)

    # Names

    def set_name(self, name):
        """What the destination's name leads to, on every host and at the client."""
        if name == self.name:
            return
        for host in self.all_hosts:
            while host.helpers and host is not self.other:
                end(host.helpers.pop())
            host.set_hosts(self._lines(host, name))
            host.set_resolver()
            if name == "slow" and host is not self.other:
                table = {DESTINATION: [self.seen[self.destination]], SOURCE: [self.seen[self.source]]}
                host.start_resolver(table, f"slow:{RESOLVER_S}")
                host.set_resolver(options=f"timeout:{RESOLVER_S + 10} attempts:1")
        self._set_host_name({"localhost": "localhost", "localdomain": "localhost.localdomain"}.get(name, DESTINATION))
        self.name = name

    def _lines(self, host, name):
        is_v6 = self.topology == "v6"
        address = {
            "loopback": "127.0.0.1",
            "debian": "127.0.1.1",
            "wrong": self.seen[self.other],
            "dead": DEAD6 if is_v6 else DEAD,
            "family": f"{NETWORK}.12" if is_v6 else "fd00:122::12",
            "right": self.seen[self.destination],
        }.get(name)
        lines = {address: DESTINATION} if address else {}
        # Stock looks its own name up for every cookie, many times 20 s: nobody could help that one.
        if name == "slow" and self.kinds.get(host) == "libvirtd":
            lines[self.seen[host]] = host.name
        return lines

    def _set_host_name(self, wanted):
        if self.destination.run(["hostname"]).stdout.strip() == wanted:
            return
        self.destination.run(["hostname", wanted])
        (self.destination.folder / "etc/hostname").write_text(wanted + "\n")
        if self.kinds[self.destination] == "ferryd":
            self.destination.restart_ferryd()

    def impostor_saw(self):
        """What was sent to the stranger's migration ports since the last question."""
        with contextlib.suppress(FileNotFoundError):
            rows = [json.loads(line) for line in self.record.read_text().splitlines()]
            self.record.write_text("")
            return rows
        return []


def bracketed(address):
    return f"[{address}]" if ":" in address else address
