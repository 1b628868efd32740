#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The first process of a lab host: makes the namespaces, dresses the host, then reaps until told to end.

hostinit.py SPEC.json      prints the process id of the host's first process, as seen from outside, once it is ready

Everything that runs on the host is below this process' PID namespace, so it ends with it, however
that happens.  The end of standard input is the order to end: the pipe closes by itself when the
test that holds its other end dies, also by SIGKILL.
"""
import ctypes
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import time

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
MS_RDONLY, MS_BIND, MS_REC, MS_PRIVATE = 1, 4096, 16384, 1 << 18
libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source, target, kind=None, flags=0):
    arguments = [str(value).encode() if value is not None else None for value in (source, target, kind)]
    check(libc.mount(*arguments, ctypes.c_ulong(flags), None), f"cannot mount {source} on {target}")


def dress(spec):
    """Folders of its own over those that a host keeps its life in.  What must stay in sight is bound back in."""
    folder = pathlib.Path(spec["folder"])
    keep = [pathlib.Path(path) for path in spec["keep"]]
    for target in spec["private"]:
        own = folder / target.strip("/")
        own.mkdir(parents=True, exist_ok=True)
        for path in keep:
            if path.is_relative_to(target):
                inside = own / path.relative_to(target)
                inside.mkdir(parents=True, exist_ok=True)
                mount(path, inside, flags=MS_BIND | MS_REC)
        pathlib.Path(target).mkdir(parents=True, exist_ok=True)
        mount(own, target, flags=MS_BIND | MS_REC)
    mount("proc", "/proc", "proc")
    # sysfs shows the network devices of the namespace in which it was mounted; control groups hang below it.
    groups = folder / "cgroup"
    groups.mkdir(exist_ok=True)
    has_groups = os.path.isdir("/sys/fs/cgroup")
    if has_groups:
        mount("/sys/fs/cgroup", groups, flags=MS_BIND | MS_REC)
    try:
        mount("sysfs", "/sys", "sysfs")
    except OSError:     # in a container that may not: it goes on with the old view
        return
    if has_groups and os.path.isdir("/sys/fs/cgroup"):
        mount(groups, "/sys/fs/cgroup", flags=MS_BIND | MS_REC)


def reap(signal_number, _frame):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def first_process(spec, ready):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    check(libc.mount(None, b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None), "cannot make mounts private")
    if spec["private"]:
        dress(spec)
    name = spec["name"].encode()
    check(libc.sethostname(name, len(name)), "cannot set the host name")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    signal.signal(signal.SIGCHLD, reap)
    os.chdir("/")
    os.write(ready, b"+")
    os.close(ready)
    while True:
        select.select([0], [], [])
        if not os.read(0, 4096):
            os._exit(0)


def remove(folder, patience_s=5):
    """The hosts of a killed test may still be writing while they die."""
    deadline = time.monotonic() + patience_s
    while folder and os.path.exists(folder) and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.02)


def main():
    spec = json.loads(pathlib.Path(sys.argv[1]).read_text())
    check(libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET), "cannot make namespaces")
    told, ready = os.pipe()
    child = os.fork()
    if not child:
        os.close(told)
        try:
            first_process(spec, ready)
        except BaseException as problem:
            os.write(2, f"lab host {spec['name']}: {problem}\n".encode())
        os._exit(1)
    os.close(ready)
    if os.read(told, 1) != b"+":
        os.waitpid(child, 0)
        return 1
    print(child, flush=True)
    os.close(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.waitpid(child, 0)
    remove(spec.get("remove"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
