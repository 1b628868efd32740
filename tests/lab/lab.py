#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several hosts on one machine: namespaces on a bridge of their own, each with its name and address.

    with Lab() as lab:
        one, two = lab.hosts
        one.start_ferryd(); two.start_ferryd()
        one.run(["virsh", "list"])

A host has network, mount, UTS, IPC and PID namespaces; /etc is a copy, /run, /var/lib, /var/log and
/var/cache are its own and lie in lab.folder/NAME, in sight of the test.  The wire (the bridge) is a
namespace too, so the machine's own network is never touched.  Whatever ends the test ends the hosts
with all that runs on them; see hostinit.py.  Everything else, /tmp above all, is shared: lab.shared
is the storage that all hosts see under one path.

lab.py shell [--daemon ferryd|libvirtd|none] [--build DIR]     two hosts to try by hand
"""
import argparse
import contextlib
import itertools
import json
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
PYTHON = "/usr/bin/python3"
PRIVATE = ("/etc", "/run", "/var/lib", "/var/log", "/var/cache")
NETWORK = "192.168.122"
STOCK_PORT = 16509
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP)
FINISH3_PARAMS = 306
os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
counter = itertools.count()


class Unavailable(Exception):
    """The machine lacks something that the lab needs; tests skip with this sentence."""


def require(*programs):
    if os.geteuid() != 0:
        raise Unavailable("the lab makes namespaces and needs root")
    for program in ("ip", "nsenter", *programs):
        if not shutil.which(program):
            raise Unavailable(f"'{program}' is not installed")


def become_root(program):
    """The same command anew, as root; where that cannot be, it says so and ends."""
    if os.geteuid() == 0:
        return
    sudo = shutil.which("sudo")
    if not sudo:
        sys.exit(f"{program}: making namespaces needs root")
    os.execv(sudo, [sudo, sys.executable, *sys.argv])


def wait_until(is_true, what, timeout_s=20.0, every_s=0.005):
    """Half of the time is left to what is waited for: some looks are a whole virsh."""
    now = time.monotonic()
    deadline = now + timeout_s
    while not is_true():
        looked, now = now, time.monotonic()
        if now > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}")
        time.sleep(max(every_s, now - looked))
        now = time.monotonic()


def children(process):
    """What a host's popen() started: Popen itself knows only nsenter, which is its parent."""
    with contextlib.suppress(OSError):
        if process.poll() is None:
            return [int(pid) for pid in pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    return []


def strike(process, how):
    """A signal for what a host's popen() started."""
    for pid in children(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)


def end(process, how=signal.SIGTERM):
    """Ends what a host's popen() started and waits for it."""
    strike(process, how)
    process.wait(20)
    if process.stdout:
        process.stdout.close()


class Node:
    """A set of namespaces held by a first process: the wire, or a host."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.folder = lab.folder / name
        self.folder.mkdir()
        self.holder, self.pid = None, 0

    def power_on(self, private=()):
        spec = self.folder / "spec.json"
        spec.write_text(json.dumps({"name": self.name, "folder": str(self.folder), "private": list(private),
                                    "keep": [str(TOP), str(self.lab.folder), *map(str, self.lab.keep)],
                                    "remove": None if private or self.lab.is_kept else str(self.lab.folder)}))
        # A session of its own: what kills the test's process group must not kill the one that cleans up.
        self.holder = subprocess.Popen([PYTHON, "-I", str(HERE / "hostinit.py"), str(spec)],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        line = self.holder.stdout.readline()
        if not line:
            self.holder.communicate()
            self.holder = None
            raise Unavailable("namespaces cannot be made here")
        self.pid = int(line)

    def power_off(self):
        """As pulling the plug: all that runs here is gone at once, without a word."""
        if not self.holder or not self.pid:      # 0 would be our own process group
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()
        self.holder, self.pid = None, 0

    def argv(self, argv):
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--", *map(str, argv)]

    @staticmethod
    def _signals(argv):
        """virsh 9 writes to a daemon that has just been killed and dies of SIGPIPE, now and then and without a word.  Where that is
        ignored, as below systemd, it goes on and says what has happened."""
        return {"restore_signals": os.path.basename(str(argv[0])) != "virsh"}

    def run(self, argv, check=True, timeout_s=60, **more):
        """Runs a command on the host; its output is captured as text.  check: a failure raises with that output."""
        done = subprocess.run(self.argv(argv), text=True, stdin=more.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE,
                              stderr=more.pop("stderr", subprocess.PIPE), timeout=timeout_s, **self._signals(argv), **more)
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {shlex.join(map(str, argv))}: status {done.returncode}\n{done.stdout}{done.stderr or ''}")
        return done

    def popen(self, argv, **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.argv(argv), start_new_session=True, **self._signals(argv), **more)

    def ip(self, *words):
        """In the network namespace only, so that process ids mean what they mean outside."""
        subprocess.run(["nsenter", "-t", str(self.pid), "-n", "--", "ip", *words], check=True)


class Host(Node):
    def __init__(self, lab, name, number):
        super().__init__(lab, name)
        self.number = number
        self.address = f"{NETWORK}.{10 + number}"
        self.address6 = f"fd00:122::{10 + number}"
        self.mac = f"02:fe:00:00:00:{number:02x}"      # the same after a power cut, so that no neighbour remembers another
        self.uuid = f"c0ffee00-0000-4000-8000-{10 + number:012d}"
        self.daemons, self.helpers, self._commands, self._spawned = {}, [], {}, []

    # Life

    def power_on(self):
        self.daemons.clear()
        shutil.rmtree(self.folder / "run", ignore_errors=True)
        consoles = self.folder / "run/consoles"
        consoles.mkdir(parents=True)
        consoles.chmod(0o777)
        if not (self.folder / "etc").exists():
            shutil.copytree("/etc", self.folder / "etc", symlinks=True, ignore_dangling_symlinks=True,
                            ignore=lambda _folder, names: [n for n in names if n in ("libvirt", "ferry", "resolv.conf")])
            self._write_etc()
        super().power_on(PRIVATE)
        self.lab.plug(self)

    def _write_etc(self):
        etc = self.folder / "etc"
        (etc / "hostname").write_text(self.name + "\n")
        self.set_hosts({})
        self.set_resolver()
        (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n")
        self._add_user("ferry-qemu", 64056)     # what the installation's sysusers file makes

    def _add_user(self, name, number):
        for path, line in (("passwd", f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n"), ("group", f"{name}:x:{number}:\n")):
            path = self.folder / "etc" / path
            if f"\n{name}:" not in path.read_text():
                with open(path, "a") as table:
                    table.write(line)

    def set_hosts(self, names):
        """names: {address: "name alias …"}, beside localhost.  Without a line of its own a host's name does not resolve."""
        lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost"] + [f"{address} {words}" for address, words in names.items()]
        self._write("hosts", "\n".join(lines) + "\n")

    def set_resolver(self, address="127.0.0.1", options="timeout:5 attempts:2"):
        """Nothing listens on the default: every look-up fails at once."""
        self._write("resolv.conf", f"nameserver {address}\noptions {options}\n")

    def _write(self, name, text):
        path = self.folder / "etc" / name
        if path.is_symlink():
            path.unlink()
        path.write_text(text)

    def start_resolver(self, table, mode="answer"):
        """A name server on this host.  table: {name: [addresses]}; mode: answer, drop, or slow:SECONDS."""
        process = self.popen([PYTHON, "-I", HERE / "resolver.py", json.dumps(table), mode], stdout=subprocess.PIPE)
        process.stdout.readline()
        self.helpers.append(process)
        self.set_resolver()
        return process

    # Daemons

    def start_ferryd(self, config=None, arguments=(), wrapper=(), environment=None, is_held=lambda: False):
        """ferryd with TCP open and without authentication, as the lab writes it; config adds or replaces rows.  is_held: true once it
        stands still before it serves, as it was ordered."""
        rows = {"host_uuid": self.uuid, "listen_tcp": "yes", "auth_tcp": "none", "log_level": "debug"}
        rows.update(config or {})
        folder = self.folder / "etc/ferry"
        folder.mkdir(exist_ok=True)
        (folder / "ferryd.conf").write_text("".join(f"{key} = {value}\n" for key, value in rows.items() if value is not None))
        self._last_start = (config, arguments, wrapper, environment)
        self._commands["ferryd"] = [*wrapper, self.lab.ferryd, *arguments], environment
        self.spawn_daemon("ferryd")
        self._wait_daemon("ferryd", self.folder / "run/ferry/ferry-sock", STOCK_PORT if rows["listen_tcp"] == "yes" else None, is_held)

    def start_libvirtd(self, libvirtd_conf="", qemu_conf="", listen="0.0.0.0"):
        """Stock's daemon, dressed for a machine without systemd."""
        require("libvirtd", "virtlogd")
        folder = self.folder / "etc/libvirt"
        folder.mkdir(exist_ok=True)
        (folder / "libvirtd.conf").write_text(
            f"listen_tls = 0\nlisten_tcp = 1\nlisten_addr = \"{listen}\"\nauth_tcp = \"none\"\nauth_unix_rw = \"none\"\n"
            f"unix_sock_rw_perms = \"0777\"\nhost_uuid = \"{self.uuid}\"\n"
            f"log_outputs = \"2:file:/var/log/libvirtd.log\"\n{libvirtd_conf}")
        (folder / "qemu.conf").write_text(
            "user = \"root\"\ngroup = \"root\"\nsecurity_driver = \"none\"\nremember_owner = 0\ncgroup_controllers = [ ]\n"
            f"namespaces = []\nstdio_handler = \"file\"\n{qemu_conf}")
        for name in ("log/libvirt/qemu", "lib/libvirt/qemu", "cache/libvirt/qemu"):
            (self.folder / "var" / name).mkdir(parents=True, exist_ok=True)
        for name, number in (("libvirt-qemu", 64055), ("kvm", 64054)):      # looked up before qemu.conf is read
            self._add_user(name, number)
        self._commands["virtlogd"] = ["/usr/sbin/virtlogd"], None
        self._commands["libvirtd"] = ["/usr/sbin/libvirtd", "--listen", "-f", "/etc/libvirt/libvirtd.conf"], None
        self.spawn_daemon("virtlogd")
        self.spawn_daemon("libvirtd")
        self._wait_daemon("libvirtd", self.folder / "run/libvirt/libvirt-sock", STOCK_PORT)

    def start_sanlock(self):
        """Debian's sanlock without a watchdog.  A lockspace lies in a folder that hosts share, e.g. below lab.shared."""
        require("sanlock", "cc")
        shim = self.lab.folder / "limits.so"
        if not shim.exists():
            subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, HERE / "limits.c"], check=True)
        (self.folder / "run/sanlock").mkdir(exist_ok=True)
        self._commands["sanlock"] = (["/usr/sbin/sanlock", "daemon", "-D", "-w", "0", "-l", "0", "-h", "0", "-U", "root", "-G", "root",
                                      "-e", self.name],
                                     {"LD_PRELOAD": str(shim)})
        self.spawn_daemon("sanlock")
        self._wait_daemon("sanlock", self.folder / "run/sanlock/sanlock.sock", None)

    def start_daemon(self, kind, **more):
        self.start_ferryd(**more) if kind == "ferryd" else self.start_libvirtd(**more)

    def spawn_daemon(self, name):
        """Starts it again as it was started last, and does not wait for it."""
        argv, environment = self._commands[name]
        log = open(self.folder / f"{name}.out", "ab")
        try:
            self.daemons[name] = self.popen(argv, stdout=log, stderr=log, env=dict(os.environ, **(environment or {})))
        finally:
            log.close()
        self._spawned.append((name, self.daemons[name]))

    def crashes(self):
        """What a ferryd here has died of since this was asked last, but for what is done to it."""
        ended = [one for one in self._spawned if one[1].poll() is not None]
        self._spawned = [one for one in self._spawned if one not in ended]
        return [f"{name} on {self.name} has died of {signal.Signals(-process.returncode).name}"
                for name, process in ended if name == "ferryd" and -process.returncode in CRASHES]

    def _wait_daemon(self, name, path, port, is_held=lambda: False):
        process = self.daemons[name]

        def answers():
            if process.poll() is not None:
                raise RuntimeError(f"{self.name}: {name} ended with {process.returncode}:\n{self.log(name)[-4000:]}")
            with socket.socket(socket.AF_UNIX) as probe:
                return is_held() or probe.connect_ex(str(path)) == 0 and (port is None or self.listens(port))

        wait_until(answers, f"{name} on {self.name}", 30)

    def daemon_pid(self, name):
        """The daemon that was started last, or 0 once it has ended: the child of an nsenter, which has to fork into the PID namespace."""
        for pid in children(self.daemons[name]) if name in self.daemons else ():
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():       # a zombie has none
                    return pid
        return 0

    def stop_daemon(self, name="ferryd", how=signal.SIGTERM, timeout_s=20):
        pid = self.daemon_pid(name)
        process = self.daemons.pop(name, None)
        if pid:
            os.kill(pid, how)
        if process:
            process.wait(timeout_s)

    def kill_daemon(self, name="ferryd"):
        self.stop_daemon(name, signal.SIGKILL)

    def restart_ferryd(self, how=signal.SIGTERM):
        self.stop_daemon("ferryd", how)
        config, arguments, wrapper, environment = self._last_start
        self.start_ferryd(config, arguments, wrapper, environment)

    def restart_libvirtd(self, how=signal.SIGTERM):
        if self.daemon_pid("libvirtd"):
            self.stop_daemon("libvirtd", how)
        self.spawn_daemon("libvirtd")
        self._wait_daemon("libvirtd", self.folder / "run/libvirt/libvirt-sock", STOCK_PORT)

    @contextlib.contextmanager
    def configured(self, **rows):
        """Within the block its ferryd runs with these rows, behind it as it does without."""
        self.stop_daemon("ferryd")
        self.start_ferryd(rows)
        try:
            yield
        finally:
            self.stop_daemon("ferryd")
            self.start_ferryd()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.daemon_pid('ferryd')}/fd"))

    def log(self, name="ferryd"):
        """What the daemon wrote: its standard error and, for stock, its log file."""
        text = ""
        for path in (self.folder / f"{name}.out", self.folder / f"var/log/{name}.log"):
            if path.exists():
                text += path.read_text(errors="replace")
        return text

    # Clients

    @property
    def socket_uri(self):
        name = "run/libvirt/libvirt-sock" if "libvirtd" in self.daemons else "run/ferry/ferry-sock"
        return f"qemu+unix:///system?socket={self.folder / name}"

    @property
    def tcp_uri(self):
        return f"qemu+tcp://{self.address}/system"

    def set_default_uri(self):
        """What `virsh` without -c talks to on this host."""
        folder = self.folder / "etc/libvirt"
        folder.mkdir(exist_ok=True)
        (folder / "libvirt.conf").write_text(f'uri_default = "{self.socket_uri}"\n')

    def virsh(self, *words, uri=None, **more):
        return self.run(["virsh", "-q", "-c", uri or self.socket_uri, *words], **more)

    def ferry(self, *words, uri=None, **more):
        return self.run([self.lab.ferry, "-c", uri or self.socket_uri, *words], **more)

    # What is on the host

    def processes(self, name=""):
        """[(pid seen from outside, command line)] of what runs in the host's PID namespace."""
        if not self.pid:
            return []
        space, found = os.readlink(f"/proc/{self.pid}/ns/pid"), []
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if entry.isdigit() and int(entry) != self.pid and os.readlink(f"/proc/{entry}/ns/pid") == space:
                    words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
                    if name in os.path.basename(words[0].decode()):
                        found.append((int(entry), [word.decode(errors="replace") for word in words[:-1]]))
        return sorted(found)

    def qemus(self):
        return self.processes("qemu-system")

    def _ports(self):
        """The TCP ports on which sockets of this host listen; asked of /proc, so nothing is connected."""
        found = set()
        for table in ("tcp", "tcp6"):
            with contextlib.suppress(OSError):
                for line in pathlib.Path(f"/proc/{self.pid}/net/{table}").read_text().splitlines()[1:]:
                    words = line.split()
                    if words[3] == "0A":
                        found.add(int(words[1].rsplit(":", 1)[1], 16))
        return found

    def listens(self, port):
        return port in self._ports()

    def listening(self, first=49152, last=49215):
        return sorted(port for port in self._ports() if first <= port <= last)

    # Harm

    def link(self, state):
        self.ip("link", "set", "eth0", state)
        if state == "up":
            self.lab.address(self)

    def nft(self, text):
        self.run(["nft", "-f", "-"], stdin=None, input=text)

    def drop(self, rule, chain="input", verdict="drop"):
        """Drops silently what matches, e.g. drop("tcp dport 49152-49215"); or what else is to be done with it."""
        self.nft(f"add table inet lab\nadd chain inet lab {chain} {{ type filter hook {chain} priority 0; }}\n"
                 f"add rule inet lab {chain} {rule} counter {verdict}\n")

    def cut_after_finish(self, *ways):
        """From the connection that brings the call of Finish nothing more comes "in", or goes "out", or even that "call" is lost."""
        # TCP's header with time stamps is 32 bytes, then come length, program, version, procedure of the frame.
        rules = [f"add rule inet lab input tcp dport {STOCK_PORT} @th,352,32 {FINISH3_PARAMS} add @cut {{ ip saddr . tcp sport }} "
                 f"{'drop' if 'call' in ways else 'accept'}"]
        if "in" in ways or "call" in ways:
            rules.insert(0, "add rule inet lab input ip saddr . tcp sport @cut counter drop")
        if "out" in ways:
            rules.append("add rule inet lab output ip daddr . tcp dport @cut meta length > 150 counter drop")     # an answer, no ping
            rules.append("add rule inet lab output ip daddr . tcp dport @cut drop")
        self.nft("add table inet lab\n"
                 "add set inet lab cut { type ipv4_addr . inet_service; flags dynamic; size 16; }\n"
                 "add chain inet lab input { type filter hook input priority 0; }\n"
                 "add chain inet lab output { type filter hook output priority 0; }\n" + "\n".join(rules) + "\n")

    @contextlib.contextmanager
    def reached_once(self):
        """Over TCP: whoever calls its daemon once more within the block is turned away."""
        self.nft("add table inet once\nadd chain inet once input { type filter hook input priority 0; }\n"
                 f"add rule inet once input tcp dport {STOCK_PORT} tcp flags & (syn | ack) == syn "
                 "limit rate over 1/hour burst 1 packets reject with tcp reset\n")
        try:
            yield
        finally:
            self.nft("delete table inet once\n")

    def undrop(self):
        self.nft("table inet lab\ndelete table inet lab\n")

    @contextlib.contextmanager
    def watch_connections(self):
        """Yields a list that holds, after the block, every TCP connection opened to or from this host:
        (source address, source port, destination address, destination port)."""
        process = self.popen([PYTHON, "-I", HERE / "watch.py", "eth0"], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        process.stdout.readline()
        seen = []
        try:
            yield seen
        finally:
            process.stdin.close()
            seen += [tuple(json.loads(line)) for line in process.stdout]
            process.stdout.close()
            process.wait()


class Lab:
    """hosts: how many, named fedora1, fedora2, …; client: one more host, `client`, that runs no daemon."""

    def __init__(self, hosts=2, client=False, names=None, keep=(), build=None, is_kept=False):
        require()
        build = pathlib.Path(build or os.environ.get("FERRY_BUILD") or TOP / "build").resolve()
        self.ferryd, self.ferry = build / "src/ferryd/ferryd", build / "cli/ferry"
        self.keep, self.is_kept = [build, *keep], is_kept
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"ferry-lab-{os.getpid()}-{next(counter)}.", dir="/tmp"))
        self.folder.chmod(0o755)
        self.shared = self.folder / "shared"
        self.shared.mkdir()
        self.shared.chmod(0o1777)
        self.wire = Node(self, "wire")
        names = names or [f"fedora{number}" for number in range(1, hosts + 1)]
        self.hosts = [Host(self, name, number) for number, name in enumerate(names, 1)]
        self.client = Host(self, "client", 99) if client else None

    def __enter__(self):
        try:
            self.wire.power_on()
            self.wire.ip("link", "add", "bridge", "type", "bridge", "forward_delay", "0", "stp_state", "0")
            self.wire.ip("addr", "add", f"{NETWORK}.1/24", "dev", "bridge")
            self.wire.ip("link", "set", "bridge", "up")
            for host in self.all_hosts:
                host.power_on()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, *_):
        self.close()

    @property
    def all_hosts(self):
        return self.hosts + ([self.client] if self.client else [])

    def plug(self, host):
        """The cable between a host and the bridge, made inside the wire's namespace."""
        self.wire.ip("link", "add", host.name, "type", "veth", "peer", "name", "eth0", "address", host.mac,
                     "netns", str(host.pid))
        self.wire.ip("link", "set", host.name, "master", "bridge", "up")
        host.ip("link", "set", "eth0", "up")
        self.address(host)

    def address(self, host):
        host.run(["ip", "-batch", "-"], stdin=None, input=(
            f"addr replace {host.address}/24 dev eth0\n"
            f"addr replace {host.address6}/64 dev eth0 nodad\n"
            f"route replace default via {NETWORK}.1\n"))

    def close(self):
        for host in self.all_hosts:
            host.power_off()
        self.wire.power_off()
        with contextlib.suppress(TimeoutError):     # an nsenter whose command has just died is still there for a moment
            wait_until(lambda: not self.left_behind(), "the end of all that was begun here", 2)
        left = self.left_behind()
        if not self.is_kept:
            shutil.rmtree(self.folder, ignore_errors=True)
        if left:
            raise AssertionError("the lab left behind: " + "; ".join(left))

    def left_behind(self):
        """Processes, mounts and devices of this lab that outlive it."""
        token, found = str(self.folder).encode(), []
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if entry.isdigit() and int(entry) != os.getpid() and token in pathlib.Path(f"/proc/{entry}/cmdline").read_bytes():
                    found.append(f"process {entry}")
        with open("/proc/self/mounts", "rb") as mounts:
            found += [f"mount {line.split()[1].decode()}" for line in mounts if token in line]
        return found


