# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that may be moved with postcopy in the lab, whatever this machine's kernel lets unprivileged users do."""
import subprocess

from lab.lab import HERE, require

SETTING = "/proc/sys/vm/unprivileged_userfaultfd"


def allow(host, value="1"):
    """What the host's daemon reads of the kernel's setting; the setting itself is the whole machine's and stays."""
    path = host.folder / "unprivileged_userfaultfd"
    is_there = path.exists()
    path.write_text(value + "\n")
    if not is_there:
        host.run(["mount", "--bind", path, SETTING])


def emulator(lab):
    """QEMU, content with the userfaultfd that everybody gets; in a folder that ferryd's `emulator_dirs` must name."""
    require("cc")
    folder = lab.folder / "emulators"
    program, shim = folder / "qemu-system-x86_64", folder / "userfaults.so"
    if not program.exists():
        folder.mkdir()
        subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, HERE / "userfaults.c", "-ldl"], check=True)
        program.write_text(f'#!/bin/sh\nLD_PRELOAD={shim} exec /usr/bin/qemu-system-x86_64 "$@"\n')
        program.chmod(0o755)
    return str(program)


def start(lab, host, environment=None, **config):
    allow(host)
    host.start_ferryd({"emulator_dirs": f"/usr/bin {lab.folder / 'emulators'}", **config}, environment=environment)
