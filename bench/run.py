#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make bench: bare QEMU, stock virsh with libvirtd, and Ferry, side by side in one run.

run.py [--build DIR] [--rounds N] [--only move|handover|recovery|lanes|routes|tunnel|daemon|strangers] [--stacks bare,stock,ferry] [--json FILE]

Not a test: the numbers are printed beside each other with their ratios, nothing fails for being slow.
All values are medians of the rounds.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests/guest"), str(TOP / "bench")]

import daemons      # noqa: E402
import disturbed    # noqa: E402
import handover     # noqa: E402
import lanes        # noqa: E402
import moving       # noqa: E402
import recovery     # noqa: E402
import routes       # noqa: E402
from lab.lab import become_root      # noqa: E402

STACKS = {"bare": None, "stock": ("libvirtd", "virsh"), "ferry": ("ferryd", "ferry")}
TITLES = {"bare": "bare QEMU", "stock": "stock", "ferry": "Ferry"}
KINDS = ("move", "handover", "recovery", "lanes", "routes", "tunnel", "daemon", "strangers")
collected = {}


def available(names):
    found = []
    for name in names:
        if name == "stock" and not (shutil.which("libvirtd") and shutil.which("virsh")):
            print("stock libvirtd is not installed: its column is left out")
        elif name == "ferry" and not all((pathlib.Path(os.environ["FERRY_BUILD"]) / path).exists() for path in ("src/ferryd/ferryd", "cli/ferry")):
            print("ferryd and ferry are not built: their column is left out")
        else:
            found.append(name)
    return found


def table(title, rows, columns, ratios):
    """rows: [(label, {stack: value}, format)]; ratios: [(title, stack, of stack)]"""
    print(f"\n{title}")
    heads = ["", *(TITLES[name] for name in columns), *(text for text, above, below in ratios if {above, below} <= set(columns))]
    lines = [heads]
    for label, values, form in rows:
        line = [label] + [form.format(values[name]) if values.get(name) is not None else "–" for name in columns]
        for _, above, below in ratios:
            if {above, below} <= set(columns):
                top, bottom = values.get(above), values.get(below)
                line.append(f"{top / bottom:.2f}" if top is not None and bottom else "–")
        lines.append(line)
    widths = [max(len(line[index]) for line in lines) for index in range(len(heads))]
    for number, line in enumerate(lines):
        print("  " + "  ".join(text.ljust(width) if index == 0 else text.rjust(width) for index, (text, width) in enumerate(zip(line, widths))))
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))
    sys.stdout.flush()


def measure(columns, memory_mib, append, rounds, modes):
    """modes: {key: words}; returns {(key, stack): samples}, all of them taken in turns."""
    stacks = {}
    for key, mode in modes.items():
        for stack in columns:
            stacks[key, stack] = moving.bare(memory_mib, append, mode) if stack == "bare" else moving.managed(*STACKS[stack], memory_mib, append, mode)
    samples, complaints = moving.side_by_side(stacks, rounds)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return samples


def bench_moves(columns, rounds):
    rows = (("whole command, ms", "wall_ms"), ("  before QEMU's migration", "before_ms"), ("  QEMU's own", "qemu_ms"), ("  after it", "after_ms"),
            ("outside QEMU's own, ms", "outside_ms"), ("downtime by arrivals, ms", "arrivals_ms"), ("downtime by QEMU, ms", "downtime_ms"),
            ("QMP commands, both sides", "commands"))
    for title, memory_mib, append in moving.SCENES:
        samples = {stack: found for (_, stack), found in measure(columns, memory_mib, append, rounds, {"": ()}).items()}
        collected[title] = {stack: [dataclasses.asdict(one) for one in found] for stack, found in samples.items()}
        table(f"{title}, live, {rounds} rounds", [(label, {stack: moving.median(found, name) for stack, found in samples.items() if found}, "{:.1f}")
                                                  for label, name in rows], columns, [("Ferry/stock", "ferry", "stock"), ("Ferry/bare", "ferry", "bare")])


