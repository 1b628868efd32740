# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stock source and a ferryd as destination, from the call of Finish on (docs/handover.md, section 11).

The source keeps no record: it lets its guest go when it reads the answer and resumes it when it gives up on one.  *careful* answers first
(TOLD) and runs the guest once the source's kernel has acknowledged the answer; *fast* is stock's order.  Nobody here removes what stock
does wrong, so runs are not judged but sorted: every state that breaks a property, and every end, must be one that the page lists.

Assumed of a stock source: an answer that lies in its socket is read before it gives up, and it closes its socket before it resumes.  `doubts`
takes one of the two away (DOUBTS): U7."""
import collections

STOCK_SOURCES = ('careful', 'fast')
DOUBTS = ('gives-up-unread', 'closes-late')

State = collections.namedtuple('State', (
    's',       # the source's daemon: waits, gave up, resumed, let go, dead
    'sq',      # its guest: paused, runs, gone
    'line',    # up, down (may come back), closed (by the source; the destination's packets meet a reset)
    'asked',   # Finish has arrived
    'answer',  # none, queued, written (a byte has left the daemon), arrived, acknowledged, refused (an error instead)
    'd',       # the destination's daemon: its connections are still those of Finish; 'again': restarted since; 'down'
    'word', 'disk',
    'dq',      # loaded, runs, gone
    'reset',   # the destination knows that the connection is no more
    'faults'))

START = State('waits', 'paused', 'up', False, 'none', 'up', 'PREPARED', 'PREPARED', 'loaded', False, 2)


def source_steps(s, doubts):
    is_unread = s.answer in ('arrived', 'acknowledged')
    if s.s == 'waits' and is_unread:
        yield 'S-reads the answer', s._replace(s='let go', sq='gone' if s.sq == 'paused' else s.sq)
    if s.s == 'waits' and s.answer == 'refused' and s.line == 'up':
        yield 'S-reads the refusal', s._replace(s='resumed', sq='runs' if s.sq == 'paused' else s.sq)
    # keepalive, or the destination's daemon has gone
    if s.s == 'waits' and (s.line == 'down' or s.reset) and ('gives-up-unread' in doubts or not is_unread):
        yield 'S-gives up', s._replace(s='gave up', line=s.line if 'closes-late' in doubts else 'closed')
    if s.s == 'gave up':
        yield 'S-resumes', s._replace(s='resumed', sq='runs' if s.sq == 'paused' else s.sq, line='closed')


def network_steps(s):
    if s.line == 'up' and not s.asked and s.s in ('waits', 'gave up'):
        yield 'Finish arrives', s._replace(asked=True)
    if s.line == 'up' and s.answer == 'written':
        yield 'the answer arrives', s._replace(answer='arrived')
    if s.line == 'up' and s.answer == 'arrived' or s.answer == 'arrived' and s.s == 'let go' and s.line != 'closed':
        yield 'acknowledgement arrives', s._replace(answer='acknowledged', line='up')
    if s.line == 'down':
        yield 'the link is back', s._replace(line='up')
    if s.line == 'closed' and s.d == 'up' and not s.reset:
        yield 'reset arrives', s._replace(reset=True)


def destination_steps(s, careful):
    if s.d == 'down':
        # whoever led it has gone with the old daemon: PREPARED is refused; TOLD waits for a person; TAKEN is carried out
        yield 'D-restart', s._replace(d='again')
        return
    if s.word == 'PREPARED':
        if s.d == 'again' or s.reset:
            word = 'LOST' if s.disk == 'older' else 'REFUSED'
            yield 'D-refuse', s._replace(word=word, disk=word, answer='none')
        elif s.dq == 'gone':
            yield 'D-died', s._replace(word='REFUSED', disk='REFUSED')
        elif s.asked:
            yield 'D-tell' if careful else 'D-take', s._replace(word='TOLD' if careful else 'TAKEN', answer='queued' if careful else 'none')
    if s.word == 'TOLD':
        if s.disk != 'TOLD':
            yield 'D-sync', s._replace(disk='TOLD')
        if s.answer == 'queued' and s.d == 'up':
            if s.reset:                                                 # not a byte has left
                yield 'D-refuse', s._replace(word='REFUSED', disk='REFUSED', answer='none')
            else:
                yield 'D-answers', s._replace(answer='written')
        if s.answer == 'acknowledged' and s.d == 'up':
            yield 'D-told', s._replace(word='TAKEN')
    if s.word == 'TAKEN':
        if s.dq == 'loaded':
            yield 'D-cont', s._replace(dq='runs')
        elif s.disk != 'TAKEN':
            yield 'D-sync', s._replace(disk='TAKEN')
        elif s.answer == 'none' and s.d == 'up' and not s.reset:
            yield 'D-answers', s._replace(answer='written')
    if s.word in ('REFUSED', 'LOST') and s.dq != 'gone':
        yield 'D-kill', s._replace(dq='gone')
    if s.word == 'REFUSED' and s.asked and s.answer == 'none' and s.d == 'up' and not s.reset:
        yield 'D-answers', s._replace(answer='refused')


def faults(s):
    if not s.faults:
        return
    n = s._replace(faults=s.faults - 1)
    if s.s != 'dead':
        yield 'source daemon killed', n._replace(s='dead', line='closed')
        yield 'power of the source lost', n._replace(s='dead', sq='gone', line='closed')
    if s.d != 'down':
        # what was written is still carried by its kernel; then the source sees the end of the connection
        yield 'destination daemon killed', n._replace(d='down', reset=True, answer='none' if s.answer == 'queued' else s.answer)
        lost = 'none' if s.answer in ('queued', 'written', 'refused') else s.answer
        word = 'PREPARED' if s.disk == 'older' else s.disk
        yield 'power of the destination lost', n._replace(d='down', reset=True, answer=lost, dq='gone', word=word,
                                                          disk='older' if word == 'PREPARED' else word)
    if s.dq != 'gone':
        yield 'destination QEMU killed', n._replace(dq='gone')
    if s.line == 'up':
        yield 'the link fails', n._replace(line='down')


def what_breaks(s):
    if s.sq == 'runs' and s.dq == 'runs':
        return 'ONE'
    if s.s == 'let go' and s.word in ('REFUSED', 'LOST'):
        return 'DEF'
    return ''


def sort_end(s):
    """The name of this end.  U3 and U5 are the page's; a doubt is U5."""
    if s.word == 'TOLD':
        return 'U5: in doubt, a person decides'
    if s.sq == 'runs':
        return 'runs on the source' if s.dq == 'gone' else 'both'
    if s.s == 'dead':
        if s.word == 'TAKEN':
            return 'U3: here; paused on the source for ever' if s.sq == 'paused' else 'here'
        return 'stays paused on the source, as between stock hosts' if s.sq == 'paused' else 'lost with the power of the source'
    if s.word == 'TAKEN':
        return 'here'
    return 'nowhere'


