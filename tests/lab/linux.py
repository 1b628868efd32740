# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real Linux guest from the machine's own package source: kernel and modules are unpacked, not installed.

Debian's cloud kernel with busybox as its only program.  It counts on the serial console ten times a
second, and in the background checks a file in its memory against its sum.
"""
import gzip
import pathlib
import re
import shutil
import subprocess

PACKAGE = "linux-image-cloud-amd64"
MODULES = ("virtio_pci", "virtio_net", "virtio_blk", "virtio-rng", "virtio_balloon")
TICK_MS = 100
INIT = r"""#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tmpfs tmp /tmp
/bin/busybox --install -s /bin
export PATH=/bin
for module in $(cat /modules/order); do insmod /modules/$module; done
echo "guest: Linux $(uname -r), $(ls /sys/bus/virtio/devices | wc -l) virtio devices"
dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null
sum=$(md5sum </tmp/data)
(while sleep 1; do [ "$(md5sum </tmp/data)" = "$sum" ] || echo "ERROR memory has changed"; done) &
n=0
while :; do n=$((n + 1)); echo "tick $n"; sleep 0.1; done
"""


class Missing(Exception):
    pass


def prepare(folder):
    """Returns (kernel, initrd) in `folder`, made on the first call."""
    folder = pathlib.Path(folder)
    kernel, initrd = folder / "vmlinuz", folder / "initrd.gz"
    busybox = shutil.which("busybox")
    if not busybox or b"not a dynamic" not in subprocess.run(["ldd", busybox], capture_output=True).stderr:
        raise Missing("busybox-static is not installed")
    if not (kernel.exists() and (folder / "modules").is_dir()):
        unpack(folder, kernel)
    initrd.write_bytes(gzip.compress(archive(pathlib.Path(busybox), folder / "modules"), 1, mtime=0))
    return kernel, initrd


def package_name():
    shown = subprocess.run(["apt-cache", "depends", "--important", PACKAGE], capture_output=True, text=True).stdout
    found = re.search(r"Depends: (linux-image-\S+)", shown)
    return found.group(1) if found else None


def apt(*words, folder=None):
    return subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", *words], cwd=folder, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)


def unpack(folder, kernel):
    work = folder / "unpacked"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    name = package_name()
    done = apt("download", name, folder=work) if name else None
    if done is None or done.returncode:     # no lists, or lists older than the server's files
        apt("update")
        name = package_name()
        if not name:
            raise Missing(f"apt knows no package '{PACKAGE}'")
        done = apt("download", name, folder=work)
    package = next(work.glob("*.deb"), None)
    if package is None:
        raise Missing(f"cannot download '{name}': {done.stderr.strip()}")
    subprocess.run(["dpkg-deb", "-x", package, work], check=True)
    (folder / "modules").mkdir(exist_ok=True)
    available = {path.name.split(".ko")[0].replace("-", "_"): path for path in work.rglob("*.ko*")}
    order = []
    for module in MODULES:
        take(module.replace("-", "_"), available, order)
    for path in order:
        target = folder / "modules" / path.name
        shutil.copy(path, target)
        if path.suffix == ".xz":
            subprocess.run(["xz", "-df", target], check=True)
    (folder / "modules/order").write_text("".join(path.name.removesuffix(".xz") + "\n" for path in order))
    shutil.move(next((work / "boot").glob("vmlinuz-*")), kernel)
    shutil.rmtree(work)


def take(name, available, order):
    """The module after those it needs, as depmod would order them."""
    path = available.get(name)
    if path is None or path in order:       # not there: built in
        return
    data = path.read_bytes()
    if path.suffix == ".xz":
        data = subprocess.run(["xz", "-dc", path], capture_output=True, check=True).stdout
    for needed in re.search(rb"(?:^|\0)depends=([^\0]*)\0", data).group(1).decode().split(","):
        if needed:
            take(needed.replace("-", "_"), available, order)
    order.append(path)


def archive(busybox, modules):
    """An initramfs in cpio's newc form; written here so that cpio need not be installed."""
    out = bytearray()
    number = 0

    def add(name, mode, data=b"", device=(0, 0)):
        nonlocal number
        number += 1
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
        out.extend(b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0")
        out.extend(bytes(-len(out) % 4))
        out.extend(data)
        out.extend(bytes(-len(out) % 4))

    for name in ("bin", "dev", "modules"):
        add(name, 0o040755)
    add("dev/console", 0o020600, device=(5, 1))
    add("init", 0o100755, INIT.encode())
    add("bin/busybox", 0o100755, busybox.read_bytes())
    for path in sorted(modules.iterdir()):
        add(f"modules/{path.name}", 0o100644, path.read_bytes())
    add("TRAILER!!!", 0)
    return bytes(out)
