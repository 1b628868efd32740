# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cells themselves: what is merged may not change how it may end, and nothing is left out without a word."""
import os
import pathlib
import re
import subprocess

import pytest
from faults import cells, ends

BUILD = pathlib.Path(os.environ.get("FERRY_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))


@pytest.fixture(scope="module")
def points():
    done = subprocess.run([BUILD / "src/ferryd/ferryd", "--list-steps"], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.fixture(scope="module")
def survey(points):
    """As if the ordinary course passed the steps and the four rows that it must, and all others everything."""
    def plain(mode):
        ordinary = cells.ORDINARY_POSTCOPY if mode == "postcopy" else cells.ORDINARY
        return [point for point in points if not cells.is_row(point) or point.removesuffix(".actions") in ordinary]

    return {mode: {course: plain(mode) if course == "plain" else points for course in cells.courses(mode)} for mode in cells.MODES}


@pytest.fixture(scope="module")
def every(points, survey):
    """All cells at points to which a course leads."""
    return [cell for cell in cells.all_cells(points, survey) if not cells.is_row(cell.point) or cell.point.removesuffix(".actions") in ends.ROWS]


def test_steps_and_rows_are_listed_once(points):
    assert len(points) == len(set(points))
    phases = [point.split("/")[0] for point in points]
    assert set(phases) == {"begin", "p2p", "prepare", "arrive", "perform", "source", "destination"}
    assert {"source/OFFERED.S-go", "destination/PREPARED.D-take", "destination/PREPARED.D-take.actions"} <= set(points)


def test_an_operator_is_told_of_every_window(every):
    """What docs/recovery.md calls the only moments in which memory is lost are those that a cell may end in."""
    page = (pathlib.Path(__file__).resolve().parents[2] / "docs/recovery.md").read_text().split("## When memory is lost")[1].split("\n## ")[0]
    rows = {line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")} - {""}
    windows = {why.split(":")[0] for cell in every for why in ends.may_end(cell).get(ends.CRASHED, ends.OWN).split("; ")} - {ends.OWN.split(":")[0]}
    assert windows == rows
    assert f"These {['', '', '', '', '', 'five', 'six', 'seven'][len(rows)]} are the only moments" in page


def test_a_cell_is_found_again_by_its_id(points, survey):
    every = cells.all_cells(points, survey) + cells.cells_to_run(points, survey)
    assert all(cells.parse(cell.id) == cell for cell in every)


def test_every_point_is_tried_with_every_fault(points, survey):
    every = {(cell.point, cell.fault) for cell in cells.all_cells(points, survey)}
    assert every == {(point, fault) for point in points for fault in cells.FAULTS}


def test_the_sample_has_the_short_time_constants_only(points):
    assert {cell.times for cell in cells.sample(points)} == {cells.SHORT}


def test_a_course_leads_through_a_point_that_there_is(points):
    for name, strike in cells.COURSES.items():
        assert strike is None or strike[0] in points and strike[2] in (*cells.FAULTS, *cells.ON_COURSES_ONLY), name
        assert name not in cells.COURSE_OF or cells.COURSE_OF[name] in cells.COURSES, name


def test_what_no_course_leads_to_is_a_point_and_has_a_reason(points):
    for text, why in cells.UNREACHED:
        assert why and any(point.startswith(text) for point in points), text


def test_what_is_merged_is_run(points, survey):
    run = set(cells.cells_to_run(points, survey))
    for cell in cells.all_cells(points, survey):
        other = cells.merge(cell, points)
        assert other is None or other in run, (cell.id, other.id)


def test_what_is_merged_may_end_alike(points, every):
    for cell in every:
        other = cells.merge(cell, points)
        if other and cell.fault not in (*cells.ONCE, "lock"):
            assert (ends.CRASHED in ends.may_end(cell)) == (ends.CRASHED in ends.may_end(other)), (cell.id, other.id)


def test_every_rule_merges_something(points, survey):
    every = cells.all_cells(points, survey)
    for rule, _ in cells.RULES:
        assert any(rule(cell, points) is not None for cell in every), rule.__name__


def test_every_fault_is_run_in_every_mode(points, survey):
    run = cells.cells_to_run(points, survey)
    for mode in cells.MODES:
        missing = set(cells.FAULTS) - {cell.fault for cell in run if cell.mode == mode}
        may_miss = {"tunnelled": {"return-path"}, "postcopy": set(cells.ONCE), "ferry": set(cells.FAULTS), "leased": set(cells.FAULTS) - set(cells.LEASE_FAULTS)}
        assert missing <= may_miss.get(mode, set()), (mode, missing)


def test_one_row_of_every_mode_is_run_with_the_real_times(points, survey):
    real = [cell for cell in cells.cells_to_run(points, survey) if cell.times == cells.REAL]
    assert {cell.mode for cell in real} == set(cells.MODES) - {"leased"}
    assert {cell.fault for cell in real} >= {"cut", "stop", "blink", "kill-this", "reboot-other"}


def test_only_a_qemu_or_a_host_that_dies_may_take_a_guest_with_it(every):
    for cell in every:
        if ends.CRASHED in ends.may_end(cell) and (cell.mode, cell.point) != ("postcopy", "perform/memory"):      # there a broken link may, too
            assert any(ends.hits(point, fault) for point, _, fault in cell.strikes), cell.id


def test_a_guest_that_may_be_lost_was_lost_with_its_own_qemu_or_in_a_window(every):
    for cell in every:
        ends_of = ends.may_end(cell)
        assert ends_of or ends.LOST in ends.stands(cell.mode, cell.point, cell.place), cell.id
        why = ends_of.get(ends.CRASHED)
        assert why is None or all(re.match(r"W[1-5]: |the guest's own QEMU: |tunnel: ", one) for one in why.split("; ")), (cell.id, why)
        assert (ends.ANEW in ends_of) <= (ends.CRASHED in ends_of), cell.id


def test_every_row_to_which_a_course_leads_says_how_far_it_is(points):
    rows = {point.removesuffix(".actions") for point in points if cells.is_row(point)}
    assert set(ends.ROWS) <= rows
    assert all(any(row.startswith(text.removesuffix(".actions")) for text, _ in cells.UNREACHED) for row in rows - set(ends.ROWS)), rows - set(ends.ROWS)


@pytest.mark.parametrize("name,expected", [
    ("virsh:abort-loaded:source/KEPT.S-resume:before:kill-destination", {"stayed"}),
    ("virsh:abort-loaded:destination/PREPARED.D-refuse:before:reboot-this", {"stayed"}),
    ("virsh:source-restarts-gone:source/GONE.S-kill:before:kill-source", {"moved"}),
    ("virsh:source-restarts-gone:source/GONE.S-kill:before:reboot-this", {"moved"}),
    ("virsh:source-restarts-gone:source/GONE.S-kill:before:kill-destination", {"crashed"}),
    ("virsh:source-restarts-go:source/GO.S-again:before:kill-destination", {"stayed"}),
    ("virsh:source-restarts-go:source/GO.S-again:before:kill-source", {"moved"}),
    ("virsh:destination-restarts-taken:destination/TAKEN.D-cont:before:kill-source", {"moved"}),
    ("virsh:guest-dies-here-loaded:source/OFFERED.S-go-dead:before:kill-destination", {"crashed"}),
    ("virsh:plain:destination/PREPARED.D-take:before:kill-destination", {"stayed"}),
    ("virsh:plain:source/GO.S-gone:before:kill-source", {"moved"}),
])
def test_who_keeps_the_only_image_has_the_guest(name, expected):
    assert set(ends.may_end(cells.parse(name))) == expected


def test_the_sample_is_run(points, survey):
    chosen, run = cells.sample(points), cells.cells_to_run(points, survey)
    assert len(chosen) == len(set(chosen)) <= 400 and set(chosen) <= set(run)
    assert {cell.fault for cell in chosen} == set(cells.FAULTS)
    assert {cell.mode for cell in chosen} == set(cells.MODES) - {"leased"}
    assert len([cell for cell in chosen if cell.mode == "postcopy"]) <= 5
    assert {cell.point for cell in chosen} >= {point for point in points if not cells.is_row(point)}


def test_no_cell_waits_for_a_point_that_its_mode_passes_elsewhere(points, survey):
    """What one mode passes on a course that in another does not lead there is not run there."""
    row = "source/GO.S-refused"
    some = {mode: {course: [point for point in own if point != row or mode == "tunnelled" or course == cells.SURELY[row]] for course, own in courses.items()}
            for mode, courses in survey.items()}
    some["tunnelled"][cells.SURELY[row]] = [point for point in points if point != row]
    assert {cell.course for cell in cells.cells_to_run(points, some) if (cell.mode, cell.point) == ("p2p", row)} == {cells.SURELY[row]}
