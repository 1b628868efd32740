# SPDX-License-Identifier: LGPL-2.1-or-later
"""The network: a set of messages that only grows.  Each may be delivered never, late, many times, in any order, in a later
attempt, after a restart.  A message is a bit: kind * 2 + attempt - 1."""
from .records import m0, put

KINDS = 'PREPARE GO DROP OUT PREPARED LOADED TAKEN REFUSED LOST ENDED CANNOT'.split()
M_PREPARE, M_GO, M_DROP, M_OUT, M_PREPARED, M_LOADED, M_TAKEN, M_REFUSED, M_LOST, M_ENDED, M_CANNOT = range(len(KINDS))


def send(s, kind, att):
    bit = kind * 2 + att - 1
    i = m0 + (bit >> 3)
    v = s[i] | 1 << (bit & 7)
    return s if v == s[i] else put(s, i, v)


def has(s, kind, att):
    bit = kind * 2 + att - 1
    return att and s[m0 + (bit >> 3)] >> (bit & 7) & 1
