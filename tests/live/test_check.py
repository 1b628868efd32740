# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ferry migrate --check`: every single fault, made one by one, is named by a row, and nothing on either host has changed."""
import contextlib
import hashlib
import json
import os
import pathlib
import subprocess
import time

import pytest
from conftest import Started, make_lab
from lab import postcopy
from lab.lab import PYTHON
from lab.moves import Guest, begin

QEMU = "/usr/bin/qemu-system-x86_64"
PATIENCE_S = 15     # whatever does not answer: its own limits are some four seconds, TCP's two minutes
NETWORK = "<interface type='bridge'><source bridge='br0'/><model type='virtio'/></interface>"


def make_image(lab):
    folder = lab.shared / "images"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    image, base = folder / "disk.qcow2", folder / "base.qcow2"
    if not image.exists():
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "64M"], check=True)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", image], check=True)
    return image, (f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
                   f"<source file='{image}'/><target dev='vda' bus='virtio'/></disk>")


class Scene:
    """Two ferryds and a guest with a disk and a network on the first."""

    def __init__(self):
        self.lab = make_lab(["ferryd", "ferryd"])
        try:
            self.one, self.two = self.lab.hosts
            self.image, disk = make_image(self.lab)
            for host in self.lab.hosts:
                host.ip("link", "add", "br0", "type", "bridge")
            self.running = Started(self.lab, self.one, devices=disk + NETWORK, append="set=8 dirty=2000")
            self.guest = self.running.guest
        except BaseException:
            self.lab.close()
            raise

    def check(self, *words, guest="qemu", uri=None):
        began = time.monotonic()
        done = self.one.run([self.lab.ferry, "-c", self.one.socket_uri, "migrate", "--check", "--json", guest,
                             uri or self.two.tcp_uri, "--live", *words], check=False)
        self.took_s = time.monotonic() - began
        assert done.stdout, done.stderr
        answer = json.loads(done.stdout)
        answer["status"] = done.returncode
        return answer

    def state(self):
        """All that a check could change on the hosts, and must not."""
        while True:
            with contextlib.suppress(FileNotFoundError):    # a socket or a helper's file that just goes
                return self._state()

    def settled(self):
        """The state once nothing ends any more of what is short-lived, as after the start of a daemon."""
        before = self.state()
        while True:
            time.sleep(0.3)
            now = self.state()
            if now == before:
                return now
            before = now

    def _state(self):
        folders = {host.name: [host.folder / name for name in ("etc/ferry", "run", "var/lib")] for host in self.lab.hosts}
        folders["shared"] = [self.lab.shared]
        found = {}
        for name, paths in folders.items():
            for top in paths:
                for path in sorted(top.rglob("*")):
                    if "emulators" in path.parts:   # what they answered once, asked again when one has changed
                        continue
                    status = path.lstat()
                    found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, status.st_ino,
                                        hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None,
                                        status.st_mtime_ns if path.is_file() else 0)
        for host in self.lab.hosts:
            found[host.name] = (sorted(host.processes()), sorted(host.listening()),
                                sorted(os.listdir(f"/proc/{host.pid}/root/sys/class/net")), host.run(["ip", "-4", "-o", "addr"]).stdout)
        found["guests"] = [host.virsh("list", "--all").stdout for host in self.lab.hosts if "ferryd" in host.daemons]
        return found

    def expect(self, before, timeout_s=5):
        """The state of before comes back: short-lived helpers may still be ending.  The images are as they were at once."""
        assert sorted(os.listdir(self.image.parent)) == sorted(os.path.basename(path) for path in before
                                                               if os.path.dirname(path) == str(self.image.parent))
        self.await_state(before, timeout_s)

    def await_state(self, before, timeout_s):
        deadline = time.monotonic() + timeout_s
        while (now := self.state()) != before:
            if time.monotonic() > deadline:
                pytest.fail("changed:\n" + "\n".join(f"{key}: {before.get(key)} became {now.get(key)}"
                                                     for key in sorted({*before, *now}) if before.get(key) != now.get(key)))
            time.sleep(0.05)


