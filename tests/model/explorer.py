# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every state that can be reached, breadth first, so that a trace is a shortest one; then whether every run ends well."""
from .messages import *
from .records import *


def show(s):
    d = {}
    for n in FIELDS[:-3]:
        v = s[FIELDS.index(n)]
        d[n] = NAMES[n][v] if n in NAMES else v
    msgs = [f'{KINDS[b >> 1]}{(b & 1) + 1}' for b in range(22) if s[m0 + (b >> 3)] >> (b & 7) & 1]
    return (f"S[{'up' if d['sup'] else 'DOWN'} {d['sj']}{d['satt'] or ''}/{d['sd']} qemu {d['sq']} def {d['sdef']}] stream {d['st']} "
            f"D[{'up' if d['dup'] else 'DOWN'} {d['dj']}{d['datt'] or ''}/{d['dd']} qemu {d['dq']} def {d['ddef']}] net {' '.join(msgs)}")


def trace(parent, s, last=None):
    out = []
    while s is not None:
        p, label = parent[s]
        out.append((label, s))
        s = p
    out.reverse()
    lines = [f'   {i:2} {label or "start":18} {show(s)}' for i, (label, s) in enumerate(out)]
    if last:
        lines.append(f'   {len(out):2} {last}')
    return '\n'.join(lines)


def explore(m, props=None, limit=12_000_000):
    """-> states, steps, states for liveness, (property, trace) or None, rules used"""
    m.props = props = frozenset(props or PROPS)
    judges_copy = 'COPY' in props
    start = m.initial()
    parent = {start: (None, None)}
    todo, steps, used = [start], 0, set()
    while todo:
        nxt = []
        for s in todo:
            good = m.good(s)
            try:
                for kind, label, n in m.all(s):
                    steps += 1
                    used.add(label)
                    if good and judges_copy and label[1] == '-' and label[0] in 'SD' and not n[gh] & WINDOWS and not m.good(n):
                        bad = 'COPY: a daemon gives up the last good image', trace(parent, s, f'{label:18} {show(n)}')
                        return len(parent), steps, 0, bad, used
                    if n not in parent:
                        parent[n] = (s, label)
                        nxt.append(n)
                        m.check(n, label)
            except Violation as v:
                n = v.args[1] if len(v.args) > 1 else None
                last = f'{v.args[2]:18} {show(n)}' if n else f'next: {find_violation(m, s)}'
                return len(parent), steps, 0, (v.args[0], trace(parent, s, last)), used
        if len(parent) > limit:
            return len(parent), steps, 0, ('LIMIT', f'more than {limit} states'), used
        todo = nxt
    n_states, bad, n_live = len(parent), None, 0
    if 'LIVE' in props:
        bad, n_live = liveness(m, parent)
    return n_states, steps, n_live, bad, used


def reachable(m):
    """Every state, whatever it breaks."""
    m.props = frozenset()
    seen, todo = {m.initial()}, [m.initial()]
    for s in todo:
        for _, _, n in m.all(s):
            if n not in seen:
                seen.add(n)
                todo.append(n)
    return seen


def find_violation(m, s):
    """FRESH is raised inside a rule: name it"""
    j, d = s[sj], s[dj]
    return 'S-resume or S-cancel' if j == KEPT and s[gh] & SSTALE else 'Q-autoresume' if s[gh] & SSTALE else 'D-cont or Q-load-run'


def liveness(m, parent):
    """every run without faults from every reachable state, and from that state with an empty network, ends, and ends settled"""
    roots = {}
    for s in parent:
        f = put(s, fl, 0, us, 0, gh, s[gh] | WINDOWS)
        roots.setdefault(f, s)
        roots.setdefault(put(f, m0, 0, m1, 0, m2, 0), s)
    colour, back = {}, {}
    for r in roots:
        if r in colour:
            continue
        colour[r] = 1
        back[r] = None
        stack = [(r, iter(steps_of(m, r)))]
        while stack:
            s, it = stack[-1]
            for label, n in it:
                c = colour.get(n)
                if c is None:
                    colour[n] = 1
                    back[n] = (s, label)
                    stack.append((n, iter(steps_of(m, n))))
                    break
                if c == 1:
                    return ('LIVE: a run without faults need not end', live_trace(m, parent, roots, back, n, label)), len(colour)
            else:
                stack.pop()
                colour[s] = 2
                if not steps_of(m, s) and not m.settled(s):
                    return ('LIVE: ends unsettled', live_trace(m, parent, roots, back, s)), len(colour)
    return None, len(colour)


def steps_of(m, s):
    out = []
    for gen in (m.source, m.dest, m.qemu):
        for kind, label, n in gen(s):
            if kind == 'step' and n != s:
                out.append((label, n))
    return out


def live_trace(m, parent, roots, back, s, last=None):
    tail = []
    while back.get(s) is not None:
        p, label = back[s]
        tail.append((label, s))
        s = p
    tail.reverse()
    text = trace(parent, roots[s]) + f'\n      -- no more faults{"" if any(s[m0:]) or not any(roots[s][m0:]) else ", every message in flight lost"} --'
    for label, n in tail:
        text += f'\n      {label:18} {show(n)}'
    return text + (f'\n      {last} closes a cycle' if last else '')
