# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a protocol without one of its rules breaks, and what a stock host does."""
from .explorer import explore
from .mutants import BOUNDS, HARMLESS, MUTANTS, STOCK, mutant_terms
from .records import PROPS
from .rules import Model


def every_break(terms):
    """[(what breaks, a shortest trace)]: each property is looked for on its own."""
    found = (explore(Model(**terms), [prop])[3] for prop in PROPS + ['WISH'] * terms.get('paused', False))
    return [bad for bad in found if bad]


def first_break(name, mode):
    """What it breaks with as little as will show it, or nothing with bounds that stay cheap."""
    terms = mutant_terms(name, mode)
    props = PROPS + ['WISH'] * terms['paused']
    for bounds in BOUNDS[:4] if name in HARMLESS else BOUNDS:
        bad = explore(Model(**terms, **bounds), props)[3]
        if bad:
            return bad
    return None


def stock():
    return every_break(dict(weak=STOCK))


def judge_mutant(name, mode, what, bad):
    """-> (a line for people, what is wrong with it or nothing)"""
    names = ' '.join(one[0].split(':')[0] for one in bad) or 'all hold'
    line = f'{name + " [" + mode + "]":32} {names:26} without: {what}'
    return line, '' if bool(bad) != (name in HARMLESS) else f'unexpected: {line}'


__all__ = ['MUTANTS', 'every_break', 'first_break', 'judge_mutant', 'stock']
