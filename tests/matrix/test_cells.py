# SPDX-License-Identifier: LGPL-2.1-or-later
"""The matrix itself: what is merged may not change a verdict, and the sample leaves nothing out."""
import re

import cells


def test_the_whole_is_the_product():
    assert len(cells.all_cells()) == 6 * 10 * 5 * 8


def test_a_cell_is_found_again_by_its_id():
    assert all(cells.parse(cell.id) == cell for cell in cells.all_cells())


def test_what_is_merged_must_end_alike():
    different = [(cell.id, cells.merge(cell).id) for cell in cells.all_cells()
                 if not cell.is_control and cells.expected(cell).outcome != cells.expected(cells.merge(cell)).outcome]
    assert different == []


def test_a_merged_cell_keeps_mix_and_mode():
    for cell in cells.all_cells():
        other = cells.merge(cell)
        assert (cell.mode, cell.mix) == (other.mode, other.mix)


def test_every_rule_merges_something():
    for rule, _ in cells.RULES:
        assert any(rule(cell) for cell in cells.all_cells()), rule.__name__


def test_every_value_is_run_with_every_mix():
    run = cells.cells_to_run()
    for mix in {cell.mix for cell in cells.all_cells()}:
        for key in ("name", "mode", "topology"):
            seen = {getattr(cell, key) for cell in run if cell.mix == mix}
            assert seen == {getattr(cell, key) for cell in cells.all_cells()}, (mix, key)


def test_every_refusal_names_words_to_look_for():
    for cell in cells.all_cells():
        expected = cells.expected(cell)
        assert (expected.outcome == "arrives") == (expected.reason == "")
        re.compile(expected.reason)


def test_between_two_ferryds_only_an_order_or_a_stock_client_behind_closed_ports_can_fail():
    for cell in cells.all_cells():
        if (cell.source, cell.destination) == ("ferryd", "ferryd") and cells.expected(cell).outcome != "arrives":
            assert cell.mode in ("explicit", "port") or (cell.topology, cell.client, cell.mode) == ("dropped", "virsh", "managed")


def test_the_sample_covers_every_value():
    chosen, run = cells.sample(), cells.cells_to_run()
    assert len(chosen) <= 64 and set(chosen) <= set(run)
    for key in ("name", "mode", "topology", "mix"):
        assert {getattr(cell, key) for cell in chosen} == {getattr(cell, key) for cell in run}
    assert {(cell.topology, cell.mix) for cell in chosen} == {(cell.topology, cell.mix) for cell in run}
