# SPDX-License-Identifier: LGPL-2.1-or-later
"""migrate/owner.c decides what the model's rules say: not a row more, not one less, and no other action."""
import inspect
import os
import pathlib
import re
import subprocess

import pytest

from model import destination, offline, source, stock_source, tables
from model.explorer import reachable
from model.rules import Model

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FERRY_BUILD") or TOP / "build")
PRINTER = BUILD / "tests/model/print-owner"

# Rules that change nothing are no steps of the model; those of TOLD are the stock source's, S-forced is a person's.
RESTING = {"S-run", "S-watch", "D-wait", "D-keep", "D-doubt", "S-again", "S-forced"}


@pytest.fixture(scope="module")
def printed():
    if not PRINTER.exists():
        pytest.skip(f"{PRINTER} is not built")
    return [line.split("\t") for line in subprocess.run([PRINTER], capture_output=True, text=True, check=True).stdout.splitlines()]


@pytest.fixture(scope="module")
def owner(printed):
    """({input: (word, actions, rule, row)}, {side: number of rows})"""
    decisions, rows = {}, {}
    for words in printed:
        if words[0] in ("look", "offline", "reclaim"):
            continue
        if words[0] == "rows":
            rows[words[1]] = int(words[2])
        else:
            decisions[tuple(words[:5])] = words[5], frozenset(words[6].split()), words[7], int(words[8])
    return decisions, rows


def carried_out(decisions, where):
    """What comes of a decision.  Asked about: migrate_cancel of what may have stopped the guest is followed by asking again; `cancel` and
    `cont` do nothing where the migration has ended or the guest runs; a dead QEMU runs nothing."""
    side, word, boot, qemu, heard = where
    then, actions, _, _ = decisions[where]
    actions = set(actions)
    if side == "source" and "cancel" in actions:
        if qemu == "running":
            actions |= decisions[side, then, boot, "stopped", "nothing"][1] | {"run"}
        else:
            actions.discard("cancel")
    if qemu in ("dead", "fell"):
        actions -= {"run", "cont"}
    return then, frozenset(actions)


def test_it_decides_what_the_rules_say(owner):
    decisions, _ = owner
    other = []
    for where in tables.inputs():
        expected, found = tables.decide(*where), carried_out(decisions, where)
        if expected != found:
            other.append(f"{' '.join(where)}: the model says {expected[0]} {sorted(expected[1])}, owner.c {found[0]} {sorted(found[1])} ({decisions[where][2]})")
    assert not other, "\n" + "\n".join(other)


def test_every_input_is_in_the_model(owner):
    """A word, a QEMU's state or an answer that owner.c learns has to be learnt by the model first."""
    decisions, _ = owner
    for index, known in ((1, {*tables.SOURCE_WORDS, *tables.DESTINATION_WORDS}), (3, {*tables.SOURCE_QEMU, *tables.DESTINATION_QEMU}), (4, {*tables.HEARD})):
        assert {where[index] for where in decisions} - {"NONE", "none", "-"} == known


def test_every_row_decides_something_that_can_be(owner):
    decisions, rows = owner
    used = {(where[0], decisions[where][3]) for where in tables.inputs()}
    idle = {(side, row) for side, count in rows.items() for row in range(count)} - used
    assert not idle, f"these rows decide nothing, or only what cannot be: {sorted(idle)}"
    assert all(row >= 0 for _, row in used), "no row fits"
    assert rows == {"source": 35, "destination": 25}, "a row more or less: was the model asked first?"


def test_what_cannot_be_is_never_reached():
    possible = {where[:4] for where in tables.inputs()}
    models = [Model(attempts=1, stream=stream) for stream in ("rp", "vmdesc")] + [Model(mode="postcopy", attempts=1)]
    reached = {place for model in models for s in reachable(model) for place in tables.place(s)}
    assert reached <= possible, sorted(reached - possible)


def test_every_rule_has_a_name_in_the_model(owner):
    decisions, _ = owner
    text = inspect.getsource(source) + inspect.getsource(destination) + inspect.getsource(stock_source)
    rules = {decisions[where][2] for where in tables.inputs()} - RESTING
    assert {rule for rule in rules if f"'{rule}'" not in text} == set()


# How section 11 of the page says what a destination hears of its answer to a stock source.
HEARS = {"a stock source's Finish(0)": "Finish", "not a byte has left": "unsaid", "acknowledged": "acknowledged", "nothing": "nothing"}


def rows_of_told():
    """(record, QEMU, heard, then, rule) of the page's table, a line for each QEMU."""
    section = (TOP / "docs/handover.md").read_text().split("\n## 11. ")[1].split("\n## ")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and re.match(r"D-\w+$", cells[4]):
            heard = next(heard for text, heard in HEARS.items() if cells[2].startswith(text))
            for qemu in ["loaded", "dead"] if cells[1] in ("any", "loaded / dead") else [cells[1]]:
                yield cells[0].split(",")[0], qemu, heard, cells[3], cells[4]


def test_the_page_says_of_a_stock_source_what_is_decided(owner):
    decisions, _ = owner
    stated = list(rows_of_told())
    for record, qemu, heard, then, rule in stated:
        word, _, its_rule, _ = decisions["destination", record, "now", qemu, heard]
        named = re.search(r"\b(TOLD|TAKEN|REFUSED)\b", then)
        assert (word, its_rule) == (named.group(1) if named else record, rule), f"{record}, {qemu}, {heard}"
    rules = {decision[2] for where, decision in decisions.items() if where[1] == "TOLD" and where[0] == "destination"}
    assert rules == {rule for record, *_, rule in stated if record == "TOLD"}


