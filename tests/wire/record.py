#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Records what stock virsh, python-libvirt and libvirtd say to each other, for the codec tests.

record.py record OUT                       plays a small story on two stock hosts and writes frames as text
record.py proxy LISTEN CONNECT FILE        passes bytes on and writes every frame; PATH or ADDRESS:PORT

OUT has one frame per line: `> HEX` from the client, `< HEX` from the server; `# …` says what was going on.
Of each procedure, type, status and direction at most a few different frames are kept, and no big ones.
"""
import pathlib
import re
import socket
import struct
import subprocess
import sys
import threading

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

PYTHON = "/usr/bin/python3"
KEPT_EACH = 2           # frames per procedure, type, status and direction
KEPT_BYTES = 3000       # a longer frame is left out
STREAM = 3

GUEST = """<domain type='qemu'>
  <name>vm1</name>
  <uuid>11111111-2222-3333-4444-555555555555</uuid>
  <metadata><x:note xmlns:x='urn:example:note'>kept</x:note></metadata>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <serial type='pty'/>
    <graphics type='vnc' listen='127.0.0.1'/>
    <video><model type='vga' vram='1024'/></video>
    <memballoon model='none'/>
  </devices>
</domain>
"""

EVENTS = """
import libvirt, sys, threading, time
libvirt.registerErrorHandler(lambda *_: None, None)
libvirt.virEventRegisterDefaultImpl()
threading.Thread(target=lambda: [libvirt.virEventRunDefaultImpl() for _ in iter(int, 1)], daemon=True).start()
conn = libvirt.open(sys.argv[1])
conn.setKeepAlive(1, 5)
seen = []
for number in (0, 1, 2, 3, 5, 7, 10, 11, 13, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26):
    try:
        conn.domainEventRegisterAny(None, number, lambda *words: seen.append(words), None)
    except libvirt.libvirtError:
        pass
dom = conn.lookupByName("vm1")
def console():
    stream = conn.newStream()
    dom.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    stream.send(b"hello")
    stream.abort()

def screenshot():
    stream = conn.newStream()
    dom.screenshot(stream, 0)
    stream.recvAll(lambda stream, data, opaque: len(data), None)
    stream.finish()

for step in (dom.suspend, dom.resume, lambda: dom.setMetadata(1, "a title", None, None), dom.reset, dom.jobInfo,
             dom.jobStats, dom.state, dom.info, console, screenshot, lambda: conn.getAllDomainStats(0),
             conn.listAllDomains, lambda: conn.getCPUModelNames("i686"), lambda: conn.getFreePages([4], 0, 1),
             conn.getSecurityModel, dom.securityLabel, dom.reboot, lambda: time.sleep(2.5)):
    try:
        step()
    except libvirt.libvirtError as error:
        print(error)
