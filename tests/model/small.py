# SPDX-License-Identifier: LGPL-2.1-or-later
"""A search for models that are small enough to keep their states as tuples."""


def small(start, steps, check, settled):
    """every state of a small model; ends must be settled, steps of kind 'step' must end -> states, what is wrong"""
    parent, todo, edges = {start: None}, [start], {}
    for s in todo:
        edges[s] = []
        for kind, label, n in steps(s):
            if n != s and kind == 'step':
                edges[s].append(n)
            if n not in parent:
                parent[n] = (s, label)
                todo.append(n)
                if check(n):
                    return len(parent), check(n), small_trace(parent, n)
    left = {s: len(e) for s, e in edges.items()}
    back = {}
    for s, e in edges.items():
        for n in e:
            back.setdefault(n, []).append(s)
    ends = [s for s in edges if not left[s]]
    for s in ends:
        if not settled(s):
            return len(parent), 'LIVE: ends unsettled', small_trace(parent, s)
    for s in ends:                                                          # peel: what remains at the end would be a cycle
        for x in back.get(s, ()):
            left[x] -= 1
            if not left[x]:
                ends.append(x)
    return len(parent), None if len(ends) == len(edges) else 'LIVE: a cycle', ''




def small_trace(parent, s):
    out = []
    while parent[s]:
        out.append(f'   {parent[s][1]:16} {s}')
        s = parent[s][0]
    return '\n'.join([f'   start            {s}'] + out[::-1])
