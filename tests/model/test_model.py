# SPDX-License-Identifier: LGPL-2.1-or-later
"""The hand-over's model with short bounds: it holds what docs/handover.md says, each rule is needed, and what is known to be unsafe is found."""
import pathlib
import re

import pytest

from model.mutants import MUTANTS
from model.offline import OFFLINE
from model.runs import RUNS, perform
from model.stock_source import DOUBTS, explore_stock
from model.trial import first_break, judge_mutant, stock

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/handover.md"


@pytest.mark.parametrize("run", [run for run in RUNS if run.is_short], ids=lambda run: run.name)
def test_a_run_ends_as_the_page_states(run):
    assert not perform(run)[1]


@pytest.mark.parametrize("name, mode, what", MUTANTS, ids=[f"{name}-{mode}" for name, mode, _ in MUTANTS])
def test_without_this_rule_something_breaks(name, mode, what):
    bad = first_break(name, mode)
    assert not judge_mutant(name, mode, what, [bad] if bad else [])[1]


@pytest.mark.parametrize("name, exploration, breaks", OFFLINE, ids=[one[0] for one in OFFLINE])
def test_without_an_image(name, exploration, breaks):
    _, bad, trace = exploration()
    assert (bad or "")[:3] == breaks[:3], f"{bad}\n{trace}"


def test_a_stock_host_splits():
    assert [text.split(":")[0] for text, _ in stock()] == ["ONE", "FRESH", "DEF", "COPY", "LIVE"]


def test_a_stock_source_that_is_answered_first_runs_nothing_twice():
    """What is left: U3, U5, and the definition when the power goes before TOLD is durable (U6).  U7 is what DOUBTS show."""
    _, broken, ends = explore_stock("careful")
    assert {(what, why[-1]) for what, *why in broken} == {("DEF", "power of the destination lost")}
    assert set(ends) == {"here", "runs on the source", "U3: here; paused on the source for ever", "U5: in doubt, a person decides",
                         "stays paused on the source, as between stock hosts", "lost with the power of the source"}


def test_a_stock_source_that_is_answered_last_may_run_twice():
    _, broken, ends = explore_stock("fast")
    assert {what for what, *_ in broken} == {"ONE"}                     # U4
    assert not any(name.startswith("U5") for name in ends)


@pytest.mark.parametrize("doubt", DOUBTS)
def test_what_is_assumed_of_a_stock_source_is_needed(doubt):
    _, broken, _ = explore_stock("careful", (doubt,))
    assert "ONE" in {what for what, *_ in broken}


def test_the_page_states_the_runs():
    """A figure that changes is changed on the page too."""
    page = PAGE.read_text()
    figures = {int(figure.replace(",", "")) for figure in re.findall(r"\d[\d,]*\d", page)}
    assert {run.states for run in RUNS if run.states} <= figures
