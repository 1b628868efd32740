# SPDX-License-Identifier: LGPL-2.1-or-later
"""The destination's daemon: each rule is a step that it may take in this state."""
from .messages import *
from .records import *


class Destination:
    def dest(self, s):
        if not s[dup]:
            yield 'step', 'D-restart', put(s, dup, 1)
            return
        yield from self.dest_asked_anew(s)
        if not s[datt]:
            return
        if s[dj] == PREPARED:
            yield from self.dest_prepared(s)
        elif s[dj] == TAKEN:
            yield from self.dest_taken(s)
        elif s[dj] in (REFUSED, LOST):
            yield from self.dest_refused(s)
        yield from self.dest_says_again(s)

    def refusal(self):
        """REFUSED, written and durable in one step."""
        if self.refuse_unwritten:
            return ()
        return (dj, REFUSED) if self.refuse_unsynced else (dj, REFUSED, dd, REFUSED)

    def dest_asked_anew(self, s):
        a, j, q = s[datt], s[dj], s[dq]
        for b in range(1, self.attempts + 1):
            if has(s, M_PREPARE, b) and j != TAKEN and (b > a or self.old_prepare and b != a):
                n = put(s, dq, NOQ) if q != NOQ else s
                n = put(n, datt, b, dj, PREPARED, dd, NONE if self.prepare_unsynced else PREPARED, dreb, 0, dq, INC, gh, n[gh] & ~DSTALE)
                if s[st] in (OPEN, SENT) and q == INC:
                    n = put(n, st, BROKEN)
                yield 'step', 'D-prepare', send(n, M_PREPARED, b)
            # no record of it: never prepared, or the journal was lost
            if has(s, M_DROP, b) and b > a and j != TAKEN:
                n = put(s, datt, b, dj, LOST, dd, LOST, dreb, 0)           # (an older attempt, if there is one, is over with it)
                yield 'step', 'D-unknown', send(s if self.no_tombstone else n, M_REFUSED if self.unknown_refused else M_LOST, b)

    def dest_prepared(self, s):
        a, q, r = s[datt], s[dq], self.refusal()
        go = self.got(s, M_GO, a)
        # same boot: what this record does not say did not happen
        sure = not s[dreb] or self.d_no_boot_id
        if self.design == 'B':
            if go and q == INC:                                        # arm: QEMU starts by itself at the end of the stream
                yield 'step', 'D-arm', put(s, dj, TAKEN, dd, TAKEN)
            if go and q in (LOADED, PCL):
                yield 'step', 'D-take', put(s, dj, TAKEN, dd, TAKEN)
        elif go and q in (LOADED, PCL) or self.timer_run and q == LOADED:
            if self.take_unwritten:
                yield 'step', 'D-cont', self.dest_runs(s, DRUN if q == LOADED else PCRUN)
            # GO says: leave it paused (from here on its user may resume it: the source's image counts as outrun)
            elif s[wi] and not self.wish_not_said:
                yield 'step', 'D-take', self.dest_runs(put(s, dj, TAKEN), DPAU)
            else:
                yield 'step', 'D-take', put(s, dj, TAKEN)
        if self.take_unwritten and q in (DRUN, PCRUN):
            yield 'step', 'D-take', put(s, dj, TAKEN)
        if q in (NOQ, INC, LOADED, PCL) and sure:
            # stage 1: the end of the calling connection, Finish(0) without GO
            if self.got(s, M_DROP, a) or self.stage1:
                yield 'step', 'D-refuse', send(put(s, *r), M_REFUSED, a)
            # a client says Finish(cancelled); once loaded only the source is obeyed
            if s[us] and (q == INC or self.finish_loaded and q != NOQ):
                yield 'user', 'D-finish-cancelled', send(put(s, us, s[us] - 1, *r), M_REFUSED, a)
        # not loaded yet: the image is whole on the source, any timer may refuse
        if q == INC or self.timer_loaded and q == LOADED:
            yield 'step', 'D-timer', send(put(s, *r), M_REFUSED, a)
        if q == NOQ and sure:                                          # it never ran here
            yield 'step', 'D-died', send(put(s, dj, REFUSED, dd, REFUSED), M_REFUSED, a)
        if q == NOQ and not sure:                                      # a TAKEN may have gone with the power
            yield 'step', 'D-lost', send(put(s, dj, LOST, *(() if self.lost_unsynced else (dd, LOST))), M_LOST, a)
        if q in (LOADED, PCL) and not self.mute_loaded and not has(s, M_LOADED, a):
            yield 'step', 'D-loaded', send(s, M_LOADED, a)

    def dest_taken(self, s):
        a, q = s[datt], s[dq]
        if q in (LOADED, PCL):
            yield 'step', 'D-cont', self.dest_runs(s, DRUN if q == LOADED else PCRUN)
        if s[dd] == PREPARED:
            yield 'step', 'D-sync', put(s, dd, TAKEN)
        may_define = (q not in (LOADED, PCL) or self.define_before_cont) and not (self.design == 'B' and q not in D_RUNS)
        if s[dd] == TAKEN and not s[ddef] and self.persist and may_define:
            yield 'step', 'D-define', put(s, ddef, 1)
        if self.got(s, M_DROP, a) and q in (LOADED, PCL):              # it never ran here
            yield 'step', 'D-refuse', send(put(s, dj, REFUSED, *(() if self.giveback_unsynced else (dd, REFUSED))), M_REFUSED, a)
        if self.refuse_after_take and self.got(s, M_DROP, a) and q != NOQ:
            yield 'step', 'D-refuse', send(put(s, dj, REFUSED, dd, REFUSED), M_REFUSED, a)
        if self.refuse_after_take and s[us] and q != NOQ:
            yield 'user', 'D-finish-cancelled', send(put(s, us, s[us] - 1, dj, REFUSED, dd, REFUSED), M_REFUSED, a)
        if self.died_as_refused and q == NOQ:
            yield 'step', 'D-died', send(put(s, dj, REFUSED, dd, REFUSED), M_REFUSED, a)
        if self.design == 'B' and self.got(s, M_DROP, a) and q == INC:
            yield 'step', 'D-disarm', send(put(s, dj, REFUSED, dd, REFUSED), M_REFUSED, a)
        if self.design == 'B' and q == NOQ and not s[ddef]:            # armed, and gone: did it run?
            yield 'step', 'D-lost', send(put(s, dj, LOST, dd, LOST), M_LOST, a)
        if self.got(s, M_OUT, a) and q in (PCL, PCRUN, PCWAIT):      # half of its memory died with the source
            yield 'step', 'D-doomed', put(s, dq, NOQ)
        if s[wi] and q == DPAU:
            yield 'user', 'D-user-resume', put(s, dq, DRUN, wi, 0)
        if q == NOQ and s[ddef]:
            yield 'user', 'D-coldstart', put(s, dq, DCOLD, wi, 0, gh, s[gh] | SSTALE)

    def dest_refused(self, s):
        q = s[dq]
        if q != NOQ and not self.d_leaves_qemu and (not self.pc or self.pc_refuse_kills or self.got(s, M_OUT, s[datt])):
            n = put(s, st, BROKEN) if s[st] in (OPEN, SENT) or q == PCL and s[st] == SHUT else s
            yield 'step', 'D-kill', put(n, dq, NOQ)

    def dest_says_again(self, s):
        """From the record alone."""
        a, j, q = s[datt], s[dj], s[dq]
        k = None
        if j == PREPARED and q == INC:
            k = M_PREPARED
        elif j == TAKEN and (s[dd] == TAKEN or self.tell_unsynced) and (q not in (LOADED, PCL) or self.tell_before_cont) \
                and not (self.design == 'B' and not s[ddef]):
            k = None if self.mute_taken else M_TAKEN
        elif j == REFUSED:
            k = None if self.mute_refused else M_REFUSED
        elif j == LOST:
            k = None if self.mute_lost else M_LOST
        if k is not None and not has(s, k, a):
            yield 'step', 'D-again ' + KINDS[k], send(s, k, a)
        is_over = j == TAKEN and s[dd] == TAKEN or j in (REFUSED, LOST)
        if self.pc and is_over and q in (NOQ, DCOLD) and not self.mute_ended and not has(s, M_ENDED, a):
            yield 'step', 'D-again ENDED', send(s, M_ENDED, a)
