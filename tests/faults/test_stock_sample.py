# SPDX-License-Identifier: LGPL-2.1-or-later
"""The part of `make faults-stock` that joins the gate: a lost answer and a dead QEMU, each with and without a stock host."""
import itertools
import os
import pathlib
import shutil
import subprocess

import pytest

from faults import stock

RUN = pathlib.Path(__file__).with_name("stock.py")
BUILD = pathlib.Path(__file__).resolve().parents[2] / "build-faults"
LIMIT_S = 240       # alone on two cores it takes half a minute


@pytest.mark.limit(LIMIT_S + 30)
def test_no_worse_than_between_stock_hosts(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("the lab makes namespaces and needs root")
    missing = [name for name in ("qemu-system-x86_64", "virsh", "libvirtd", "virtlogd", "nft", "ss", "tc", "meson", "ninja") if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    done = subprocess.run([RUN, "--build", BUILD, "--sample", "--jobs", "3", "--patience", "3", "--record", tmp_path / "results.jsonl"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr


def test_the_exceptions_are_cells_and_stand_on_the_page():
    known = {cell.id for cell in stock.all_cells()}
    page = (pathlib.Path(__file__).resolve().parents[2] / "docs/handover.md").read_text()
    assert set(stock.EXCEPTIONS) <= known
    assert all(f"**{letter}**" in page for letter in stock.EXCEPTIONS.values())


def test_what_is_left_out_is_said_and_the_rest_is_tried_beside_its_control():
    every, tried = [stock.Cell(*words) for words in itertools.product(stock.PAIRS, stock.MODES, stock.MOMENTS, stock.FAULTS)], stock.all_cells()
    assert all(any(rule(cell) for cell in every) for rule, _ in stock.RULES)
    assert {(cell.pair, cell.fault) for cell in tried} == {(pair, fault) for pair in stock.PAIRS for fault in stock.FAULTS}
    assert {cell.control for cell in tried} <= set(tried)


def test_a_cell_that_is_worse_is_told():
    row = {"told": "", "output": ""}
    rows = {name: dict(row, cell=name, outcome=outcome) for name, outcome in {
        "stock:p2p:there:cut": "one+stray", "to-stock:p2p:there:cut": "doubled", "from-stock:p2p:there:cut": "one",
        "stock:p2p:there:kill-source-daemon": "one", "from-stock:p2p:there:kill-source-daemon": "both-paused",
        "to-stock:p2p:last:cut": "missed"}.items()}
    assert [cell.id for cell, _ in stock.verdicts(rows)] == ["to-stock:p2p:there:cut", "to-stock:p2p:last:cut"]


def test_a_stock_host_is_measured_at_its_worst():
    def rows_of(control, ours):
        return {name: {"cell": name, "outcome": outcome, "told": "", "output": ""} for name, outcome in
                {"stock:virsh:last:kill-client": control, "from-stock:virsh:last:kill-client": ours}.items()}

    for drawn, wrong in ((["one", "paused"], 0), (["one"] * stock.CONTROL_TRIES, 1), (["crashed", "one"], 0)):
        tries = iter(drawn)
        rows = stock.with_worst_controls(rows_of("one", "paused"), lambda names: {name: rows_of(next(tries), "")[name] for name in names})
        assert len(stock.verdicts(rows)) == wrong
