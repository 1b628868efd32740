# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest's life, told by unmodified virsh."""
import json
import os
import re
import signal
import subprocess
import time

from daemon import VIRSH, wait_until


def define(daemon, name="vm", **more):
    daemon.virsh("define", daemon.write(daemon.xml(name, **more), f"{name}.xml"))
    return daemon.name(name)


def ticks(daemon, name="vm"):
    """What it says before its first tick it says before it looks at its power button."""
    path = daemon.root / f"{name}.serial"
    return path.read_bytes().count(b"tick ") if path.exists() else 0


def wait_ticking(daemon, name="vm"):
    before = ticks(daemon, name)
    wait_until(lambda: ticks(daemon, name) > before, "the guest ticks")


def test_define_start_suspend_resume_destroy_undefine(daemon):
    vm = define(daemon)
    assert daemon.virsh("domstate", vm) == "shut off"
    assert re.search(rf"-\s+{vm}\s+shut off", daemon.virsh("list", "--all"))
    assert vm not in daemon.virsh("list")

    assert daemon.virsh("start", vm) == f"Domain '{vm}' started"
    assert daemon.virsh("domstate", "--reason", vm) == "running (booted)"
    assert re.search(rf"1\s+{vm}\s+running", daemon.virsh("list"))
    assert daemon.virsh("domid", vm) == "1"
    wait_ticking(daemon)

    daemon.virsh("suspend", vm)
    assert daemon.virsh("domstate", "--reason", vm) == "paused (user)"
    time.sleep(0.1)
    before = ticks(daemon)
    time.sleep(0.2)
    assert ticks(daemon) == before
    daemon.virsh("resume", vm)
    assert daemon.virsh("domstate", "--reason", vm) == "running (unpaused)"
    wait_ticking(daemon)

    assert "already active" in daemon.virsh("start", vm, expect=1)
    assert "domain is already running" in daemon.virsh("resume", vm, expect=1)
    daemon.virsh("destroy", vm)
    assert daemon.virsh("domstate", "--reason", vm) == "shut off (destroyed)"
    assert daemon.qemus() == []
    assert "domain is not running" in daemon.virsh("destroy", vm, expect=1)
    daemon.virsh("undefine", vm)
    assert "failed to get domain" in daemon.virsh("dominfo", vm, expect=1)
    assert not list((daemon.root / "var/lib/ferry/domains").iterdir())
    assert [p.name for p in (daemon.root / "run/ferry").iterdir() if p.is_dir()] == []


def test_a_transient_guest_leaves_nothing(daemon):
    daemon.virsh("create", daemon.write(daemon.xml()))
    vm = daemon.name()
    assert "Persistent:     no" in daemon.virsh("dominfo", vm)
    daemon.virsh("destroy", vm)
    assert "failed to get domain" in daemon.virsh("domstate", vm, expect=1)


def test_what_is_shown(daemon):
    vm = define(daemon, uuid="11111111-2222-3333-4444-555555555555")
    daemon.virsh("start", vm)
    info = daemon.virsh("dominfo", vm)
    for line in (rf"Name:\s+{vm}", r"UUID:\s+11111111-2222-3333-4444-555555555555", r"State:\s+running", r"CPU\(s\):\s+1",
                 r"Max memory:\s+65536 KiB", r"Persistent:\s+yes", r"Autostart:\s+disable", r"Managed save:\s+no"):
        assert re.search(line, info), info
    live = daemon.virsh("dumpxml", vm)
    assert "id='1'" in live.splitlines()[0] and "<alias name='serial0'/>" in live
    assert re.search(r"machine='pc-q35-\d", live)
    inactive = daemon.virsh("dumpxml", "--inactive", vm)
    assert " id='" not in inactive.splitlines()[0] and "<alias" not in inactive
    assert "id='1'" not in daemon.virsh("dumpxml", "--migratable", vm).splitlines()[0]
    stats = daemon.virsh("domstats", vm)
    for name in ("state.state=1", "state.reason=1", "cpu.time=", "balloon.current=65536", "vcpu.current=1", "vcpu.0.state=1",
                 "block.count=0"):
        assert name in stats, stats
    assert "CPU time" in info and daemon.virsh("domuuid", vm) == "11111111-2222-3333-4444-555555555555"
    assert daemon.virsh("domname", "1") == vm
    assert re.search(r"VCPU:\s+0", daemon.virsh("vcpuinfo", vm))
    assert "Job type:         None" in daemon.virsh("domjobinfo", vm)
    assert daemon.virsh("vcpucount", vm, "--maximum", "--live") == "1"