# How section 11 of the page says what is found at a stock destination: (state, reasons or any) of each phrase.
ANY = frozenset(range(13))
STATES = {"absent": -1, "running": 1, "paused": 3, "shut off": 5}
REASONS = {"user": 1, "shutdown": 1, "migrated": 4, "saved": 5, "failed": 6}
THEN = (("within 60 s", "never ran"), ("it never ran", "never ran"), ("GONE", "ran"), ("ask again", "again"), ("stay paused", "person"))


def rows_of_look():
    """(state, reasons, persist, age, verdict), in the order of the page; a later row is for what is left by those above it."""
    section = (TOP / "docs/handover.md").read_text().split("\n## 11. ")[1].split("| found there | then |")[1].split("\n\n")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 2 or not cells[0] or cells[0].startswith(("-", "host never")):
            continue
        verdict = next(verdict for text, verdict in THEN if text in cells[1])
        for phrase in cells[0].split("; or "):
            state = next(number for text, number in STATES.items() if phrase.startswith(text))
            named = {number for text, number in REASONS.items() if re.search(rf"\b{text}\b", phrase)} if "reason" in phrase else set()
            persist = {"no"} if "not asked" in phrase else {"persist"} if "persist" in phrase else {"no", "persist"}
            if "; later:" in cells[1]:
                yield state, ANY, persist, {"later"}, "person"
                yield state, ANY, persist, {"fresh"}, verdict
            else:
                yield state, frozenset(named) or ANY, persist, {"fresh", "later"}, verdict


def test_the_page_says_what_a_stock_destination_shows(printed):
    looks = {(int(words[1]), int(words[2]), words[3], words[4]): words[5] for words in printed if words[0] == "look"}
    left = {where for where in looks if where[0] in STATES.values()}
    other = []
    for state, reasons, persist, age, verdict in rows_of_look():
        for where in [where for where in left if where[0] == state and where[1] in reasons and where[2] in persist and where[3] in age]:
            left.discard(where)
            if looks[where] != verdict:
                other.append(f"{where}: the page says {verdict}, phase/look.c {looks[where]}")
    assert not other and not left, (other, left)
    beside = {looks[where] for where in looks if where[0] in (2, 4, 6, 7)}
    assert beside == {"ran"} and {looks[where] for where in looks if where[0] == 0} == {"again"}


# Of each rule of the model without an image: what is heard where it applies, and what owner.c calls what it does.
OFFLINE = {
    "S-gone": (("TAKEN",), {"undefine"}), "S-kept": (("REFUSED", "LOST"), set()), "S-abort-asks": (("abort",), {"wait", "take-back"}),
    "S-ask": (("nothing",), {"wait"}), "S-again DROP": (("nothing",), set()), "S-undefine": (("nothing",), {"undefine"}),
    "D-take": (("GO",), {"sync"}), "D-refuse": (("DROP", "abort"), {"sync", "destroy"}), "D-sync": (("nothing",), {"sync", "define"}),
    "D-define": (("nothing",), {"sync", "define"}),
}
TOLD = {"REFUSED", "LOST"}      # what a destination in these words does is to say so: D-tell


def offline_transitions():
    """{(side, word, rule): word}, over all that can be reached."""
    steps, start = offline.offline_steps(undefine=1), offline.offline_start(2)
    seen, todo, found = {start}, [start], {}
    for s in todo:
        for _, label, n in steps(s):
            if n not in seen:
                seen.add(n)
                todo.append(n)
            if label in OFFLINE:
                side, at = ("source", 1) if label.startswith("S-") else ("destination", 5)
                assert found.setdefault((side, s[at], label), n[at]) == n[at]
    return found


def test_without_an_image_it_decides_what_the_rules_say(printed):
    decisions = {tuple(words[1:4]): (words[4], set(words[5].split()), words[6]) for words in printed if words[0] == "offline"}
    stated, other = set(), []
    for (side, word, label), then in offline_transitions().items():
        for heard in OFFLINE[label][0]:
            stated.add((side, word, heard))
            if decisions[side, word, heard][:2] != (then, OFFLINE[label][1]):
                other.append(f"{side} {word} {heard}: the model says {then} {OFFLINE[label][1]}, owner.c {decisions[side, word, heard]}")
    assert not other, "\n".join(other)
    changes = {where for where, (then, _, rule) in decisions.items() if then != where[1] and rule not in RESTING}
    assert changes <= stated, f"no rule of the model: {changes - stated}"
    assert {where[1] for where, (_, _, rule) in decisions.items() if rule == "D-tell"} == TOLD


def test_a_claim_is_answered_as_the_rules_say(printed):
    """In each state of the model in which the other side asks.  What stands already may be said again: that is its message."""
    decisions = {tuple(words[1:4]): words[4] for words in printed if words[0] == "reclaim"}
    steps, start = offline.reclaim_steps(True), offline.reclaim_start(2)
    seen, todo, used = {start}, [start], set()
    for s in todo:
        after = {label: n for _, label, n in steps(s)}
        todo += [n for n in after.values() if n not in seen]
        seen.update(after.values())
        for i in (0, 1):
            (up, epoch, here, runs, _), wants = s[i], s[1 - i][4]
            if not (up and s[1 - i][0] and wants):
                continue
            claim = "newer" if wants > epoch else "same" if wants == epoch else "older"
            where = ("mine" if here else "given", "runs" if runs else "shut off", claim)
            gives, says = decisions[where] == "give", decisions[where] in ("give", "again")
            assert gives == (f"{i} answers" in after), (s, where)
            assert says == (f"{i} answers" in after or (i, wants) in s[2] and not here), (s, where)
            used.add(where)
    assert {where for where, verdict in decisions.items() if verdict in ("give", "again")} <= used
    assert all(verdict not in ("give", "again") for (hold, *_), verdict in decisions.items() if hold in ("elsewhere", "unsettled"))
