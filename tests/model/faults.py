# SPDX-License-Identifier: LGPL-2.1-or-later
"""What may break, and the windows in which a fault destroys what was known."""
from .messages import *
from .records import *


class Faults:
    def sdies(self, s):
        t = s[st]
        late = s[sq] in (DEV, COMP)
        if self.pc and s[sq] in (PCS, PCA, PCP) and t in (SENT, SHUT):
            return (BROKEN,)
        if late and t == SHUT:
            return (BSENT,)
        return self.broken(t)

    def fault(self, s):
        if not s[fl]:
            return
        n = put(s, fl, s[fl] - 1)
        if s[sup]:
            is_noted = s[sw] == 2 and not self.fall_unwritten
            yield 'fault', 'daemon S killed', self.windows(put(n, sup, 0, sw, 2 if is_noted else 0), s, 'ds')
        if s[dup]:
            yield 'fault', 'daemon D killed', put(n, dup, 0)
        live = s[sq] in S_ALIVE or s[sq] == COLD
        if live:
            for x in self.sdies(s):
                yield 'fault', 'QEMU S killed', self.windows(put(n, sq, DEAD, st, x), s, 'qs')
        if s[dup] and s[dj] == TAKEN and s[dq] in (LOADED, PCL) and not has(s, M_CANNOT, s[datt]):
            k = send(n, M_CANNOT, s[datt])                                 # cont is answered with an error (a disk lock, say)
            if self.cannot_decides or self.stage1:
                k = send(put(k, dj, REFUSED, dd, REFUSED), M_REFUSED, s[datt])
            yield 'fault', 'D-cont fails', k
        if s[dq] != NOQ:
            for x in self.ddies(s):
                yield 'fault', 'QEMU D killed', self.windows(put(n, dq, NOQ, st, x), s, 'qd')
        for x in (self.sdies(s) if live else (s[st],)):
            k = put(n, sup, 0, sw, 0, sq, DEAD, st, x, sj, s[sd], sreb, 1 if s[satt] else 0)
            yield 'fault', 'power S lost', self.windows(k, s, 'ps')
        for x in (self.ddies(s) if s[dq] != NOQ else (s[st],)):
            k = put(n, dup, 0, dq, NOQ, st, x, dj, s[dd], dreb, 1 if s[datt] else 0)
            if s[dd] == NONE and s[datt]:
                k = put(k, datt, 0, dreb, 0)
            yield 'fault', 'power D lost', self.windows(k, s, 'pd')
            if self.restore and s[sj] != GONE:                             # … and its journal comes back empty from a backup
                k = put(k, datt, 0, dj, NONE, dd, NONE, dreb, 0, ddef, 0, m0, k[m0] & ~3, gh, k[gh] | W1)
                yield 'fault', 'journal D gone', k
        if s[st] in (OPEN, SENT, SHUT):
            xs = (BROKEN,) if self.pc and s[sq] == PCA or self.pc and s[st] == SHUT and s[sq] != PCS else self.broken(s[st])
            for x in xs:
                yield 'fault', 'stream cut', self.windows(put(n, st, x), s, 'cut')

    def ddies(self, s):
        t = s[st]
        if self.pc:
            return (BROKEN,) if t in (OPEN, SENT, SHUT) else (t,)
        if t == SHUT:
            return (SHUT,) if self.stream == 'strict' else (SHUT, BROKEN)
        if t == SENT and self.stream == 'strict':
            return (BSENT,)
        return (BROKEN,) if t in (OPEN, SENT) else (t,)

    def windows(self, n, s, what):
        """a fault that destroys knowledge, so that the last good image may have to be given up (docs/handover.md, section 6)"""
        g = n[gh]
        has_ended = s[sj] == GO or s[sq] == COMP or s[dq] not in (NOQ, INC) or s[st] in (SENT, SHUT, BSENT, DONE)
        if what == 'pd' and (s[dd] != TAKEN or self.design == 'B') and s[dj] in (PREPARED, TAKEN) and has_ended:
            g |= W1              # destination loses power between the end of the stream and its durable TAKEN
        if what in ('qd', 'pd') and s[dj] == TAKEN and s[dq] in (LOADED, PCL):
            g |= W1              # … or its QEMU dies between TAKEN and cont
        if what == 'ps' and s[sd] == OFFERED and s[sj] in (OFFERED, GO, KEPT) and s[sq] in (ACT, DEV, COMP, DEAD, FST, RUNP, ACTP):
            g |= W2              # source loses power after the end of the stream, before its durable GO
        if s[sj] == OFFERED and (what == 'qs' and s[sq] in (DEV, COMP, FST) and not s[sw] or what == 'ds' and s[sq] == DEAD and s[sw] == 1):
            g |= W3              # source QEMU dies after its guest stopped, and no daemon saw it from STOP to the end and wrote that down
        if self.pc and s[sq] in (PCA, PCP) and (what in ('qd', 'pd') or what == 'cut' and s[dq] in (NOQ, INC)):
            g |= W4              # QEMU: a source in postcopy cannot be resumed once its destination is gone
        if what in ('qs', 'ps') and s[sj] == GO and has(s, M_DROP, s[satt]):
            g |= W5              # the user took it back after GO, and the source died before the destination's answer
        if self.stage1 and what in ('qs', 'ps'):
            # before the asking exists COPY is lost when the source dies as well (docs/handover.md, section 15)
            g |= W2
        return put(n, gh, g)
