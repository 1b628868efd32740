# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ferry` beside virsh on the same daemon: what both print must be the same to the byte."""
import json
import subprocess
import time

import pytest
from conftest import make_lab
from lab.lab import wait_until
from lab.moves import assert_stayed, Guest

SAME = ["list", "list --all", "list --all --name", "list --all --uuid", "list --all --id", "list --name --uuid",
        "list --state-paused", "list --inactive", "list --all --title", "list --all --managed-save",
        "list --persistent --state-running", "dominfo qemu", "dominfo idle", "domstate qemu", "domstate qemu --reason",
        "domstate idle --reason", "domid qemu", "domid idle", "domuuid qemu", "domname {uuid}", "dumpxml qemu",
        "dumpxml qemu --inactive", "dumpxml qemu --migratable", "dumpxml idle --security-info", "nodeinfo", "hostname", "uri",
        "capabilities", "domcapabilities", "domcapabilities --virttype qemu --machine q35", "domjobinfo qemu",
        "domjobinfo qemu --completed", "domjobinfo qemu --rawstats", "domstats qemu --state", "domstats --state --list-inactive",
        "migrate-getspeed qemu", "qemu-monitor-command qemu --hmp info status", "event --list"]
WRONG = ["start", "start nosuch --bogus", "nosuch", "start qemu", "define /nosuch.xml", "domjobinfo qemu --keep-completed",
         "migrate qemu", "migrate qemu qemu+tcp://h/system --live --offline",
         "migrate qemu qemu+tcp://h/system --timeout 3", "migrate qemu qemu+tcp://h/system --tls-destination x",
         "migrate qemu qemu+tcp://h/system --persistent-xml x", "event", "domjobabort qemu", "domjobabort idle",
         "shutdown qemu --mode loud"]


@pytest.fixture(scope="module", params=["libvirtd", "ferryd"])
def lab(request):
    lab = make_lab([request.param, request.param])
    host = lab.hosts[0]
    lab.guest = Guest(lab)
    host.virsh("define", lab.guest.path())
    host.virsh("start", "qemu")
    host.virsh("define", Guest(lab, name="idle").path())
    yield lab
    lab.close()


def both(lab, line, quiet=()):
    words = line.format(uuid=lab.guest.uuid).split()
    host = lab.hosts[0]
    return [host.run([program, *quiet, "-c", host.socket_uri, *words], check=False) for program in ("virsh", lab.ferry)]


@pytest.mark.parametrize("quiet", [(), ("-q",)], ids=["", "quiet"])
@pytest.mark.parametrize("line", SAME)
def test_the_same_as_virsh(lab, line, quiet):
    virsh, ferry = both(lab, line, quiet)
    assert ferry.returncode == virsh.returncode, ferry.stderr
    if line.startswith("dominfo"):      # processor time goes on
        virsh.stdout, ferry.stdout = ("".join(l for l in text.splitlines(True) if not l.startswith("CPU time"))
                                      for text in (virsh.stdout, ferry.stdout))
    assert ferry.stdout == virsh.stdout


@pytest.mark.parametrize("line", WRONG)
def test_complaints_are_those_of_virsh(lab, line):
    virsh, ferry = both(lab, line)
    assert (ferry.returncode, virsh.returncode) == (1, 1)
    assert ferry.stderr.splitlines()[0] == virsh.stderr.strip().splitlines()[0]


@pytest.mark.parametrize("line", ["list --all", "dominfo qemu", "domstate qemu", "domstats", "nodeinfo", "domjobinfo qemu"])
def test_json_is_json(lab, line):
    assert json.loads(lab.hosts[0].ferry(*line.split(), "--json").stdout)


def test_ctrl_c_asks_and_waits(lab, started):
    """The signal comes in mid-copy; the guest goes on here and nothing is left there."""
    source, destination = lab.hosts
    source.virsh("destroy", "qemu", check=False)
    source.virsh("undefine", "qemu", check=False)
    running = started(source, memory_mib=256, append="set=128 dirty=60")
    for delay_s in (0, 1.5):
        argv = [lab.ferry, "-c", source.socket_uri, "migrate", "qemu", destination.tcp_uri, f"tcp://{destination.address}",
                "--live", "--bandwidth", "8", "--json"]
        ferry = source.popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: "Unbounded" in source.virsh("domjobinfo", "qemu", check=False).stdout, "the job", 20)
        time.sleep(delay_s)
        source.run(["sh", "-c", "kill -INT $(pidof ferry)"])
        out, complaint = ferry.communicate(timeout=60)
        assert "canceled by client" in complaint
        assert json.loads(out)["outcome"] == "stayed"

        class Result:
            status, output = ferry.returncode, complaint

        assert_stayed(Result, running.ticks, running.guest, source, destination)
