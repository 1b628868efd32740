# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an operator sees: migrations listed and watched, whoever leads them, and what lies about that belongs to nobody."""
import contextlib
import hashlib
import json
import os
import pathlib
import signal

import pytest
from conftest import lab_of
from lab.lab import end, wait_until
from lab.moves import Guest

SLOW = "set=4 touch=40 check=500"
PACE_MIB = "2"      # twenty seconds, in which ferry is asked several times on a busy machine
MUTE = "#!/usr/bin/python3 -I\nimport signal\nwhile True:\n    signal.pause()\n"


lab = lab_of(["ferryd", "ferryd"])


def listed(host, *words):
    """Asked over the read-only socket: whoever may look may look at this."""
    uri = host.socket_uri.replace("ferry-sock", "ferry-sock-ro")
    return json.loads(host.run([host.lab.ferry, "-r", "-c", uri, "migration", "list", "--json", *words]).stdout)


def move(one, two, *words):
    return one.popen(["virsh", "-c", one.socket_uri, "migrate", "--live", *words, "qemu", two.tcp_uri], stdout=-1, stderr=-2, text=True)


def wait_until_it_moves(host):
    def is_moving():
        job = host.ferry("domjobinfo", "qemu", check=False).stdout
        return "Memory processed" in job and "Memory processed: 0.000 B" not in job

    wait_until(is_moving, "memory is moving", 20)


def watch(host, *words):
    return host.popen([host.lab.ferry, "-c", host.socket_uri, "migration", "watch", "qemu", *words], stdout=-1, stderr=-2, text=True)


def test_a_migration_is_watched_whose_client_has_died(lab, started):
    one, two = lab.hosts
    running = started(one, append=SLOW, memory_mib=64)
    assert listed(one) == []
    client = move(one, two, "--p2p", "--bandwidth", PACE_MIB)
    wait_until_it_moves(one)
    (here,), (there,) = listed(one), listed(two)
    assert here["state"] == there["state"] == "active" and here["attempt"] == there["attempt"] and here["epoch"] == there["epoch"]
    assert (here["way"], here["other_host"], here["word"]) == ("to", two.name, "OFFERED")
    assert (there["way"], there["other_host"], there["word"]) == ("from", one.name, "PREPARED")
    assert "copying memory" in one.ferry("migration", "list").stdout
    watchers = [watch(one), watch(two, "--json")]
    late = watch(one, "--timeout", "1")
    assert late.wait(20) == 2 and "has not ended yet: it is on its way to" in late.stdout.read()
    end(client, signal.SIGKILL)
    one.ferry("migrate-setspeed", "qemu", "1000")
    source, destination = [(process.wait(30), process.stdout.read()) for process in watchers]
    assert source[0] == 0 and f"Domain 'qemu' left; {two.name} has it" in source[1]
    assert destination[0] == 0 and json.loads(destination[1])["word"] == "TAKEN"
    running.ticks.wait(two.name, more=10)
    assert listed(one) == [] and listed(two) == []
    assert listed(one, "--all", "qemu")[0]["word"] == "GONE"
    assert listed(two, "--all", running.guest.uuid)[0]["sentence"] == f"came here from {one.name}"
    again = watch(one)      # afterwards it says the same
    assert again.wait(10) == 0 and "left" in again.stdout.read()


def test_one_that_fails_says_why(lab, started):
    one, two = lab.hosts
    started(one, append=SLOW, memory_mib=64)
    client = move(one, two, "--p2p", "--bandwidth", PACE_MIB)
    wait_until_it_moves(one)
    watcher = watch(one)
    one.ferry("domjobabort", "qemu")
    assert client.wait(20) == 1
    output = watcher.stdout.read()
    assert watcher.wait(20) == 1 and f"domain 'qemu' stayed here; it did not go to {two.name}: " in output, output
    row = listed(one, "--all", "qemu")[0]
    assert row["word"] == "KEPT" and row["cause"]


def test_nothing_to_watch(lab):
    done = lab.hosts[0].ferry("migration", "watch", "nosuch", check=False)
    assert done.returncode == 1
    assert "no migration of 'nosuch' is known on this host" in done.stderr


def doctor(host, *words):
    """(exit status, findings)"""
    done = host.ferry("doctor", "--json", *words, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)["findings"]


def assert_well(host):
    """Soon: images are given back behind a guest's end."""
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: doctor(host) == (0, []), "nothing is found", 5, every_s=0.05)
    assert doctor(host) == (0, [])
    assert f"{host.name} is well" in host.ferry("doctor").stdout


def boot_time():
    with open("/proc/stat") as stat:
        return next(int(line.split()[1]) for line in stat if line.startswith("btime"))


