# SPDX-License-Identifier: LGPL-2.1-or-later
"""The protocol put together: the state a run begins in, what must hold in every state, and what an end may look like."""
from .destination import Destination
from .faults import Faults
from .messages import *
from .mutants import ALL_WEAK
from .qemus import Qemus
from .records import *
from .source import Source


class Model(Source, Destination, Qemus, Faults):
    def __init__(self, mode='precopy', design='C', stream='rp', weak=(), attempts=2, faults=2, users=1,
                 undefine=True, persist=True, restore=False, paused=False, stage1=False):
        self.pc, self.design, self.stream, self.weak = mode == 'postcopy', design, stream, frozenset(weak)
        self.attempts, self.faults, self.users, self.undefine, self.persist = attempts, faults, users, undefine, persist
        self.paused, self.stage1 = paused, stage1
        assert mode == 'precopy' or not (paused or stage1), 'precopy only'
        for w in ALL_WEAK:
            setattr(self, w.replace('-', '_'), w in self.weak)
        unsynced = {KEPT: self.kept_unsynced, GONE: self.gone_unsynced, CRASHED: self.crashed_unsynced}
        self.rec = {k: (sj, k) if w else (sj, k, sd, k) for k, w in unsynced.items()}
        self.restore = restore or self.unknown_refused

    def initial(self):
        b = bytearray(len(FIELDS))
        b[sup] = b[dup] = b[sdef] = 1
        b[fl], b[us] = self.faults, self.users
        return bytes(b)

    # messages: does one of this attempt (mutant no-epoch: of any) arrive?
    def got(self, s, kind, att):
        if self.no_epoch:
            return has(s, kind, 1) or has(s, kind, 2)
        return has(s, kind, att)

    def good(self, s):
        """is there an image that is current and that no record has condemned?"""
        if s[sq] in S_RUNS or s[dq] == DCOLD:
            return True
        if s[sq] in S_ALIVE and not s[gh] & SSTALE and s[sj] not in (GONE, CRASHED):
            return True
        alive = s[dj] == TAKEN or s[dj] == PREPARED and s[satt] == s[datt] and s[sj] in (OFFERED, GO)
        if not alive or s[gh] & DSTALE:
            return False
        return s[dq] in (LOADED, DRUN, DPAU) or s[dq] in (PCL, PCRUN, PCWAIT) and s[sq] in (PCS, PCA, PCP)

    def source_runs(self, s, *iv):
        """the source's guest goes on from its image"""
        if s[gh] & SSTALE and 'FRESH' in self.props:
            raise Violation('FRESH: the source resumes an image that the destination has outrun')
        s = put(s, sq, RUN, sw, 0, *iv)
        return put(s, gh, s[gh] | DSTALE)

    def dest_runs(self, s, what):
        if s[gh] & DSTALE and 'FRESH' in self.props:
            raise Violation('FRESH: the destination runs an image that the source has outrun')
        return put(s, dq, what, gh, s[gh] | SSTALE)

    def check(self, s, label):
        if s[sq] in S_RUNS and s[dq] in D_RUNS and 'ONE' in self.props:
            raise Violation('ONE: the guest runs on both sides', s, label)
        if not (s[sdef] or s[ddef] or (self.persist and s[dd] == TAKEN)) and 'DEF' in self.props:
            raise Violation('DEF: no definition is left', s, label)
        if s[wi] and (s[dq] == DRUN or s[sq] == RUN and label == 'S-resume') and 'WISH' in self.props:
            raise Violation('WISH: a daemon runs a guest that its user paused', s, label)

    def settled(self, s):
        if not (s[sup] and s[dup]):
            return False
        home = s[dq] == NOQ and s[dj] in (NONE, REFUSED, LOST) and s[sdef] and not s[ddef] and s[sj] in (NONE, KEPT, CRASHED) \
            and (s[sq] in (RUN, COLD, DEAD, RUNP)) and not (s[sq] == RUN and s[wi])
        away = s[sq] == DEAD and s[sj] == GONE and s[dj] == TAKEN and s[dq] in (DRUN, DCOLD, NOQ, DPAU) \
            and s[sdef] == (0 if self.undefine else 1) and s[ddef] == (1 if self.persist else 0)
        return home or away

    def all(self, s):
        yield from self.source(s)
        yield from self.dest(s)
        yield from self.qemu(s)
        yield from self.fault(s)