@pytest.fixture(scope="module")
def scene():
    scene = Scene()
    yield scene
    scene.running.close(scene.lab)
    scene.lab.close()


def rows(answer, verdict=None):
    return [row for row in answer["rows"] if verdict in (None, row["verdict"])]


def told(answer, verdict=None):
    return "\n".join(f"{row['verdict']} {row['host']} {row['section']}: {row['name']}: {row['cause']} -> {row['remedy']}"
                     for row in rows(answer, verdict))


# --- the faults -------------------------------------------------------------------------------------------------------

FAULTS = {}


def fault(verdict, where, what, *words, status=None):
    """The row that names it: verdict, host, "section: name", and words of cause or remedy."""
    def register(make):
        FAULTS[make.__name__] = (make, verdict, where, what, words, {"blocker": 1, "warning": 0}[verdict] if status is None else status)
        return make
    return register


@contextlib.contextmanager
def covered(host, target, source):
    host.run(["mount", "--bind", source, target])
    try:
        yield
    finally:
        host.run(["umount", target])


@fault("blocker", "fedora2", "storage: disk 'vda'", "No such file or directory", "mount the storage")
@contextlib.contextmanager
def missing_image(scene):
    empty = scene.lab.folder / "empty"
    empty.mkdir()
    with covered(scene.two, scene.image.parent, empty):
        yield
    empty.rmdir()


@fault("blocker", "fedora2", "storage: disk 'vda'", "not the same file as at the source", "mount the storage that the source uses")
@contextlib.contextmanager
def another_image_of_that_name(scene):
    other = scene.lab.folder / "other"
    subprocess.run(["cp", "-a", scene.image.parent, other], check=True)
    with covered(scene.two, scene.image.parent, other):
        yield
    subprocess.run(["rm", "-r", other], check=True)


@fault("blocker", "fedora2", "storage: disk 'vda'", "base.qcow2", "No such file or directory")
@contextlib.contextmanager
def missing_base_image(scene):
    base = scene.image.parent / "base.qcow2"
    away = scene.image.parent / "away.qcow2"
    base.rename(away)
    yield
    away.rename(base)


@fault("blocker", "fedora2", "storage: disk 'vda'", "Permission denied", "let user 'ferry-qemu'")
@contextlib.contextmanager
def closed_image_folder(scene):
    scene.image.parent.chmod(0o700)
    yield
    scene.image.parent.chmod(0o777)


@fault("blocker", "fedora2", "network: bridge 'br0'", "no such bridge", "make it")
@contextlib.contextmanager
def missing_bridge(scene):
    scene.two.ip("link", "del", "br0")
    yield
    scene.two.ip("link", "add", "br0", "type", "bridge")


@fault("blocker", "fedora2", "guest: name and UUID", "'qemu'")
@contextlib.contextmanager
def name_taken(scene):
    other = Guest(scene.lab)
    folder = scene.lab.folder / "definitions"
    folder.mkdir(exist_ok=True)
    scene.two.virsh("define", other.path(folder))
    yield
    scene.two.virsh("undefine", "qemu")


@fault("blocker", "fedora2", "guest: name and UUID", "active")
@contextlib.contextmanager
def runs_there_already(scene):
    twin = Guest(scene.lab)
    twin.uuid = scene.guest.uuid
    folder = scene.lab.folder / "definitions"
    folder.mkdir(exist_ok=True)
    scene.two.virsh("create", twin.path(folder))
    yield
    scene.two.virsh("destroy", "qemu")


@fault("blocker", "fedora2", "host: identity", "both hosts call themselves", "host_uuid")
@contextlib.contextmanager
def same_host_uuid(scene):
    with scene.two.configured(host_uuid=scene.one.uuid):
        yield


