# SPDX-License-Identifier: LGPL-2.1-or-later
"""Wireshark's libvirt dissector, which knows the protocol from elsewhere, reads what our codec wrote."""
import os
import pathlib
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FERRY_BUILD") or TOP / "build")
DECODE = ["-d", "tcp.port==16509,libvirt"]


def dissected(capture, *words):
    return subprocess.run(["tshark", "-r", capture, *DECODE, *words], check=True, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    for program in ("tshark", "text2pcap"):
        if not shutil.which(program):
            pytest.skip(f"'{program}' is not installed")
    if "libvirt" not in subprocess.run(["tshark", "-G", "protocols"], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout:
        pytest.skip("wireshark's libvirt plugin is not installed")
    folder = tmp_path_factory.mktemp("dissector")
    frames = subprocess.run([BUILD / "tests/wire/dice-frames"], check=True, text=True, stdout=subprocess.PIPE).stdout
    (folder / "frames.txt").write_text(frames)
    subprocess.run(["text2pcap", "-q", "-T", "40000,16509", folder / "frames.txt", folder / "frames.pcap"], check=True)
    return folder / "frames.pcap", frames.count("\n")


def test_every_procedure_is_read(capture):
    path, count = capture
    lines = dissected(path, "-Y", "libvirt", "-T", "fields", "-e", "libvirt.procedure").splitlines()
    assert len(lines) == count > 800


def test_nothing_is_malformed(capture):
    path, _ = capture
    assert dissected(path, "-Y", "_ws.malformed or libvirt.unknown") == ""