def given_image(lab, name):
    """One that belongs to QEMU's user, as the start of a guest leaves it."""
    image = lab.shared / name
    image.write_bytes(bytes(4096))
    os.chown(image, 64056, 64056)
    for name, value in (("dac", "+0:+0"), ("ref_dac", "1"), ("timestamp_dac", str(boot_time()))):
        os.setxattr(image, f"trusted.libvirt.security.{name}", value.encode())
    return image


def old(path):
    os.utime(path, (1, 1))
    return path


def test_a_host_is_well_before_and_after_a_migration(lab, started):
    one, two = lab.hosts
    started(one)
    assert_well(one)
    _, used = doctor(one, "--all")
    assert {row["class"] for row in used} == {"used"} and any(row["what"].startswith("QEMU process") for row in used)
    assert move(one, two, "--p2p").wait(30) == 0
    wait_until(lambda: not one.qemus(), "the source's QEMU has gone", 10)
    assert_well(one)
    assert_well(two)


def test_what_lies_about_is_found_and_its_command_removes_it(lab):
    """One of each kind.  After the commands have been obeyed, nothing is left."""
    one = lab.hosts[0]
    state, run = one.folder / "var/lib/ferry", one.folder / "run/ferry"
    stranger = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
    image = given_image(lab, "it's an image.raw")
    disk = f'<disk type="file"><driver name="qemu" type="raw"/><source file="{image}"/><target dev="vda" bus="virtio"/></disk>'
    one.virsh("define", Guest(lab, name="idle", devices=disk).path())
    nonce = image.with_name(".ferry-" + "0" * 32 + "-" + "1" * 16)
    planted = {
        "run folder": run / stranger,
        "note": run / "asking-99",
        "autostart marker": state / "domains/nobody.autostart",
        "word of a migration": state / "migrations" / ("a" * 32 + ".owner"),
        "record of a migration": state / "migrations" / ("b" * 32 + ".json.new"),
        "proof beside an image": state / "nonces/c0ffee",
    }
    for what, path in planted.items():
        if what == "run folder":
            path.mkdir()
            (path / "monitor.sock").touch()
        else:
            path.write_text(str(nonce) if what.startswith("proof") else "4194303 1")
        old(path)
    nonce.touch()
    old(nonce)
    status, findings = doctor(one)
    assert status == 1
    found = {row["what"]: row for row in findings}
    assert set(found) == {*planted, "image"} and {row["class"] for row in findings} == {"leftover"}, findings
    inside = {what: str(path).replace(str(one.folder), "") for what, path in planted.items()}
    for what in set(planted) - {"proof beside an image"}:
        assert found[what]["where"] == inside[what]
    assert found["proof beside an image"]["where"] == str(nonce) and found["image"]["where"] == str(image)
    for row in findings:
        one.run(["sh", "-c", row["command"]])
    assert_well(one)
    assert os.stat(image).st_uid == 0
    one.virsh("undefine", "idle")


def test_a_qemu_without_a_registry_entry(lab, started):
    """Its status was lost: nobody ends it, but it is named, and so are its tap and its folder."""
    one = lab.hosts[0]
    one.ip("link", "add", "bridge0", "type", "bridge")
    started(one, devices='<interface type="bridge"><source bridge="bridge0"/><model type="virtio"/></interface>')
    assert "vnet0" in [row["what"].split()[-1] for row in doctor(one, "--all")[1] if row["class"] == "used"]
    one.ip("tuntap", "add", "dev", "vnet9", "mode", "tap")
    one.kill_daemon()
    folder, = (one.folder / "run/ferry").glob("*-*-*-*-*")
    (folder / "status").write_text("{}")
    one.restart_ferryd()
    old(folder)
    assert "qemu" not in one.virsh("list", "--all", "--name").stdout
    status, findings = doctor(one)
    assert status == 1 and {row["what"]: row["class"] for row in findings if "process" not in row["what"]} == {
        "run folder": "person", "tap vnet0": "person", "tap vnet9": "person"}
    taps = {row["what"]: row for row in findings if row["what"].startswith("tap")}
    process, = (row for row in findings if row["what"].startswith("QEMU process"))
    assert process["guest"] == "qemu" and "does not manage it" in process["cause"]
    one.run(["sh", "-c", process["command"]])
    wait_until(lambda: not one.qemus(), "it has gone", 10)
    assert taps["tap vnet0"]["command"] == process["command"]
    one.run(["sh", "-c", taps["tap vnet9"]["command"]])
    old(folder)
    _, (left,) = doctor(one)
    assert left["what"] == "run folder" and left["class"] == "leftover"
    one.run(["sh", "-c", left["command"]])
    assert_well(one)