@contextlib.contextmanager
def other_emulator(scene, old, new):
    """The destination's QEMU does not know the one and knows something of another name instead."""
    copy = scene.lab.folder / "qemu"
    copy.write_bytes(pathlib.Path(os.path.realpath(QEMU)).read_bytes().replace(old, new))
    copy.chmod(0o755)
    with covered(scene.two, os.path.realpath(QEMU), copy):
        yield
    copy.unlink()


@fault("blocker", "fedora2", "machine: type 'pc-q35-7.2'", "not known", "install a QEMU")
@contextlib.contextmanager
def unknown_machine_type(scene):
    with other_emulator(scene, b"pc-q35-7.2", b"pc-q35-0.2"):
        yield


@fault("blocker", "fedora2", "machine: device 'virtio-net-pci'", "not known", "install the QEMU")
@contextlib.contextmanager
def unknown_device(scene):
    with other_emulator(scene, b"virtio-net-pci", b"virtio-nix-pci"):
        yield


@fault("blocker", "fedora2", "machine: emulator", QEMU)
@contextlib.contextmanager
def no_emulator(scene):
    empty = scene.lab.folder / "noqemu"
    empty.write_text("")
    empty.chmod(0o644)
    with covered(scene.two, os.path.realpath(QEMU), empty):
        yield
    empty.unlink()


@fault("blocker", "fedora2", "host: memory", "needs 64 MiB", "3 MiB available", "free some memory")
@contextlib.contextmanager
def no_memory(scene):
    fake = scene.lab.folder / "meminfo"
    fake.write_text("MemTotal: 65536 kB\nMemFree: 1024 kB\nMemAvailable: 4095 kB\nBuffers: 0 kB\nCached: 0 kB\nSwapFree: 0 kB\n")
    with covered(scene.two, "/proc/meminfo", fake):
        yield
    fake.unlink()


