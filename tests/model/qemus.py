# SPDX-License-Identifier: LGPL-2.1-or-later
"""The two QEMUs, which have a will of their own, and the stream between them.  No daemon is needed for any of it."""
from .messages import *
from .records import *


class Qemus:
    def broken(self, t):
        if t == OPEN:
            return (BROKEN,)
        # strict: the last byte has left, QEMU can no longer fail
        if t == SENT:
            return (BSENT,) if self.stream == 'strict' else (BROKEN, BSENT)
        if t == SHUT:
            return (BSENT,)
        return (t,)

    def qemu(self, s):
        q, t, d = s[sq], s[st], s[dq]
        armed = self.design == 'B' and s[dj] == TAKEN
        if q in (ACT, ACTP) and t == OPEN:
            if self.design == 'A':
                yield 'step', 'Q-stop', put(s, sq, PRE, sw, s[sup])
            else:
                yield 'step', 'Q-stop', put(s, sq, PCS if self.pc else DEV, sw, s[sup])
        if q in (DEV, PCS) and t == OPEN:
            yield 'step', 'Q-sent', put(s, st, SENT)
        if d == INC and t in (SENT, BSENT):
            what = PCL if self.pc else LOADED
            n = put(s, st, SHUT if t == SENT else t)
            if armed:
                yield 'step', 'Q-load-run', self.dest_runs(n, PCRUN if self.pc else DRUN)
            else:
                yield 'step', 'Q-load', put(n, dq, what)
        if q == DEV and (t == SHUT or self.stream != 'rp' and t == SENT):
            yield 'step', 'Q-completed', put(s, sq, COMP, st, DONE if t == SHUT else SENT)
        if q == COMP and t == SHUT and not self.pc:
            yield 'step', 'Q-done', put(s, st, DONE)
        if q == PCS and t in (SENT, SHUT):
            yield 'step', 'Q-postcopy', put(s, sq, PCA)
        if q == PCA and t == SHUT and d in (PCRUN, PCL):
            yield 'step', 'Q-pages', put(s, sq, COMP, st, DONE, dq, DRUN if d == PCRUN else LOADED)
        if t in (BROKEN, BSENT):
            if q in (ACT, DEV, PCS) and not (self.stream == 'strict' and t == BSENT and q == DEV):
                # the source's QEMU resumes its guest by itself when the migration fails, or leaves it stopped
                yield 'step', 'Q-autoresume', self.source_runs(s) if q != ACT else put(s, sq, RUN, sw, 0)
                if q != ACT:
                    yield 'step', 'Q-failed', put(s, sq, FST)
            if q == ACTP:
                yield 'step', 'Q-failed', put(s, sq, RUNP, sw, 0)
            if q == DEV and t == BSENT and self.stream != 'rp':
                yield 'step', 'Q-completed', put(s, sq, COMP)
            if d == INC:
                yield 'step', 'Q-eof', put(s, dq, NOQ)
        if t == BROKEN:
            if q == PCA:
                yield 'step', 'Q-pc-paused', put(s, sq, PCP)
            if d == PCRUN:
                yield 'step', 'Q-pc-waiting', put(s, dq, PCWAIT)