def test_the_host(daemon):
    assert re.search(r"Using API: QEMU 9\.0\.0", daemon.virsh("version"))
    assert re.search(r"Running hypervisor: QEMU \d+\.", daemon.virsh("version"))
    assert "Running against daemon: 9.0.0" in daemon.virsh("version", "--daemon")
    assert daemon.virsh("hostname") == os.uname().nodename
    assert re.search(r"CPU\(s\):\s+\d", daemon.virsh("nodeinfo"))
    assert "<capabilities>" in daemon.virsh("capabilities")
    assert "<domainCapabilities>" in daemon.virsh("domcapabilities")
    assert "KiB" in daemon.virsh("freecell")
    assert daemon.virsh("nodememstats") and daemon.virsh("nodecpustats") and daemon.virsh("nodecpumap")
    for words in (("net-list", "--all"), ("pool-list", "--all"), ("iface-list", "--all"), ("nodedev-list",), ("secret-list",),
                  ("nwfilter-list",)):
        daemon.virsh(*words)
    assert "Network not found" in daemon.virsh("net-info", "default", expect=1)
    assert "Storage pool not found" in daemon.virsh("pool-info", "default", expect=1)


def test_refusals(daemon):
    vm = define(daemon, uuid="11111111-2222-3333-4444-555555555555")
    other = daemon.write(daemon.xml("vm", uuid="99999999-2222-3333-4444-555555555555"), "other.xml")
    assert f"domain '{vm}' already exists with uuid 11111111-2222-3333-4444-555555555555" in daemon.virsh("define", other, expect=1)
    renamed = daemon.write(daemon.xml("b", uuid="11111111-2222-3333-4444-555555555555"), "renamed.xml")
    assert f"domain '{vm}' is already defined with uuid" in daemon.virsh("define", renamed, expect=1)
    assert daemon.virsh("define", daemon.write("<domain", "bad.xml"), expect=1)
    assert daemon.virsh("define", daemon.write("<!DOCTYPE x []><domain type='qemu'/>", "bad.xml"), expect=1)
    strange = daemon.xml("c", more="<hostdev mode='subsystem' type='usb'/>")
    assert "hostdev" in daemon.virsh("define", daemon.write(strange, "strange.xml"), expect=1)
    assert "read only" in daemon.virsh("start", vm, uri=daemon.uri_ro, expect=1)
    assert daemon.virsh("domstate", vm, uri=daemon.uri_ro) == "shut off"
    missing = daemon.xml("d").replace(str(daemon.kernel()), "/no/such/kernel")
    daemon.virsh("define", daemon.write(missing, "missing.xml"))
    assert "/no/such/kernel" in daemon.virsh("start", daemon.name("d"), expect=1)
    assert daemon.virsh("domstate", "--reason", daemon.name("d")) == "shut off (failed)"
    assert daemon.virsh("domstate", vm) == "shut off"


def test_events(daemon):
    vm = define(daemon)
    heard = daemon.root / "heard"
    with open(heard, "w") as out:
        listener = subprocess.Popen(["stdbuf", "-oL", VIRSH, "-c", daemon.uri, "event", "--event", "lifecycle", "--loop"], stdout=out)

    def told():
        return re.findall(r"event 'lifecycle' for domain '[^']*': (.*)\n", heard.read_text())

    try:
        wait_until(lambda: "callback_register" in daemon.log(), "virsh has registered")
        for words in (("start", vm), ("suspend", vm), ("resume", vm), ("destroy", vm), ("undefine", vm)):
            daemon.virsh(*words)
        wait_until(lambda: len(told()) >= 7, "seven events", 10)
        listener.send_signal(signal.SIGINT)
        listener.wait(10)
    finally:
        listener.kill()
        print(heard.read_text())
    assert told() == ["Resumed Unpaused", "Started Booted", "Suspended Paused", "Resumed Unpaused",
                      "Shutdown Finished after host request", "Stopped Destroyed", "Undefined Removed"]


def test_a_restart_finds_guests_again(daemon):
    vm = define(daemon)
    other = define(daemon, "off")
    daemon.virsh("autostart", other)
    daemon.virsh("start", vm)
    daemon.virsh("suspend", vm)
    daemon.virsh("create", daemon.write(daemon.xml("transient"), "transient.xml"))
    pids = daemon.qemus()
    assert daemon.stop() == 0
    assert daemon.qemus() == pids
    daemon.start()
    assert daemon.virsh("domstate", "--reason", vm) == "paused (user)"
    assert daemon.virsh("domstate", daemon.name("transient")) == "running"
    assert daemon.virsh("domid", vm) == "1"
    assert "Autostart:      enable" in daemon.virsh("dominfo", other)
    daemon.virsh("resume", vm)
    wait_ticking(daemon)
    daemon.stop(signal.SIGKILL)
    daemon.start()
    assert daemon.virsh("domstate", vm) == "running"
    daemon.virsh("destroy", vm)
    daemon.virsh("destroy", daemon.name("transient"))
    assert daemon.qemus() == []
    assert daemon.virsh("domstate", vm) == "shut off"