def bench_handover(columns, rounds):
    rounds = max(rounds, 11)
    samples, complaints = moving.side_by_side(handover.stacks(columns, STACKS), rounds)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    collected["handover"] = {f"{way} {stack}": [dataclasses.asdict(one) for one in found] for (way, stack), found in samples.items()}
    trip = handover.round_trip_ms()
    for way in handover.WAYS:
        spreads = {(stack, name): handover.spread([getattr(one, name) for one in found]) for stack in columns for name in ("downtime_ms", "loaded_ms")
                   if (found := samples.get((way if stack != "bare" else "", stack)))}
        rows = []
        for label, name in (("stopped to running", "downtime_ms"), ("loaded to running", "loaded_ms")):
            for what in ("median", "worst"):
                rows.append((f"{label}, {what}", {stack: getattr(spreads[stack, name], what) for stack in columns if (stack, name) in spreads}, "{:.2f}"))
        table(f"The hand-over, {way}, {handover.MEMORY_MIB} MiB, idle, {rounds} rounds, ms", rows, columns, [("Ferry/stock", "ferry", "stock")])
        if {("bare", "downtime_ms"), ("ferry", "downtime_ms")} <= set(spreads):
            more = spreads["ferry", "downtime_ms"].median - spreads["bare", "downtime_ms"].median
            print(f"  Ferry over bare QEMU: {more:+.2f} ms; the goal is a round trip ({trip:.2f} ms) and 2 ms: {'met' if more <= trip + 2 else 'missed'}")


def bench_recovery(columns, rounds):
    columns = [name for name in columns if name != "bare"]
    found = {}
    for stack in columns:
        try:
            found[stack] = recovery.killed(STACKS[stack][0], max(rounds, 5))
        except Exception as problem:
            print(f"{TITLES[stack]}: {problem}", file=sys.stderr)
    collected["recovery"] = found
    rows = []
    for index, label in enumerate(("first answer", "state of every guest")):
        for what in ("median", "worst"):
            rows.append((f"{label}, {what}", {stack: getattr(handover.spread([one[index] for one in times]), what) for stack, times in found.items()}, "{:.0f}"))
    table(f"A killed daemon started again, {recovery.GUESTS} guests, {max(rounds, 5)} rounds, ms (goal: 1000)", rows, columns, [("Ferry/stock", "ferry", "stock")])
    if "ferry" not in columns:
        return
    print("\nThe link cut in the hand-over, from its return to settled (goal: 2000 ms)")
    collected["cut"] = {}
    for way, mode in handover.WAYS.items():
        for cut_s in recovery.CUTS_S:
            settled = recovery.cut(cut_s, mode)
            collected["cut"][f"{way} {cut_s} s"] = settled
            print(f"  {way:18} after {cut_s:3} s: {'waits for a person' if settled is None else f'{settled:.0f} ms'}", flush=True)


def bench_tunnel(columns, rounds):
    columns = [name for name in columns if name != "bare"]
    title, memory_mib, append = moving.SCENES[1]
    size_mib = 1536
    ways = {"direct": ["--p2p"], "tunnel": ["--p2p", "--tunnelled"]}
    samples = measure(columns, memory_mib, append, rounds, ways)
    collected["tunnel"] = {f"{way} {stack}": [dataclasses.asdict(one) for one in found] for (way, stack), found in samples.items()}

    def rate(way, stack):
        found = samples[way, stack]
        return size_mib * 1000 / moving.median(found, "qemu_ms") if found else None

    def cpu(way, stack):
        found = samples[way, stack]
        return moving.median(found, "cpu_ms") if found else None

    def share(stack):
        direct, tunnel = rate("direct", stack), rate("tunnel", stack)
        return tunnel / direct if direct and tunnel else None

    table(f"Peer-to-peer, {title}, {rounds} rounds", [
        ("direct, MiB/s", {stack: rate("direct", stack) for stack in columns}, "{:.0f}"),
        ("tunnel, MiB/s", {stack: rate("tunnel", stack) for stack in columns}, "{:.0f}"),
        ("tunnel/direct", {stack: share(stack) for stack in columns}, "{:.2f}"),
        ("daemons' CPU direct, ms", {stack: cpu("direct", stack) for stack in columns}, "{:.0f}"),
        ("daemons' CPU tunnel, ms", {stack: cpu("tunnel", stack) for stack in columns}, "{:.0f}"),
    ], columns, [("Ferry/stock", "ferry", "stock")])