@fault("blocker", "fedora2", "route: ports", "all migration ports", "in use", "widen migration_port_min/max")
@contextlib.contextmanager
def ports_used_up(scene):
    code = ("import socket,sys\nheld=[]\nfor port in range(49152,49216):\n s=socket.socket(socket.AF_INET6)\n"
            " s.bind(('::',port)); s.listen(); held.append(s)\nprint('held',flush=True)\nsys.stdin.read()")
    process = scene.two.popen([PYTHON, "-I", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    yield
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


@fault("warning", "fedora1", "route: addresses", "can be reached", "will call the source back", "drops it without a word", "49152-49215", status=2)
@contextlib.contextmanager
def firewall_drops(scene):
    scene.two.drop("tcp dport 49152-49215")
    yield
    scene.two.undrop()


@fault("warning", "fedora1", "route: addresses", "can be reached", "will call the source back", "rejects it", status=2)
@contextlib.contextmanager
def firewall_rejects(scene):
    scene.two.nft("add table inet lab\nadd chain inet lab input { type filter hook input priority 0; }\n"
                  "add rule inet lab input tcp dport 49152-49215 reject with tcp reset\n")
    yield
    scene.two.undrop()


@fault("warning", "fedora1", "route: addresses", "nor can it call back", "relayed through this client", "drops it without a word", status=2)
@contextlib.contextmanager
def firewalls_drop_on_both(scene):
    for host in scene.lab.hosts:
        host.drop("tcp dport 49152-49215")
    yield
    for host in scene.lab.hosts:
        host.undrop()


@fault("warning", "fedora1", "route: address [fd00:122::12]", "no answer")
@contextlib.contextmanager
def one_address_is_filtered(scene):
    scene.two.drop("ip6 daddr fd00:122::12 tcp dport 49152-49215")
    yield
    scene.two.undrop()


@fault("warning", "fedora1", "route: name 'fedora2'", "does not resolve here", "goes by address")
@contextlib.contextmanager
def name_does_not_resolve(scene):
    yield


@fault("warning", "fedora1", "route: name 'fedora2'", "means this host itself here (127.0.1.1)")
@contextlib.contextmanager
def name_means_loopback(scene):
    scene.one.set_hosts({"127.0.1.1": "fedora2"})
    yield
    scene.one.set_hosts({})


@fault("warning", "fedora1", "route: name 'fedora2'", "means 192.168.122.99 here, which is no address of that host")
@contextlib.contextmanager
def name_means_another_host(scene):
    scene.one.set_hosts({"192.168.122.99": "fedora2"})
    yield
    scene.one.set_hosts({})


@fault("warning", "fedora2", "route: name 'fedora1'", "means 192.168.122.99 here, which is no address of that host")
@contextlib.contextmanager
def name_of_the_source_is_wrong_there(scene):
    scene.two.set_hosts({"192.168.122.99": "fedora1"})
    yield
    scene.two.set_hosts({})


@fault("blocker", "fedora2", "guest: files", "/run/consoles", "put it there")
@contextlib.contextmanager
def missing_folder_of_a_device(scene):
    folder = scene.two.folder / "run/consoles"
    folder.rename(folder.parent / "away")
    yield
    (folder.parent / "away").rename(folder)


@contextlib.contextmanager
def made(scene, name):
    """The fault, and its end whatever the test says."""
    manager = FAULTS[name][0](scene)
    manager.__enter__()
    try:
        yield
    finally:
        manager.__exit__(None, None, None)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_and_nothing_changes(scene, name):
    _, verdict, host, what, words, status = FAULTS[name]
    with made(scene, name):
        before = scene.settled()
        answer = scene.check()
        found = [row for row in rows(answer, verdict) if f"{row['section']}: {row['name']}" == what and row["host"] == host]
        assert found, told(answer)
        assert any(all(word in f"{row['cause']} {row['remedy']}" for word in words) for row in found), told(answer)
        assert answer["status"] == status, told(answer)
        if verdict == "blocker":
            others = [row for row in rows(answer, "blocker") if row not in found and row["section"] != what.split(":")[0]]
            assert name in ("unknown_machine_type", "no_emulator") or not others, told(answer)
        assert scene.took_s < PATIENCE_S, f"{scene.took_s:.1f} s"
        scene.expect(before)


# --- beyond single faults -----------------------------------------------------------------------------------------------

def test_all_is_well(scene):
    for host in scene.lab.hosts:
        host.set_hosts({other.address: other.name for other in scene.lab.hosts})
    before = scene.settled()
    answer = scene.check()
    assert answer["status"] == 0 and answer["verdict"] == "ok", told(answer)
    text = told(answer, "ok")
    assert "is the same file on both hosts (proven)" in text and "base image 1" in text
    assert "proven on port" in text and "MiB/s" in text and "path MTU 1500" in text
    assert "forecast: time: about" in text
    assert (answer["source"], answer["destination"]) == ("fedora1", "fedora2")
    scene.expect(before)


def test_a_table_for_people(scene):
    done = scene.one.run([scene.lab.ferry, "-c", scene.one.socket_uri, "migrate", "--check", "qemu", scene.two.tcp_uri, "--live"])
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["Verdict", "Host", "What", "Found"]
    assert "Yes: 'qemu' can migrate to fedora2" in done.stdout
    order = [line.split()[0] for line in lines[2:] if line[1:2].isalpha() and line.startswith(" ")]
    assert order == sorted(order, key=["blocker", "unknown", "warning", "ok"].index)


def test_a_guest_that_does_not_run(scene):
    idle = Guest(scene.lab, name="idle")
    scene.one.virsh("define", idle.path(scene.lab.folder))
    try:
        answer = scene.check(guest="idle")
        assert "guest: state: domain is not running" in told(answer, "blocker")
    finally:
        scene.one.virsh("undefine", "idle")


def test_a_guest_that_writes_faster_than_the_way_carries(scene):
    answer = scene.check("--bandwidth", "1")
    assert "forecast: time: it would not come to an end" in told(answer, "warning"), told(answer)


def test_an_explicit_uri_is_the_only_address(scene):
    answer = scene.check(f"tcp://{scene.two.address}")
    dialled = [row for row in answer["rows"] if row["section"] == "route" and row["host"] == "fedora1" and row["name"].startswith("address")]
    assert [row["verdict"] for row in dialled] == ["ok"], told(answer)
    answer = scene.check("tcp://nosuch.example")
    assert "route: migration URI: unable to resolve address 'nosuch.example'" in told(answer, "blocker")


def test_what_qemu_has_against_it(scene):
    """A device that QEMU cannot migrate, plugged into a guest of the older machine type, whose slots take it."""
    running = Started(scene.lab, scene.one, name="blocked", machine="pc")
    try:
        for command in ("object_add memory-backend-ram,id=spare,size=1M,share=on",
                        "device_add ivshmem-plain,id=odd,memdev=spare,master=off,bus=pci.0"):
            scene.one.virsh("qemu-monitor-command", "blocked", "--hmp", command)
        answer = scene.check(guest="blocked")
        assert "guest: devices: cannot migrate domain" in told(answer, "blocker") and "ivshmem" in told(answer, "blocker"), told(answer)
    finally:
        running.close(scene.lab)


def test_no_way_at_all(scene):
    with made(scene, "firewalls_drop_on_both"):
        for words, what in ((["--no-fallback"], "--no-fallback allows no other way"),
                            ([f"tcp://{scene.two.address}"], "the address that was ordered cannot be reached")):
            before = scene.settled()
            answer = scene.check(*words)
            assert answer["status"] == 1 and what in told(answer, "blocker"), told(answer)
            assert scene.took_s < PATIENCE_S, f"{scene.took_s:.1f} s"
            scene.expect(before)


def test_what_is_not_served_is_said(scene):
    answer = scene.check("--tls")
    assert "request: options" in told(answer, "blocker")


def test_a_kernel_that_keeps_userfaultfd_from_qemu(scene):
    """The setting is the whole machine's: what the daemon reads of it is laid over it."""
    postcopy.allow(scene.two, "0")
    answer = scene.check("--postcopy")
    assert "machine: post-copy" in told(answer, "blocker") and "sysctl vm.unprivileged_userfaultfd=1" in told(answer, "blocker")
    postcopy.allow(scene.two, "1")
    assert "machine: post-copy" in told(scene.check("--postcopy"), "ok")


def test_tunnelled_needs_no_address(scene):
    scene.two.drop("tcp dport 49152-49215")
    try:
        answer = scene.check("--p2p", "--tunnelled")
    finally:
        scene.two.undrop()
    assert rows(answer, "blocker") == [], told(answer)
    assert "route: tunnel" in told(answer, "ok") and "route: daemon to daemon" in told(answer, "ok")


def test_a_daemon_that_is_not_there(scene):
    answer = scene.check(uri="qemu+tcp://192.168.122.12:16599/system")
    assert "host: destination" in told(answer, "blocker") and "Connection refused" in told(answer, "blocker")
    assert answer["status"] == 1 and answer["destination"] is None
    scene.two.drop("tcp dport 16509")
    try:
        answer = scene.check()
    finally:
        scene.two.undrop()
    assert "no answer within" in told(answer, "blocker")
    assert scene.took_s < PATIENCE_S


def test_the_answer_is_quick(scene):
    """Little beside the probe, which takes its one second.  Who waits for a dial in vain takes two more, each time."""
    took = []
    while not took or took[-1] >= 3 and len(took) < 5:      # a busy machine may be slow once
        scene.check()
        took.append(scene.took_s)
    assert took[-1] < 3, took


def test_a_client_that_goes_away_leaves_nothing(scene):
    before = scene.settled()
    for delay_s in (0.02, 0.1, 0.5):
        process = scene.one.popen([scene.lab.ferry, "-c", scene.one.socket_uri, "migrate", "--check", "qemu", scene.two.tcp_uri],
                                  stdout=subprocess.DEVNULL)
        time.sleep(delay_s)     # somewhere in the middle, on purpose
        for pid, words in scene.one.processes("ferry"):
            if os.path.basename(words[0]) == "ferry":
                os.kill(pid, 9)
        process.wait(10)
    scene.await_state(before, 10)


def test_a_real_migration_stops_at_the_same_rows(scene):
    """The rows that decide: told in the same words, before anything is touched."""
    for name, words in (("no_memory", "3 MiB available"), ("missing_bridge", "no such bridge"), ("missing_folder_of_a_device", "/run/consoles"),
                        ("unknown_device", "virtio-net-pci"), ("another_image_of_that_name", "not the same file")):
        with made(scene, name):
            qemus = scene.two.qemus()
            done = scene.one.run([scene.lab.ferry, "-c", scene.one.socket_uri, "migrate", "qemu", scene.two.tcp_uri, "--live"], check=False)
            assert done.returncode == 1 and words in done.stderr, (name, done.stderr)
            assert scene.two.qemus() == qemus == []
            assert scene.one.virsh("domstate", "qemu").stdout.strip() == "running"


def test_memory_is_set_aside_for_guests_on_their_way(scene):
    """Two guests that fit one by one do not both count on the same free memory."""
    first, second = (Started(scene.lab, scene.one, name=name, memory_mib=256, append="set=4 touch=40") for name in ("first", "second"))
    fake = scene.lab.folder / "meminfo"
    fake.write_text("MemTotal: 999999 kB\nMemFree: 307200 kB\nMemAvailable: 307200 kB\nBuffers: 0 kB\nCached: 0 kB\nSwapFree: 0 kB\n")
    try:
        with covered(scene.two, "/proc/meminfo", fake):
            slow = begin(scene.one, ["virsh", "-c", scene.one.socket_uri, "migrate", "first", scene.two.tcp_uri, "--live", "--bandwidth", "2"], "first")
            assert "set aside for guests that are on their way" in told(scene.check(guest="second"), "blocker")
            done = scene.one.virsh("migrate", "second", scene.two.tcp_uri, "--live", check=False)
            assert done.returncode == 1 and "set aside for guests that are on their way" in done.stderr, done.stderr
            scene.one.virsh("domjobabort", "first")
            slow.communicate(timeout=20)
            answer = scene.check(guest="second")
            assert rows(answer, "blocker") == [], told(answer)
    finally:
        first.close(scene.lab)
        second.close(scene.lab)


@pytest.mark.parametrize("kinds", [["ferryd", "libvirtd"], ["libvirtd", "ferryd"], ["libvirtd", "libvirtd"]], ids="-".join)
def test_what_a_stock_host_cannot_tell_is_unknown(kinds):
    lab = make_lab(kinds)
    try:
        one, two = lab.hosts
        image, disk = make_image(lab)
        image.chmod(0o666)
        running = Started(lab, one, devices=disk)
        try:
            done = one.run([lab.ferry, "-c", one.socket_uri, "migrate", "--check", "--json", "qemu", two.tcp_uri, "--live", "--unsafe"],
                           check=False)
            answer = json.loads(done.stdout)
            assert done.returncode == 2 and answer["verdict"] == "unknown", told(answer)
            assert rows(answer, "blocker") == [], told(answer)
            unknown = told(answer, "unknown")
            assert "host: clock" in unknown and "storage: disk 'vda'" in unknown
            assert "route: addresses" in unknown
            if kinds[1] == "libvirtd":
                assert "host: ports" in unknown
                assert "machine: type" in told(answer, "ok") and "guest: name and UUID" in told(answer, "ok")
        finally:
            running.close(lab)
    finally:
        lab.close()