def of_a_newer_ferryd(files, what):
    """Writes one of the files of a migration as a ferryd might that knows more.  Returns the file."""
    path = files[what]
    if what == "word":      # OFFERED or PREPARED stands in the other slot
        text = b"ferry-owner 1\nsequence 2\nword SHARED\nwish run\nboot 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0\n"
        with path.open("r+b") as record:
            record.write((text + b"sum " + hashlib.sha256(text).hexdigest().encode()).ljust(512, b"\n"))
    else:
        path.write_text(json.dumps(dict(json.loads(path.read_text()), promised="more")))
    return path


def files_of(host, running):
    state = host.folder / "var/lib/ferry"
    attempt = listed(host)[0]["attempt"]
    return {"journal": state / f"migrations/{attempt}.json", "word": state / f"migrations/{attempt}.owner",
            "generation": state / f"domains/{running.guest.uuid}.attempt"}


@pytest.mark.parametrize("what", ["journal", "word", "generation"])
@pytest.mark.parametrize("side", ["source", "destination"])
def test_records_of_a_newer_ferryd_are_not_guessed(lab, started, side, what):
    """The guest waits for a person, or for the newer daemon; the records stay as they were."""
    one, two = lab.hosts
    running = started(one, append=SLOW, memory_mib=64)
    client = move(one, two, "--p2p", "--bandwidth", PACE_MIB)
    wait_until_it_moves(one)
    host, other, taken_for = (one, two, "GO") if side == "source" else (two, one, "TOLD")
    files = files_of(host, running)
    host.kill_daemon()
    end(client, signal.SIGKILL)
    if side == "destination":       # which else would hear of it, and decide
        other.kill_daemon()
    known = {path: path.read_bytes() for path in files.values()}
    path = of_a_newer_ferryd(files, what)
    newer = {path: path.read_bytes() for path in files.values()}
    known_as = "the other host" if (side, what) == ("source", "journal") else other.name      # the generation was written before it was known
    qemus = host.qemus()
    host.restart_ferryd()
    if side == "destination":
        other.restart_ferryd()
    assert f"migration {files['word'].stem} of domain 'qemu' is taken for {taken_for}" in host.log()
    for verb in ("suspend", "destroy"):
        refused = host.virsh(verb, "qemu", check=False)
        assert refused.returncode == 1 and f"may run on {known_as}, since 2" in refused.stderr, refused.stderr
        assert f"{path.name}': a newer ferryd has written it: this one" in refused.stderr and "start the newer one again" in refused.stderr
    status, findings = doctor(host)
    record, = (row for row in findings if row["class"] == "person")
    assert record["what"] == ("generation of a guest" if what == "generation" else "record of a migration")
    assert "a newer ferryd has written it" in record["cause"]
    waiting, = (row for row in findings if row["class"] == "waits")
    sentence = listed(host)[0]["sentence"]
    assert (waiting["guest"], waiting["cause"]) == ("qemu", sentence) and listed(host)[0]["state"] == "waiting"
    assert sentence in host.virsh("dominfo", "qemu").stdout
    watcher = watch(host, "--timeout", "1")
    assert watcher.wait(20) == 2 and watcher.stdout.read().count(sentence) == 2     # as it begins to wait, and in the end
    assert {path: path.read_bytes() for path in files.values()} == newer and host.qemus() == qemus
    host.kill_daemon()
    path.write_bytes(known[path])
    host.restart_ferryd()
    one.ferry("migrate-setspeed", "qemu", "1000", check=False)     # if it goes on
    assert host.ferry("migration", "watch", "qemu", "--timeout", "30", check=False).returncode != 2
    running.ticks.wait(more=10)
    assert_well(host)


@pytest.mark.parametrize("what", ["journal", "word", "generation"])
def test_a_person_ends_what_a_newer_ferryd_has_left(lab, started, what):
    one, two = lab.hosts
    running = started(one, append=SLOW, memory_mib=64)
    client = move(one, two, "--p2p", "--bandwidth", PACE_MIB)
    wait_until_it_moves(one)
    files = files_of(one, running)
    one.kill_daemon()
    end(client, signal.SIGKILL)
    of_a_newer_ferryd(files, what)
    one.restart_ferryd()
    one.ferry("migration", "resolve", "qemu", "--here", "--confirm", listed(one)[0]["other_host"] or "it")
    assert one.ferry("domstate", "--reason", "qemu").stdout.startswith("running") and listed(one) == []
    one.restart_ferryd()
    assert listed(one, "--all")[0]["word"] == "KEPT"
    one.virsh("suspend", "qemu")
    one.virsh("resume", "qemu")
    running.ticks.wait(one.name, more=10)
    wait_until(lambda: not two.qemus(), "the other host has given it up", 30)
    assert_well(one)