def shell(arguments):
    """Two hosts and a terminal on the first; `on HOST COMMAND…` reaches the others."""
    with Lab(client=True, build=arguments.build) as lab:
        for host in lab.hosts:
            if arguments.daemon != "none":
                host.start_daemon(arguments.daemon)
        tools = lab.folder / "bin"
        tools.mkdir()
        cases = "\n".join(f"{host.name}) pid={host.pid};;" for host in lab.all_hosts)
        (tools / "on").write_text(f"#!/bin/sh\ncase \"$1\" in\n{cases}\n*) echo 'on HOST COMMAND…'; exit 2;;\nesac\n"
                                  "shift\nexec nsenter -t $pid -m -u -i -n -p -r -w -- \"$@\"\n")
        (tools / "on").chmod(0o755)
        print(f"Hosts: {', '.join(f'{host.name} {host.address}' for host in lab.all_hosts)}; folder {lab.folder}\n"
              f"`on HOST COMMAND…` runs a command on a host; leave the shell to end the lab.")
        for host in lab.hosts:
            print(f"  {host.name}: {host.socket_uri}")
        environment = dict(os.environ, PATH=f"{tools}:{lab.ferry.parent}:{os.environ['PATH']}", PS1="lab$ ")
        subprocess.run(["/bin/bash", "--norc"], env=environment)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("shell",))
    parser.add_argument("--daemon", choices=("ferryd", "libvirtd", "none"), default="ferryd")
    parser.add_argument("--build")
    try:
        shell(parser.parse_args())
    except Unavailable as problem:
        print(f"lab: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