def test_a_qemu_that_died_is_noticed(daemon):
    vm = define(daemon)
    daemon.virsh("start", vm)
    os.kill(daemon.qemus()[0], signal.SIGKILL)
    wait_until(lambda: daemon.virsh("domstate", "--reason", vm) == "shut off (crashed)", "the death is noticed", 5)
    assert "ended by itself" in daemon.log()
    daemon.virsh("start", vm)
    daemon.stop(signal.SIGKILL)
    os.kill(daemon.qemus()[0], signal.SIGKILL)
    wait_until(lambda: not daemon.qemus(), "QEMU has gone")
    daemon.start()
    assert daemon.virsh("domstate", "--reason", vm) == "shut off (crashed)"
    daemon.virsh("start", vm)
    daemon.virsh("destroy", vm)


def test_monitor_and_console(daemon):
    vm = define(daemon, serial="<serial type='pty'/>")
    daemon.virsh("start", vm)
    assert '"status":"running"' in daemon.virsh("qemu-monitor-command", vm, '{"execute":"query-status"}').replace(" ", "")
    assert "VM status: running" in daemon.virsh("qemu-monitor-command", vm, "--hmp", "info status")
    assert re.match(r"/dev/pts/\d+", daemon.virsh("ttyconsole", vm))
    daemon.virsh("reset", vm)
    daemon.virsh("destroy", vm)


def test_autostart_runs_once_per_boot(daemon):
    vm = define(daemon)
    daemon.virsh("autostart", vm)
    daemon.stop()
    (daemon.root / "run/ferry/autostarted").unlink()
    daemon.start()
    wait_until(lambda: daemon.virsh("domstate", vm) == "running", "autostart")
    daemon.virsh("destroy", vm)
    daemon.stop()
    daemon.start()
    other = define(daemon, "other")     # until it ticks, an autostart would long be over
    daemon.virsh("start", other)
    wait_ticking(daemon, "other")
    assert daemon.virsh("domstate", vm) == "shut off"


def test_the_power_button(daemon):
    vm = define(daemon)
    daemon.virsh("start", vm)
    wait_ticking(daemon)
    daemon.virsh("shutdown", vm)
    wait_until(lambda: daemon.virsh("domstate", "--reason", vm) == "shut off (shutdown)", "the guest has powered off", 10)
    assert "powerdown" in (daemon.root / "vm.serial").read_text()
    assert daemon.qemus() == []


def test_a_reboot_keeps_the_qemu(daemon):
    vm = define(daemon)
    daemon.virsh("start", vm)
    wait_ticking(daemon)
    pids = daemon.qemus()
    boots = (daemon.root / "vm.serial").read_text().count("guest vm")
    daemon.virsh("reboot", vm)
    wait_until(lambda: (daemon.root / "vm.serial").read_text().count("guest vm") > boots, "the guest has booted again", 10)
    wait_until(lambda: daemon.virsh("domstate", "--reason", vm) == "running (booted)", "it runs")
    assert daemon.qemus() == pids
    boots = (daemon.root / "vm.serial").read_text().count("guest vm")
    daemon.virsh("reset", vm)
    wait_until(lambda: (daemon.root / "vm.serial").read_text().count("guest vm") > boots, "the reset has booted it again", 10)
    assert daemon.qemus() == pids


def test_on_poweroff_restart_starts_over(daemon):
    xml = daemon.xml().replace("<devices>", "<on_poweroff>restart</on_poweroff><devices>")
    daemon.virsh("define", daemon.write(xml))
    vm = daemon.name()
    daemon.virsh("start", vm)
    wait_ticking(daemon)
    daemon.virsh("shutdown", vm)
    wait_until(lambda: (daemon.root / "vm.serial").read_text().count("guest vm") == 2, "the guest has booted again", 10)
    assert daemon.virsh("domstate", vm) == "running"


def test_a_paused_start(daemon):
    vm = define(daemon)
    daemon.virsh("start", vm, "--paused")
    assert daemon.virsh("domstate", "--reason", vm) == "paused (user)"
    assert ticks(daemon) == 0
    daemon.virsh("resume", vm)
    wait_ticking(daemon)


