# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the test guest's image is: built by meson, or here when a single test is run by hand."""
import os
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parent.parent.parent


def build_folder():
    return pathlib.Path(os.environ.get("FERRY_BUILD") or TOP / "build").resolve()


def image():
    path = build_folder() / "tests/guest/ferry-test-guest"
    if not path.exists():
        subprocess.run(["ninja", "-C", build_folder(), "tests/guest/ferry-test-guest"], check=True, stdout=subprocess.DEVNULL)
    return path
