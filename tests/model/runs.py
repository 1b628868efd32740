# SPDX-License-Identifier: LGPL-2.1-or-later
"""The runs whose results docs/handover.md, section 14, states.  `make check` takes the short ones, `make soak` all."""
import dataclasses

from .explorer import explore
from .rules import Model

SAFE = ('ONE', 'FRESH', 'DEF', 'COPY')


@dataclasses.dataclass(frozen=True)
class Run:
    name: str
    terms: dict                             # what Model is made with
    states: int                             # what the page says
    props: tuple = SAFE + ('LIVE',)
    breaks: str = ''                        # the property that must break; its states are not counted
    is_short: bool = False


RUNS = (
    Run('precopy, 1 fault, 1 attempt', dict(faults=1, attempts=1), 3_552, is_short=True),
    Run('postcopy, 1 fault, 1 attempt', dict(mode='postcopy', faults=1, attempts=1), 7_721, is_short=True),
    Run('precopy', {}, 232_353, is_short=True),
    Run('postcopy', dict(mode='postcopy'), 2_001_846),
    Run('precopy, 3 faults', dict(faults=3), 741_870),
    Run('postcopy, 3 faults', dict(mode='postcopy', faults=3), 8_140_386),
    Run('precopy, 4 faults, 2 interferences', dict(faults=4, users=2), 2_213_993),
    Run('precopy, no return path, vmdesc', dict(stream='vmdesc'), 215_008),
    Run('precopy, no return path, no vmdesc', dict(stream='strict'), 171_852),
    Run('precopy, definition stays', dict(undefine=False), 0),
    Run('restored journal, precopy', dict(restore=True), 381_944, props=SAFE[:2] + SAFE[3:]),
    Run('restored journal, postcopy', dict(restore=True, mode='postcopy'), 3_214_902, props=SAFE[:2] + SAFE[3:]),
    Run('paused by its user', dict(paused=True), 303_044, props=SAFE + ('LIVE', 'WISH')),
    Run('paused by its user, 2 interferences', dict(paused=True, users=2), 578_542, props=SAFE + ('LIVE', 'WISH')),
    Run('stage 1, 1 fault, 1 attempt', dict(stage1=True, faults=1, attempts=1), 2_982, props=SAFE, is_short=True),
    Run('stage 1', dict(stage1=True), 218_004, props=SAFE),
    Run('stage 1, no return path, vmdesc', dict(stage1=True, stream='vmdesc'), 417_600, props=SAFE),
    Run('stage 1, no return path, no vmdesc', dict(stage1=True, stream='strict'), 352_316, props=SAFE),
    Run('stage 1 settles', dict(stage1=True, faults=1, attempts=1), 0, props=('LIVE',), breaks='LIVE', is_short=True),
    Run('design A, return path', dict(design='A'), 0, props=('ONE',), breaks='ONE', is_short=True),
    Run('design A, vmdesc', dict(design='A', stream='vmdesc'), 0, props=('ONE',), breaks='ONE', is_short=True),
    Run('design A, no return path, no vmdesc', dict(design='A', stream='strict'), 0),
    Run('design B, return path', dict(design='B'), 0, props=('ONE',), breaks='ONE', is_short=True),
    Run('design B, vmdesc', dict(design='B', stream='vmdesc'), 0, props=('ONE',), breaks='ONE', is_short=True),
    Run('design B, no return path, no vmdesc', dict(design='B', stream='strict'), 0, props=SAFE[:3]),
)


def perform(run):
    """-> (what was found, what is wrong with it or nothing)"""
    states, _, _, bad, _ = explore(Model(**run.terms), run.props)
    if run.breaks:
        found = bad[0] if bad else 'all hold'
        return found, '' if bad and bad[0].startswith(run.breaks) else f'{run.breaks} should break: {found}'
    if bad:
        return bad[0], f'{bad[0]}\n{bad[1]}'
    if run.states and states != run.states:
        return f'{states} states', f'{states} states, the page says {run.states}'
    return f'{states} states', ''
