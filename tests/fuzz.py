#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make fuzz: every libFuzzer target for a while, under ASan and UBSan.  SECONDS=60 is the time for each.

New inputs are kept in build-fuzz/corpus/NAME; a finding is written beside and its reproduction printed.
"""
import json
import os
import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
BUILD = TOP / "build-fuzz"
SECONDS = os.environ.get("SECONDS", "60")


def build():
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["meson", "setup", str(BUILD), "-Dfuzz=true", "-Db_lundef=false"], cwd=TOP, check=True,
                       env=dict(os.environ, CC="clang-14"))
    shown = subprocess.run(["meson", "introspect", "--targets", str(BUILD)], check=True, capture_output=True, text=True).stdout
    names = [target["name"] for target in json.loads(shown) if target["name"].startswith("fuzz-")]
    subprocess.run(["ninja", "-C", str(BUILD), *(f"fuzz/{name}" for name in names)], check=True)


def fuzz(program):
    name = program.name.removeprefix("fuzz-")
    grown = BUILD / "corpus" / name
    grown.mkdir(parents=True, exist_ok=True)
    kept = TOP / "fuzz/corpus" / name
    print(f"== {name}: {SECONDS} s", flush=True)
    done = subprocess.run([str(program), f"-max_total_time={SECONDS}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
                           "-verbosity=0", f"-artifact_prefix={grown.parent}/{name}-", str(grown), *([str(kept)] if kept.is_dir() else [])],
                          env=dict(os.environ, UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"))
    if done.returncode:
        print(f"== {name}: a finding; replay it with {program} {grown.parent}/{name}-…", flush=True)
    return done.returncode == 0


def main():
    build()
    programs = sorted(path for path in (BUILD / "fuzz").glob("fuzz-*") if path.is_file() and os.access(path, os.X_OK))
    clean = [fuzz(program) for program in programs]
    print(f"{sum(clean)} targets without a finding, {len(clean) - sum(clean)} with one")
    return 0 if clean and all(clean) else 1


if __name__ == "__main__":
    sys.exit(main())