def bench_lanes(columns, rounds):
    for title, memory_mib, touched_mib, rate in lanes.SCENES:
        samples, complaints = moving.side_by_side(lanes.stacks(columns, STACKS, memory_mib, touched_mib, rate), rounds)
        for complaint in complaints:
            print(complaint, file=sys.stderr)
        collected[f"lanes {title}"] = {f"{way} {stack}": [dataclasses.asdict(one) for one in found] for (way, stack), found in samples.items()}
        rates = {way: {stack: touched_mib * 1000 / moving.median(samples[way, stack], "qemu_ms") for stack in columns if samples[way, stack]}
                 for way in lanes.WAYS}
        one, several = lanes.WAYS
        rows = [(f"{way}, MiB/s", rates[way], "{:.0f}") for way in lanes.WAYS]
        rows.append((f"{several}/{one}", {stack: rates[several][stack] / rates[one][stack] for stack in columns
                                          if stack in rates[one] and stack in rates[several]}, "{:.2f}"))
        for way in lanes.WAYS:
            rows.append((f"{way}: daemons' CPU, ms per GiB",
                         {stack: moving.median(samples[way, stack], "cpu_ms") * 1024 / touched_mib for stack in columns
                          if stack != "bare" and samples[way, stack]}, "{:.0f}"))
        table(f"Lanes, {title}, {touched_mib} MiB touched, {rounds} rounds", rows, columns, [("Ferry/stock", "ferry", "stock"), ("Ferry/bare", "ferry", "bare")])


def bench_daemons(columns):
    columns = [name for name in columns if name != "bare"]
    weights = {}
    for stack in columns:
        try:
            weights[stack] = daemons.weigh(STACKS[stack][0])
        except Exception as problem:
            print(f"{TITLES[stack]}: {problem}", file=sys.stderr)
    collected["daemon"] = {stack: dataclasses.asdict(weight) for stack, weight in weights.items()}
    rows = (("private memory idle, KiB", "idle_kib", "{:.0f}"), (f"private memory with {daemons.DEFINITIONS} definitions, KiB", "full_kib", "{:.0f}"),
            ("define, ms each", "define_ms", "{:.2f}"), (f"list of {daemons.DEFINITIONS}, server's side, ms", "list_ms", "{:.2f}"),
            ("start-up to first answer, ms", "start_ms", "{:.1f}"), (f"the same with {daemons.DEFINITIONS} definitions, ms", "start_full_ms", "{:.1f}"))
    table("The daemon", [(label, {stack: getattr(weight, name) for stack, weight in weights.items()}, form) for label, name, form in rows],
          columns, [("Ferry/stock", "ferry", "stock")])


def bench_routes(rounds):
    results, complaints = routes.measure(rounds)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    collected["routes"] = results
    print(f"\nFinding and proving the way, {rounds} rounds, ms")
    for what, found in results.items():
        print(f"  {what:26} median {statistics.median(found):7.1f}   longest {max(found):7.1f}")


def bench_strangers(rounds):
    results, complaints = disturbed.measure(rounds)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    collected["strangers"] = {kind: {"alone_s": alone, "disturbed_s": crowd, "met": met} for kind, (alone, crowd, met) in results.items()}
    print(f"\nA migration with {disturbed.STRANGERS} strangers at its port, {rounds} rounds, seconds")
    for kind, (alone, crowd, met) in results.items():
        if crowd:
            before, after = statistics.median(alone), statistics.median(crowd)
            print(f"  {kind:8} alone {before:6.2f}   with strangers {after:6.2f}   ratio {after / before:.2f}   met {statistics.median(met):.0f}")
        else:
            print(f"  {kind:8} did not arrive")


def machine():
    version = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return f"{os.cpu_count()} × {model}, Linux {platform.release()}, {version}, TCG"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(TOP / "build"))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", action="append", choices=KINDS)
    parser.add_argument("--stacks", default="bare,stock,ferry")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    become_root("bench")
    os.environ["FERRY_BUILD"] = str(pathlib.Path(arguments.build).resolve())
    only = arguments.only or KINDS
    columns = available(arguments.stacks.split(","))
    print(machine())
    if "move" in only:
        bench_moves(columns, arguments.rounds)
    if "handover" in only:
        bench_handover(columns, arguments.rounds)
    if "recovery" in only:
        bench_recovery(columns, arguments.rounds)
    if "lanes" in only:
        bench_lanes(columns, arguments.rounds)
    if "routes" in only and "ferry" in columns:
        bench_routes(arguments.rounds)
    if "tunnel" in only:
        bench_tunnel(columns, arguments.rounds)
    if "daemon" in only:
        bench_daemons(columns)
    if "strangers" in only and "ferry" in columns:
        bench_strangers(arguments.rounds)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps({"machine": machine(), **collected}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
