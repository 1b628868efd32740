# SPDX-License-Identifier: LGPL-2.1-or-later
"""Without an image: migration of a definition alone, and a start where both sides keep the definition."""
from .small import small


def offline_start(faults):
    """source up, record, on disk, definition; destination the same; messages; faults left"""
    return 1, 'NONE', 'NONE', 1, 1, 'NONE', 'NONE', 0, frozenset(), faults


def offline_steps(undefine, weak=''):
    """migration of a definition alone: what may come next, by the name of the rule"""
    def tell(s, m, **kw):
        return tup(s, m=s[8] | {m}, **kw)

    def tup(s, **kw):
        return tuple(kw.get(k, v) for k, v in zip(('su', 'sj', 'sd', 'sf', 'du', 'dj', 'dd', 'df', 'm', 'f'), s))

    def steps(s):
        su, sj, sd, sf, du, dj, dd, df, m, f = s
        if not su:
            yield 'step', 'S-restart', tup(s, su=1)
        elif sj == 'NONE':
            yield 'user', 'S-offer', tell(s, 'PREPARE', sj='GO', sd='NONE' if weak == 'go-unsynced' else 'GO')
        else:
            if sj == 'GO':
                yield 'step', 'S-ask', tell(s, 'ASK')
                yield 'user', 'S-abort-asks', tell(s, 'DROP')
                if 'TAKEN' in m:
                    yield 'step', 'S-gone', tup(s, sj='GONE')
                if 'REFUSED' in m or 'LOST' in m:
                    yield 'step', 'S-kept', tup(s, sj='KEPT')
            if sj == 'GONE' and undefine and sf:
                yield 'step', 'S-undefine', tup(s, sf=0)
            if sj == 'KEPT':
                yield 'step', 'S-again DROP', tell(s, 'DROP')
        if 'PREPARED' in m:                                                # the client, or the source in peer-to-peer
            yield 'user', 'Finish(0)', tell(s, 'FINISH')
        if 'PREPARE' in m:
            yield 'user', 'Finish(cancelled)', tell(s, 'CANCELLED')
        if not du:
            yield 'step', 'D-restart', tup(s, du=1)
        else:
            if dj == 'NONE' and 'PREPARE' in m:
                yield 'step', 'D-prepare', tell(s, 'PREPARED', dj='PREPARED', dd='PREPARED')
            if dj == 'NONE' and ('ASK' in m or 'DROP' in m):
                yield 'step', 'D-unknown', tell(s, 'LOST', dj='LOST', dd='LOST')
            if dj == 'PREPARED':
                if 'FINISH' in m:                                          # C1 said GO
                    yield 'step', 'D-take', tup(s, dj='TAKEN')
                # Finish(cancelled), DROP, timer: the definition is whole on the source
                yield 'step', 'D-refuse', tell(s, 'REFUSED', dj='REFUSED', dd='REFUSED')
            if dj == 'TAKEN' and dd != 'TAKEN':
                yield 'step', 'D-sync', tup(s, dd='TAKEN')
            if dj == 'TAKEN' and (dd == 'TAKEN' or weak == 'tell-unsynced'):
                yield 'step', 'D-tell', tell(s, 'TAKEN')
                if not df and dd == 'TAKEN':
                    yield 'step', 'D-define', tup(s, df=1)
            if dj in ('REFUSED', 'LOST'):
                yield 'step', 'D-tell', tell(s, dj)
        if f:
            yield 'fault', 'daemon S', tup(s, su=0, f=f - 1)
            yield 'fault', 'daemon D', tup(s, du=0, f=f - 1)
            yield 'fault', 'power S', tup(s, su=0, sj=sd, f=f - 1)
            yield 'fault', 'power D', tup(s, du=0, dj=dd, f=f - 1)
            yield 'fault', 'all lost', tup(s, m=m & {'PREPARE'} if sj == 'NONE' else frozenset(), f=f - 1)
    return steps


def offline(faults, undefine, weak=''):
    """explores it"""
    def check(s):
        if not (s[3] or s[7] or s[6] == 'TAKEN'):
            return 'DEF: no definition is left'
        if s[1] in ('NONE', 'KEPT') and s[5] == 'TAKEN' and s[7]:
            return 'ONE: both sides may start it'

    def settled(s):
        su, sj, sd, sf, du, dj, dd, df, m, f = s
        return sj == 'NONE' or sj == 'KEPT' and sf and not df or sj == 'GONE' and df and sf == (not undefine)
    return small(offline_start(faults), offline_steps(undefine, weak), check, settled)


def reclaim_start(faults):
    """two times (up, epoch, here, runs, wants: the epoch it asks for), answers 'given to the other with epoch e'; faults left"""
    return (1, 1, 0, 0, 0), (1, 1, 1, 0, 0), frozenset(), faults


def reclaim_steps(handback, top=4):
    """both sides kept the definition (undefine 0); the guest is shut off on B, *here*.  Either side's gate may be asked to start it.
    Records are durable before they are said"""
    def steps(s):
        h, m, f = s[:2], s[2], s[3]
        for i in (0, 1):
            (up, e, here, runs, wants), o = h[i], h[1 - i]

            def me(*x, m=m, f=f, other=o):
                return ((x, other) if i == 0 else (other, x)) + (m, f)
            if not up:
                yield 'step', f'{i} restart', me(1, e, here, runs, wants)
                continue
            if here and not runs:
                yield 'user', f'{i} start', me(up, e, here, 1, 0)
            if runs:
                yield 'user', f'{i} stop', me(up, e, here, 0, 0)
            if not here and e < top and o[1] < top:
                yield 'user', f'{i} claims', me(up, e, here, runs, max(e, o[1]) + 1)
            if o[4] > e and not runs and (i, o[4]) not in m:                # the other asks, and it does not run here
                x = (up, o[4], 0, 0, 0) if handback else (up, e, here, runs, wants)
                yield 'step', f'{i} answers', me(*x, m=m | {(i, o[4])})
            if wants > e and (1 - i, wants) in m:
                yield 'step', f'{i} here', me(up, wants, 1, 1, 0)
            if f:
                yield 'fault', f'{i} power', me(0, e, here, 0, 0, f=f - 1)
                yield 'fault', f'{i} daemon', me(0, e, here, runs, 0, f=f - 1)
    return steps


def reclaim(faults, handback):
    """explores it"""
    def check(s):
        if s[0][3] and s[1][3]:
            return 'ONE: the guest runs on both sides'
    return small(reclaim_start(faults), reclaim_steps(handback), check, lambda s: s[0][0] and s[1][0])


# (name, what is explored, the property that must break or nothing)
OFFLINE = (
    ('offline, definition moves', lambda: offline(3, 1), ''),
    ('offline, definition stays', lambda: offline(3, 0), ''),
    ('offline, GO not durable', lambda: offline(3, 1, 'go-unsynced'), 'ONE'),
    ('offline, TAKEN told before durable', lambda: offline(3, 1, 'tell-unsynced'), 'DEF'),
    ('start in GONE, the other side hands back', lambda: reclaim(3, True), ''),
    ('start in GONE, it is only asked', lambda: reclaim(3, False), 'ONE'),
)