def test_images_belong_to_qemu_while_it_runs(daemon):
    disk = daemon.root / "disk.img"
    disk.write_bytes(b"\0" * 1048576)
    more = f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{disk}'/><target dev='vda' bus='virtio'/></disk>"
    vm = define(daemon, more=more)
    owner = disk.stat().st_uid
    daemon.virsh("start", vm)
    assert disk.stat().st_uid != owner or os.geteuid() != 0
    assert "vda" in daemon.virsh("domblklist", vm)
    assert "rd_bytes" in daemon.virsh("domblkstat", vm, "vda")
    assert "block.0.capacity=1048576" in daemon.virsh("domstats", vm)
    assert re.search(r"Capacity:\s+1048576", daemon.virsh("domblkinfo", vm, "vda"))
    daemon.virsh("destroy", vm)
    wait_until(lambda: disk.stat().st_uid == owner, "the image is given back")


def test_title_description_and_metadata(daemon):
    element = "<app:note xmlns:app='http://example.org/note'><app:x>1 &lt; 2</app:x></app:note>"
    xml = daemon.xml().replace("<memory", f"<title>old</title><metadata>{element}</metadata><memory", 1)
    daemon.virsh("define", daemon.write(xml))
    vm = daemon.name()
    assert daemon.virsh("desc", vm, "--title") == "old"
    assert "No description" in daemon.virsh("desc", vm)
    daemon.virsh("desc", vm, "--title", "--new-desc", "new")
    daemon.virsh("desc", vm, "--new-desc", "two words", "--config")
    assert re.search(rf"{vm}\s+shut off\s+new", daemon.virsh("list", "--all", "--title"))
    assert daemon.virsh("metadata", vm, "http://example.org/note") == element
    assert "not present" in daemon.virsh("metadata", vm, "http://example.org/other", expect=1)
    daemon.stop()
    daemon.start()
    assert daemon.virsh("desc", vm) == "two words" and daemon.virsh("desc", vm, "--title") == "new"
    assert element in daemon.virsh("dumpxml", vm)


def test_a_start_that_its_daemon_did_not_live_to_see(daemon):
    """Killed between the start of QEMU and its status file: the guest never ran, and is ended by the next daemon."""
    vm = define(daemon)
    for delay_ms in range(0, 90, 6):
        starting = subprocess.Popen([VIRSH, "-c", daemon.uri, "start", vm], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: "domain_create type 0" in daemon.log().rsplit("is ready", 1)[-1], "the call has come")
        time.sleep(delay_ms / 1000)
        daemon.stop(signal.SIGKILL)
        starting.wait(10)
        daemon.start()
        running = daemon.virsh("domstate", vm) != "shut off"
        wait_until(lambda: len(daemon.qemus()) == running, f"as many QEMUs as guests, {delay_ms} ms", 5)
        if running:
            daemon.virsh("destroy", vm)
        assert daemon.qemus() == []


def test_strange_names(daemon):
    import xml.sax.saxutils
    for number, name in enumerate(["two words", "Grüße % & <x>", "%2e%2e", ".hidden", "x" * 255, "-o"]):
        text = daemon.xml(f"n{number}").replace(f"<name>{daemon.name(f'n{number}')}</name>",
                                                f"<name>{xml.sax.saxutils.escape(name)}</name>")
        daemon.virsh("define", daemon.write(text))
        daemon.virsh("start", "--domain", name)
        assert daemon.virsh("domstate", "--domain", name) == "running"
        uuid = daemon.virsh("domuuid", "--domain", name)
        daemon.virsh("destroy", uuid)
    daemon.stop()
    daemon.start()
    assert len(daemon.virsh("list", "--all", "--name").splitlines()) == 6
    for line in daemon.virsh("list", "--all", "--uuid").split():
        daemon.virsh("undefine", line)
    assert not list((daemon.root / "var/lib/ferry/domains").iterdir())
    for name in ("a/b", "..", "", "y" * 256, "a&#10;b"):
        bad = daemon.xml().replace(daemon.name(), name)
        assert daemon.virsh("define", daemon.write(bad), expect=1)


def test_the_balloon_is_asked_for_statistics_as_often_as_wanted(daemon):
    xml = daemon.xml("vm", more="<memballoon model='virtio'><stats period='7'/></memballoon>")
    daemon.virsh("create", daemon.write(xml, "vm.xml"))
    answer = daemon.virsh("qemu-monitor-command", daemon.name("vm"),
                          '{"execute": "qom-get", "arguments": {"path": "/machine/peripheral/balloon0",'
                          ' "property": "guest-stats-polling-interval"}}')
    assert json.loads(answer)["return"] == 7, answer