def test_files_of_a_start_that_was_cut_off_are_returned(lab):
    """The daemon ended after it had given an image to QEMU's user, and before the guest's status spoke of it."""
    one = lab.hosts[0]
    assert_well(one)
    image = given_image(lab, "cut off.raw")
    one.kill_daemon()
    (one.folder / "run/ferry/given-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-0-1").write_bytes(bytes(image) + b"\0")
    one.restart_ferryd()
    wait_until(lambda: os.stat(image).st_uid == 0, "the image was returned", 10)
    wait_until(lambda: not list((one.folder / "run/ferry").glob("given-*")), "the note has gone", 5)


def test_an_arrival_that_was_cut_off_gives_its_image_back_in_the_end(lab, started):
    """The daemon was killed after `cont`, before the status said whose the image is: its record says it.  Sockets of lanes, of which
    it held the other end, go at once."""
    one, two = lab.hosts
    image = given_image(lab, "taken.raw")
    os.chown(image, 0, 0)
    disk = f'<disk type="file"><driver name="qemu" type="raw"/><source file="{image}"/><target dev="vda" bus="virtio"/></disk>'
    running = started(one, devices=disk)
    assert move(one, two, "--p2p").wait(30) == 0
    running.ticks.wait(two.name, more=5)
    wait_until(lambda: not listed(two), "it has ended there too", 10)
    folder = two.folder / f"run/ferry/{running.guest.uuid}"
    wait_until(lambda: json.loads((folder / "status").read_text())["has_images"] == 1, "the image is noted", 10)
    two.kill_daemon()
    for path, changes in ((folder / "status", {"has_images": 0}),
                          (two.folder / f"var/lib/ferry/migrations/{listed(one, '--all')[0]['attempt']}.json", {"ended_ms": 0})):
        path.write_text(json.dumps(dict(json.loads(path.read_text()), **changes)))
    (folder / "lanes").mkdir()
    for left in ("lanes.sock", "lanes/in"):
        (folder / left).touch()
    two.restart_ferryd()
    assert not list(folder.glob("lanes*"))
    assert os.stat(image).st_uid == 64056
    two.virsh("destroy", "qemu")
    wait_until(lambda: os.stat(image).st_uid == 0, "the image was returned", 10)
    assert_well(two)


def asking(host):
    """Emulators that are being asked what they can do."""
    return [pid for pid, argv in host.processes() if any(word.startswith("none,") for word in argv)]


def test_an_emulator_that_is_asked_dies_with_the_daemon(lab):
    """This one never answers, and does not end by itself."""
    one = lab.hosts[0]
    assert_well(one)
    mute = lab.shared / "mute/qemu-system-x86_64"
    mute.parent.mkdir(exist_ok=True)
    mute.write_text(MUTE)
    mute.chmod(0o755)
    with one.configured(emulator_dirs=mute.parent):
        wait_until(lambda: asking(one), "the emulator is asked", 20)
        pid, = asking(one)
        one.kill_daemon()
        wait_until(lambda: not pathlib.Path(f"/proc/{pid}/fd/0").exists(), "it has gone without a new daemon", 10)


def test_a_host_restored_from_a_backup_is_told_by_its_peer(lab, started):
    """Its definition is from before the guest moved, and so are its records: none.  Only the other host knows."""
    def findings(host, *words):     # both hosts of the lab boot from one file, which two's guest uses
        return [row for row in doctor(host, *words)[1] if row["what"] != "image"]

    one, two = lab.hosts
    guest = Guest(lab)
    one.virsh("define", guest.path())
    one.virsh("start", "qemu")
    definition = (one.folder / "var/lib/ferry/domains/qemu.xml").read_text()
    assert move(one, two, "--p2p", "--persistent", "--undefinesource").wait(30) == 0
    one.stop_daemon()
    for record in (one.folder / "var/lib/ferry/migrations").iterdir():
        record.unlink()
    (one.folder / f"var/lib/ferry/domains/{guest.uuid}.attempt").unlink()
    (one.folder / "var/lib/ferry/domains/qemu.xml").write_text(definition)
    one.restart_ferryd()
    assert findings(one) == []      # nothing here says so
    row, = findings(one, "--peer", two.tcp_uri)
    assert (row["class"], row["guest"]) == ("person", "qemu")
    assert f"{two.name} knows a newer generation of it (1, here 0): there it came here from {one.name}" in row["cause"]
    one.virsh("start", "qemu")
    row, = findings(one, "--peer", two.tcp_uri)
    assert f"runs here and on {two.name}" in row["cause"]
    for host in lab.hosts:
        host.virsh("destroy", "qemu")
        host.virsh("undefine", "qemu")
    assert findings(one, "--peer", two.tcp_uri) == []
    done = one.ferry("doctor", "--peer", "qemu+tcp://192.168.122.99/system", check=False)
    assert done.returncode == 2 and "could not be asked" in done.stderr
