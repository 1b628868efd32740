# SPDX-License-Identifier: LGPL-2.1-or-later
"""What QEMU itself says about a migration: its trace log, written the same way whoever drives it.

A wrapper stands in for the emulator and adds the trace to guests (not to probes).  Times are those of
the real-time clock, as QEMU stamps them.
"""
import pathlib
import re
import shutil

REAL = shutil.which("qemu-system-x86_64") or "/usr/bin/qemu-system-x86_64"
TRACED = "-msg timestamp=on -trace handle_qmp_command -trace migrate_set_state -trace vm_state_notify"
LINE = re.compile(r"^\d+@(\d+\.\d+):(\w+) (.*)$")


def install(folder):
    """Writes the wrapper; returns its path, to be used as <emulator>."""
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    path = folder / "qemu-system-x86_64"
    path.write_text("#!/bin/sh\ncase \" $* \" in\n"
                    f"*' -name '*) exec {REAL} \"$@\" {TRACED} -D /run/consoles/$$.trace ;;\nesac\nexec {REAL} \"$@\"\n")
    path.chmod(0o755)
    return path


def words(path):
    """The same for a bare QEMU: arguments that make it write the trace to `path`."""
    return [*TRACED.split(), "-D", str(path)]


class Trace:
    def __init__(self, path):
        self.commands, self.states, self.runs = [], [], []
        for line in pathlib.Path(path).read_text(errors="replace").splitlines():
            match = LINE.match(line)
            if not match:
                continue
            at, event, rest = float(match.group(1)), match.group(2), match.group(3)
            if event == "handle_qmp_command":
                name = re.search(r'"execute"\s*:\s*"([^"]+)"', rest)
                self.commands.append((at, name.group(1) if name else "?"))
            elif event == "migrate_set_state":
                self.states.append((at, rest.replace("new state", "").strip()))
            elif event == "vm_state_notify":
                self.runs.append((at, rest.startswith("running 1")))

    # A guest that goes on has two migrations in its trace, in and out: `since` tells them apart.

    def state(self, name, since):
        return next(at for at, state in self.states if state == name and at >= since)

    def stopped(self, since):
        return next(at for at, running in self.runs if not running and at >= since)

    def resumed(self, since):
        return next(at for at, running in self.runs if running and at >= since)

    def commands_between(self, begin, end):
        return sum(1 for at, _ in self.commands if begin <= at <= end)