conn.close()
"""


def frames_of(pipe):
    """Yields whole frames read from a socket, with the descriptor bytes passed over as they are."""
    data = b""
    while True:
        while len(data) >= 4 and len(data) >= struct.unpack(">I", data[:4])[0] >= 28:
            length = struct.unpack(">I", data[:4])[0]
            yield data[:length]
            data = data[length:]
        more = pipe.recv(65536)
        if not more:
            return
        data += more


def passing(source, target, mark, out, lock):
    try:
        for frame in frames_of(source):
            with lock:
                out.write(f"{mark} {frame.hex()}\n")
                out.flush()
            target.sendall(frame)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def opened(address):
    if ":" in address:
        host, port = address.rsplit(":", 1)
        return socket.AF_INET, (host, int(port))
    return socket.AF_UNIX, address


def proxy(listen, connect, path):
    family, name = opened(listen)
    server = socket.socket(family)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(name)
    server.listen(5)
    print("listening", flush=True)
    lock = threading.Lock()
    with open(path, "a", encoding="ascii") as out:
        while True:
            client, _ = server.accept()
            family, name = opened(connect)
            upstream = socket.socket(family)
            upstream.connect(name)
            for words in ((client, upstream, ">"), (upstream, client, "<")):
                threading.Thread(target=passing, args=(*words, out, lock), daemon=True).start()


def key_of(line):
    mark, frame = line[0], bytes.fromhex(line[2:])
    program, _, procedure, kind, _, status = struct.unpack(">6I", frame[4:28])
    return (mark, program, procedure, kind, status), frame


class Story:
    """Runs clients through proxies and collects the frames of each step."""

    def __init__(self, lab, out):
        self.lab, self.out, self.proxies, self.seen = lab, out, [], {}

    def proxy(self, host, name, listen, connect):
        path = self.lab.folder / f"{name}.frames"
        path.touch()
        argv = [PYTHON, __file__, "proxy", listen, connect, path]
        process = host.popen(argv, stdout=subprocess.PIPE) if host else subprocess.Popen(argv, stdout=subprocess.PIPE)
        process.stdout.readline()
        self.proxies.append((process, path))

    def run(self, what, argv):
        done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        print(f"{what}: status {done.returncode} {done.stdout.strip()[:200] if done.returncode else ''}")
        self.collect(what)

    def collect(self, what):
        lines = []
        for _, path in self.proxies:
            for line in path.read_text().splitlines():
                key, frame = key_of(line)
                old = self.seen.setdefault(key, set())
                body = frame[28:]
                if len(frame) > KEPT_BYTES or len(old) >= KEPT_EACH or body in old or (key[3] == STREAM and body):
                    continue
                old.add(body)
                lines.append(line)
            path.write_text("")
        if lines:
            self.out.write(f"# {what}\n" + "\n".join(lines) + "\n")

    def close(self):
        for process, _ in self.proxies:
            process.kill()
            process.wait()


def record(target):
    from lab.lab import Lab

    with Lab(hosts=2) as lab, open(target, "w", encoding="ascii") as out:
        out.write("# SPDX-License-Identifier: LGPL-2.1-or-later\n# Frames between stock clients and daemons (9.0.0); made by record.py.\n")
        one, two = lab.hosts
        for host in (one, two):
            host.start_libvirtd(qemu_conf="migration_address = \"0.0.0.0\"\n")
        story = Story(lab, out)
        uris = []
        for host in (one, two):
            listen = lab.folder / f"{host.name}.sock"
            story.proxy(None, host.name, str(listen), str(host.folder / "run/libvirt/libvirt-sock"))
            uris.append(f"qemu+unix:///system?socket={listen}")
        story.proxy(two, "peer", f"{two.address}:16510", "127.0.0.1:16509")
        guest = lab.folder / "vm1.xml"
        guest.write_text(GUEST)
        try:
            play(story, uris, guest, two.address)
        finally:
            story.close()


def play(story, uris, guest, address):
    def virsh(*words):
        story.run("virsh " + re.sub(r"/\S*/", "", " ".join(map(str, words))), ["virsh", "-c", uris[0], *words])

    for words in (["hostname"], ["uri"], ["version"], ["nodeinfo"], ["freecell"], ["define", guest], ["list", "--all"],
                  ["dominfo", "vm1"], ["dominfo", "nosuch"], ["start", "vm1"], ["start", "vm1"], ["list"],
                  ["domstate", "vm1", "--reason"], ["domid", "vm1"], ["domuuid", "vm1"], ["domname", "1"],
                  ["dumpxml", "vm1"], ["domstats", "vm1"], ["vcpuinfo", "vm1"], ["schedinfo", "vm1"], ["memtune", "vm1"],
                  ["blkiotune", "vm1"], ["domblklist", "vm1"], ["domiflist", "vm1"], ["domdisplay", "vm1"],
                  ["dommemstat", "vm1"], ["autostart", "vm1"], ["autostart", "vm1", "--disable"], ["desc", "vm1"],
                  ["metadata", "vm1", "urn:example:note"], ["emulatorpin", "vm1"], ["vcpupin", "vm1"], ["domtime", "vm1"],
                  ["domjobinfo", "vm1"], ["domjobabort", "vm1"], ["qemu-monitor-command", "vm1", "--hmp", "info status"],
                  ["send-key", "vm1", "KEY_A"], ["net-list", "--all"], ["pool-list", "--all"], ["iface-list", "--all"],
                  ["nodedev-list", "--cap", "system"], ["secret-list"], ["nwfilter-list"], ["snapshot-list", "vm1"],
                  ["checkpoint-list", "vm1"], ["net-info", "nosuch"], ["pool-info", "nosuch"], ["cpu-stats", "vm1", "--total"],
                  ["nodecpumap"], ["nodememstats"], ["nodecpustats"], ["sysinfo"], ["domcontrol", "vm1"],
                  ["set-user-password", "vm1", "root", "secret"], ["domfsinfo", "vm1"], ["guestinfo", "vm1"],
                  ["managedsave-dumpxml", "vm1"], ["migrate-getspeed", "vm1"], ["migrate-setmaxdowntime", "vm1", "300"],
                  ["screenshot", "vm1", "/dev/null"]):
        virsh(*words)
    story.run("python3-libvirt with events", [PYTHON, "-c", EVENTS, uris[0]])
    virsh("migrate", "vm1", uris[1], f"tcp://{address}", "--live", "--unsafe")
    story.run("virsh destroy", ["virsh", "-c", uris[1], "destroy", "vm1"])
    virsh("start", "vm1")
    virsh("migrate", "vm1", f"qemu+tcp://{address}:16510/system", f"tcp://{address}", "--live", "--unsafe", "--p2p", "--verbose")
    story.run("virsh destroy", ["virsh", "-c", uris[1], "destroy", "vm1"])
    virsh("start", "vm1")
    virsh("migrate", "vm1", f"qemu+tcp://{address}:16510/system", "--live", "--unsafe", "--p2p", "--tunnelled")
    story.run("virsh destroy", ["virsh", "-c", uris[1], "destroy", "vm1"])
    virsh("undefine", "vm1")


if __name__ == "__main__":
    {"proxy": proxy, "record": record}[sys.argv[1]](*sys.argv[2:])