def explore_stock(kind, doubts=()):
    """-> states, {(property, the faults that led there): a shortest trace}, {end: how many}"""
    parent, todo = {START: None}, [START]
    broken, ends = {}, collections.Counter()
    for s in todo:
        steps = [*source_steps(s, doubts), *network_steps(s), *destination_steps(s, kind == 'careful')]
        if not steps and not what_breaks(s):
            ends[sort_end(s)] += 1
        for label, n in steps + list(faults(s)):
            if n in parent:
                continue
            parent[n] = (s, label)
            todo.append(n)
            bad = what_breaks(n)
            if bad and not what_breaks(s):
                broken.setdefault((bad, *causes(parent, n)), [step for step, _ in path(parent, n)])
    return len(parent), broken, ends


def path(parent, s):
    out = []
    while parent[s]:
        s, label = parent[s]
        out.append((label, s))
    return out[::-1]


def causes(parent, s):
    return tuple(label for label, _ in path(parent, s) if label in CAUSES)


CAUSES = ('source daemon killed', 'power of the source lost', 'destination daemon killed', 'power of the destination lost', 'destination QEMU killed',
          'the link fails')


def describe(kind, doubts=()):
    states, broken, ends = explore_stock(kind, doubts)
    lines = [f'stock source, {kind}: {states} states']
    for (what, *why), trace in sorted(broken.items(), key=lambda item: len(item[1])):
        lines.append(f'{what} breaks after {", ".join(why)}:\n    ' + ' · '.join(trace))
    lines += [f'end: {name} ({count} states)' for name, count in sorted(ends.items())]
    return '\n'.join(lines)
