# SPDX-License-Identifier: LGPL-2.1-or-later
"""The source's daemon: each rule is a step that it may take in this state."""
from .messages import *
from .records import *


class Source:
    def source(self, s):
        if not s[sup]:
            yield 'step', 'S-restart', put(s, sup, 1)
            return
        j = s[sj]
        yield from self.source_begins(s)
        if j == OFFERED and self.is_doubtful(s):
            yield from self.source_offered_and_in_doubt(s)
        elif j == OFFERED:
            yield from self.source_offered(s)
        elif j == GO:
            yield from self.source_granted(s)
        elif j == KEPT:
            yield from self.source_kept(s)
        yield from self.source_user(s)
        yield from self.source_leaves(s)
        if self.timer_resume or self.stock_restart:
            yield from self.source_as_stock(s)
        yield from self.source_says_again(s)

    def is_doubtful(self, s):
        """The record is from before a power loss: GO may have been said and forgotten."""
        return s[sj] == OFFERED and s[sreb] and not self.s_no_boot_id

    def source_begins(self, s):
        a, j, q = s[satt], s[sj], s[sq]
        if j == OFFERED and q in (DEV, COMP, FST, PCS, PCA, PCP) and not s[sw] and not self.stock_restart:
            # reconnected: query-status says stopped, not resumed since
            yield 'step', 'S-watch', put(s, sw, 1)
        # a new attempt needs the old one closed and the guest alive here
        if j in (NONE, KEPT) and q in (RUN, RUNP) and a < self.attempts:
            n = put(s, satt, a + 1, sj, OFFERED, sd, NONE if self.offer_unsynced else OFFERED, sreb, 0, sw, 0, st, S_NONE)
            yield 'user', 'S-offer', send(n, M_PREPARE, a + 1)

    def source_offered(self, s):
        a, j, q, t = s[satt], s[sj], s[sq], s[st]
        if q in (RUN, RUNP) and t == S_NONE:
            if self.got(s, M_PREPARED, a):
                if self.design != 'B':
                    yield 'step', 'S-start', put(s, sq, ACT if q == RUN else ACTP, st, OPEN if s[dq] == INC and s[datt] == a else BROKEN)
                else:
                    yield 'step', 'S-grant', send(put(s, sj, GO, sd, GO), M_GO, a)
            yield 'step', 'S-giveup', send(put(s, *self.rec[KEPT]), M_DROP, a)
        if self.design == 'C':
            told = self.stage1 or self.stream == 'rp' or self.got(s, M_LOADED, a)
            ok = ((q == COMP or self.postmigrate_completed and q == FST) and told) or (q == PCA and self.got(s, M_LOADED, a))
            if self.go_early:
                ok = ok or q in (DEV, PCS)
            if ok:
                yield 'step', 'S-go', send(s if self.go_unwritten else put(s, sj, GO), M_GO, a)
            # QEMU died under our eyes: it had stopped the guest and never resumed it; the destination holds the whole image
            is_watched = (s[sw] or self.watch_blind) and not self.watch_off and not self.stage1
            has_fallen = q == DEAD and is_watched and (t == DONE or not self.pc)
            if has_fallen and s[sw] == 1:
                yield 'step', 'S-fell', put(s, sw, 2)
            elif has_fallen and self.got(s, M_LOADED, a):
                yield 'step', 'S-go-dead', send(put(s, sj, GO), M_GO, a)
        if self.design == 'A' and q == PRE:
            yield 'step', 'S-give', send(put(s, sj, GO, sd, GO), M_GO, a)
        if q in (RUN, RUNP) and t in (BROKEN, BSENT, DONE) or q == FST and not self.fail_stopped:
            yield 'step', 'S-fail', send(put(s, *self.rec[KEPT]), M_DROP, a)
        if q == DEAD and (not s[sw] or self.watch_off or self.stage1 or self.pc and t != DONE):
            yield 'step', 'S-dead', send(put(s, *self.rec[CRASHED]), M_DROP, a)
        if self.got(s, M_REFUSED, a) or self.got(s, M_LOST, a):       # nothing was granted: free
            k = KEPT if q in S_ALIVE else CRASHED
            yield 'step', 'S-free', send(put(s, *self.rec[k]), M_DROP, a)

    def source_offered_and_in_doubt(self, s):
        """Its QEMU is gone with the power; only the destination knows."""
        a = s[satt]
        if self.got(s, M_TAKEN, a):
            yield 'step', 'S-gone', put(s, *self.rec[GONE])
        if self.got(s, M_REFUSED, a) or self.got(s, M_LOST, a):
            yield 'step', 'S-crashed', put(s, *self.rec[CRASHED])

    def source_granted(self, s):
        a, q, t = s[satt], s[sq], s[st]
        if s[sd] == OFFERED and not self.go_never_synced:
            yield 'step', 'S-sync', put(s, sd, GO)
        if self.got(s, M_TAKEN, a):
            yield 'step', 'S-gone', put(s, *self.rec[GONE])
        if self.got(s, M_REFUSED, a):
            k = KEPT if q in S_ALIVE else CRASHED
            yield 'step', 'S-refused', put(s, *self.rec[k])
        if self.got(s, M_LOST, a) and not self.stage1 and not (self.design in 'AB' and q == DEV):
            k = KEPT if (self.lost_as_refused or self.design in 'AB' and q in (RUN, ACT, PRE, FST)) and q in S_ALIVE else CRASHED
            yield 'step', 'S-lost', put(s, *self.rec[k])
        if self.got(s, M_CANNOT, a) and q in S_ALIVE and not self.stage1 and not has(s, M_DROP, a):
            yield 'step', 'S-takeback', send(s, M_DROP, a)
        if self.design == 'B' and q == RUN and t == S_NONE:
            yield 'step', 'S-start', put(s, sq, ACT, st, OPEN if s[dq] == INC and s[datt] == a else BROKEN)
        # QEMU failed: by assumption the destination cannot complete
        if self.design in 'AB' and q in (RUN, FST) and t in (BROKEN, BSENT):
            yield 'step', 'S-fail', send(put(s, *self.rec[KEPT]), M_DROP, a)
        if self.design == 'A' and q == PRE:
            yield 'step', 'S-continue', put(s, sq, PCS if self.pc else DEV)
        if self.timer_resume and q == COMP:
            yield 'step', 'S-timer-resume', put(s, *self.rec[KEPT])
        if self.kill_early and q == COMP:
            yield 'step', 'S-kill-early', put(s, sq, DEAD)
        if self.start_unblocked and q == DEAD and s[sdef]:
            yield 'user', 'S-coldstart', put(s, sq, COLD, wi, 0, gh, s[gh] | DSTALE)

    def source_kept(self, s):
        a, q, t = s[satt], s[sq], s[st]
        # migrate_cancel (a stuck one: shut the lane down)
        if q in (ACT, ACTP, DEV, PRE, PCS):
            for x in self.broken(t):
                if q in (ACT, ACTP):
                    yield 'step', 'S-cancel', put(s, sq, RUN if q == ACT else RUNP, sw, 0, st, x)
                else:
                    yield 'step', 'S-cancel', put(s, sq, FST, st, x)
                    yield 'step', 'S-cancel', self.source_runs(s, st, x)
        # cont out of postmigrate; postcopy-active: migrate_cancel, then cont
        if q in (COMP, PCA) or q == FST and not self.fail_no_cont:
            if s[wi]:
                yield 'step', 'S-stay-paused', put(s, sq, RUNP, sw, 0)
            else:
                yield 'step', 'S-resume', self.source_runs(s, st, BROKEN if q == PCA else t)
        # QEMU cannot leave postcopy-paused without its destination
        if q == PCP and self.got(s, M_ENDED, a):
            yield 'step', 'S-stuck', put(s, *self.rec[CRASHED])

    def source_user(self, s):
        a, j, q, t, doubt = s[satt], s[sj], s[sq], s[st], self.is_doubtful(s)
        if s[us] and (j == OFFERED and not doubt or j == GO):              # user aborts, or a client says Confirm(cancelled)
            n = put(s, us, s[us] - 1)
            if j == OFFERED and q in S_ALIVE or self.abort_resumes and q in S_ALIVE:
                yield 'user', 'S-abort', send(put(n, *self.rec[KEPT]), M_DROP, a)
            # too late to decide here: ask the destination to refuse
            elif j == GO and not self.stage1 and (q in S_ALIVE or self.abort_dead):
                yield 'user', 'S-abort-asks', send(n, M_DROP, a)
        if self.stage1 and j == OFFERED and not doubt and q in S_ALIVE:     # no asking yet: a lost caller, any 'cancelled', ends the attempt
            yield 'user', 'S-caller-lost', send(put(s, *self.rec[KEPT]), M_DROP, a)
        if self.paused and s[us] and not s[wi] and j in (NONE, OFFERED, KEPT) and not doubt and q in (RUN, ACT, DEV, COMP, FST):
            # noted with the record first, then STOP
            yield 'user', 'S-suspend', put(s, us, s[us] - 1, wi, 1, sq, {RUN: RUNP, ACT: ACTP}.get(q, q))
        if s[wi] and j in (NONE, OFFERED, KEPT):
            if q == RUN and not self.wish_no_restop:                        # its QEMU resumed it by itself
                yield 'step', 'S-restop', put(s, sq, RUNP)
            if q in (RUNP, ACTP):                                           # its user resumes it
                n = self.source_runs(s, wi, 0) if q == RUNP else put(s, sq, ACT, wi, 0)
                # no image is over there yet
                yield 'user', 'S-user-resume', put(n, gh, s[gh]) if t == S_NONE and s[dq] in (NOQ, INC) else n

    def source_leaves(self, s):
        """What the record leaves to be done here, and postcopy that goes on."""
        a, j, q, t = s[satt], s[sj], s[sq], s[st]
        if j == CRASHED and q in S_ALIVE:
            yield 'step', 'S-kill', put(s, sq, DEAD)
        if j == GONE and q in S_ALIVE:
            if q in (COMP, FST) or self.pc_kill_early or self.got(s, M_ENDED, a):
                yield 'step', 'S-kill', put(s, sq, DEAD, *((st, BROKEN) if q in (PCA, PCP) else ()))
        if s[sdef] and self.undefine and (j == GONE or self.undef_early and j == GO):
            yield 'step', 'S-undefine', put(s, sdef, 0)
        if j in (NONE, KEPT, CRASHED) and q == DEAD and s[sdef]:
            yield 'user', 'S-coldstart', put(s, sq, COLD, wi, 0, gh, s[gh] | DSTALE)
        if self.pc and q in (PCP, PCA) and t == BROKEN and s[dup] and s[dq] in (PCWAIT, PCL, PCRUN) and j in (OFFERED, GO, GONE, KEPT):
            yield 'step', 'S-recover', put(s, sq, PCA, st, SHUT, dq, PCRUN if s[dq] == PCWAIT else s[dq])

    def source_as_stock(self, s):
        a, j, q = s[satt], s[sj], s[sq]
        if self.timer_resume and self.go_unwritten and j == OFFERED and q == COMP and has(s, M_GO, a):
            if not self.stock_restart or s[sw]:
                yield 'step', 'S-timer-resume', put(s, *self.rec[KEPT])
        if self.stock_restart and j == OFFERED and self.got(s, M_TAKEN, a) and s[sw]:
            yield 'step', 'S-gone', put(s, *self.rec[GONE])

    def source_says_again(self, s):
        """From the record alone."""
        a, j, q, t = s[satt], s[sj], s[sq], s[st]
        k = None
        if j == OFFERED:
            # Prepare is never repeated: no answer ends the attempt
            k = M_DROP if self.is_doubtful(s) else None
        elif j == GO:
            k = None if self.mute_go else M_GO
        elif j in (KEPT, CRASHED):
            k = None if self.mute_drop else M_DROP
        if k is not None and a and not (self.stock_restart and not s[sw]):
            n = send(s, k, a)
            if n != s:
                yield 'step', 'S-again ' + KINDS[k], n
        is_out = j in (GO, GONE) and q == DEAD and t != DONE or j in (KEPT, CRASHED) and q in (RUN, DEAD, COLD)
        if self.pc and is_out and not self.mute_out and not has(s, M_OUT, a):
            yield 'step', 'S-again OUT', send(s, M_OUT, a)
