# SPDX-License-Identifier: LGPL-2.1-or-later
"""The decision tables of docs/handover.md, section 6, derived from the rules: what a daemon does with (record, same boot?, own QEMU, what it
has heard).  src/migrate/owner.c must say the same; test_owner_tables.py compares.
"""
from .messages import M_CANNOT, M_DROP, M_ENDED, M_GO, M_LOADED, M_LOST, M_OUT, M_REFUSED, M_TAKEN, has, send
from .records import *
from .rules import Model
from .stock_source import START, destination_steps

PRECOPY = Model(attempts=1, weak=('lost-unsynced',))
POSTCOPY = Model(mode='postcopy', attempts=1, weak=('lost-unsynced',))
PRECOPY.props = POSTCOPY.props = frozenset()

SOURCE_WORDS = {'OFFERED': OFFERED, 'GO': GO, 'KEPT': KEPT, 'GONE': GONE, 'CRASHED': CRASHED}
DESTINATION_WORDS = {'PREPARED': PREPARED, 'TOLD': None, 'TAKEN': TAKEN, 'REFUSED': REFUSED, 'LOST': LOST}
HEARD = ('nothing', 'ready', 'abort', 'TAKEN', 'REFUSED', 'LOST', 'GO', 'DROP', 'LOADED', 'CANNOT', 'here', 'there', 'Finish', 'acknowledged', 'unsaid', 'ENDED', 'OUT')

# What owner.c calls a QEMU's state -> the states of the model that it stands for, with the stream and whether its daemon has watched since STOP.
SOURCE_QEMU = {'running': ((RUN, S_NONE, 1), (ACT, OPEN, 1), (DEV, SENT, 1)), 'stopped': ((FST, BROKEN, 1),), 'completed': ((COMP, DONE, 1),),
               'dead': ((DEAD, DONE, 0),), 'fell': ((DEAD, DONE, 2),),
               'switched': ((PCA, SHUT, 1),), 'cut': ((PCP, BROKEN, 1),)}
DESTINATION_QEMU = {'incoming': (INC,), 'loaded': (LOADED,), 'runs': (DRUN,), 'dead': (NOQ,),
                    'switching': (INC,), 'half': (PCL,), 'runs-half': (PCRUN, PCWAIT)}
# Only once the source may have switched; all else is alike in both modes.
IN_POSTCOPY = {'switched', 'cut', 'switching', 'half', 'runs-half'}

# Steps of the model that wait for something that a daemon hears; a failed migration is heard as an abort.  All others need no word.
TRIGGERS = {
    'S-go': 'ready', 'S-abort': 'abort', 'S-caller-lost': 'abort', 'S-giveup': 'abort', 'S-fail': 'abort', 'S-abort-asks': 'abort',
    'D-finish-cancelled': 'abort', 'D-timer': 'abort',
}
MESSAGES = {'TAKEN': M_TAKEN, 'REFUSED': M_REFUSED, 'LOST': M_LOST, 'GO': M_GO, 'DROP': M_DROP, 'LOADED': M_LOADED, 'CANNOT': M_CANNOT,
            'ENDED': M_ENDED, 'OUT': M_OUT}
ACTIONS = {'S-resume': 'cont', 'S-cancel': 'cancel', 'S-undefine': 'undefine', 'D-cont': 'cont', 'D-define': 'define'}
# Not the model's: a person, section 13.
PERSON = {'here': 'acknowledged', 'there': 'unsaid'}
# A destination's QEMU runs only under TAKEN; there, what cannot say that it has loaded counts as running.
ALIKE = {('TAKEN', 'incoming'): 'runs', ('TAKEN', 'switching'): 'runs-half'}


def model_of(qemu):
    return POSTCOPY if qemu in IN_POSTCOPY else PRECOPY


def source_state(word, boot, qemu, stream, watched):
    return put(PRECOPY.initial(), satt, 1, sj, SOURCE_WORDS[word], sd, SOURCE_WORDS[word], sreb, boot == 'older', sw, watched, sq, qemu, st, stream, us, 1)


def destination_state(word, boot, qemu):
    w = DESTINATION_WORDS[word]
    return put(PRECOPY.initial(), satt, 1, sj, GO, datt, 1, dj, w, dd, w, dreb, boot == 'older', dq, qemu, us, 1)


def record_steps(model, side, s, heard):
    """The records that this word, or none, makes of it."""
    record = sj if side == 'source' else dj
    rules = model.source if side == 'source' else model.dest
    at_rest = {label for _, label, n in rules(s)}
    if heard in MESSAGES:
        s = send(s, MESSAGES[heard], 1)
    steps = [(label, n) for kind, label, n in rules(s) if n[record] != s[record] and label not in ('S-offer', 'D-prepare')]
    answers = [(label, n) for label, n in steps if TRIGGERS.get(label) == heard or label not in at_rest and heard in MESSAGES]
    return answers or [(label, n) for label, n in steps if label not in TRIGGERS and label in at_rest]


def follow(rules, s):
    """What is left to do once the record stands, without a further word."""
    done, todo = set(), [s]
    for n in todo:
        for kind, label, after in rules(n):
            if kind == 'step' and label in ACTIONS:
                done.add(ACTIONS[label])
                if label == 'S-cancel' and after not in todo:           # what it leaves stopped is run again
                    todo.append(after)
    return done


def asks_for_it(model, s, heard):
    """After GO: what this word makes of it is DROP, said instead of GO."""
    if heard in MESSAGES:
        s = send(s, MESSAGES[heard], 1)
    return any(not has(s, M_DROP, 1) and has(n, M_DROP, 1) and n[sj] == s[sj] and (kind == 'step' or TRIGGERS.get(label) == heard)
               for kind, label, n in model.source(s))


def ends_it(rules, s, kill):
    return any(label == kill for _, label, _ in rules(s))


def source_decision(word, boot, qemu, heard):
    words, actions, model = set(), set(), model_of(qemu)
    for state, stream, watched in SOURCE_QEMU[qemu]:
        s = source_state(word, boot, state, stream, watched)
        if word == 'GO' and asks_for_it(model, s, heard):
            actions.add('take-back')
        for n in [n for _, n in record_steps(model, 'source', s, heard)] or [s]:
            words.add(n[sj])
            actions |= follow(model.source, n)
            if n[sj] in (OFFERED, KEPT) and boot == 'now' and state in S_RUNS:
                actions.add('run')
            if n[sj] == GO and (word == 'GO' or qemu == 'fell') or n[sj] == OFFERED and (boot == 'older' or qemu == 'fell'):
                actions.add('wait')
            told = send(n, MESSAGES[heard], 1) if heard in MESSAGES else n
            if ends_it(model.source, told if model is POSTCOPY else put(n, sq, COMP), 'S-kill'):
                actions.add('destroy')
    if word == 'GONE' and qemu in ('dead', 'fell') and heard == 'here':
        return 'KEPT', frozenset()
    assert len(words) == 1, f'{word} {boot} {qemu} {heard}: the rules differ where owner.c cannot'
    return NAMES['sj'][words.pop()], frozenset(actions)


def is_durable_before_told(word):
    """TAKEN is not told before it is on the disk; REFUSED is written to the disk in the step that makes it."""
    if word == TAKEN:
        return not any(label == 'D-again TAKEN' for _, label, _ in PRECOPY.dest(put(destination_state('TAKEN', 'now', DRUN), dd, PREPARED)))
    made = {REFUSED: ('now', 'DROP'), LOST: ('older', 'nothing')}.get(word)
    return bool(made) and all(n[dd] == word
                              for _, n in record_steps(PRECOPY, 'destination', destination_state('PREPARED', made[0], NOQ), made[1]))


def word_actions(model, s, heard=None):
    """What a destination does under this record; nothing is synced while `cont` is yet to come."""
    told = send(s, MESSAGES[heard], 1) if heard in MESSAGES else s
    is_doomed = ends_it(model.dest, told, 'D-doomed')
    actions = set() if is_doomed else follow(model.dest, s)
    if is_doomed:
        actions |= {'destroy'} | follow(model.dest, put(told, dq, NOQ))
    if ends_it(model.dest, told if model is POSTCOPY else put(s, dq, LOADED), 'D-kill'):
        actions.add('destroy')
    if s[dj] == TAKEN and s[dq] in (DRUN, PCRUN, PCWAIT) and not is_doomed:
        actions.add('run')
    if s[dj] == PREPARED and s[dq] in (LOADED, PCL):
        actions.add('wait')
    if 'cont' not in actions and is_durable_before_told(s[dj]):
        actions.add('sync')
    return frozenset(actions)


def stock_decision(word, qemu, heard):
    """TOLD, from the model of a stock source: what the destination knows of its answer."""
    heard = PERSON.get(heard, heard)
    known = {'acknowledged': dict(answer='acknowledged'), 'unsaid': dict(answer='queued', reset=True), 'Finish': {}}.get(heard, dict(answer='written'))
    s = START._replace(word=word, disk=word, asked=word == 'TOLD' or heard == 'Finish', dq='gone' if qemu == 'dead' else 'loaded', **known)
    for label, n in destination_steps(s, careful=True):
        if n.word != word:
            then = DESTINATION_WORDS[n.word]
            if then is None:
                return n.word, frozenset()
            if then == TAKEN and qemu not in ('loaded', 'dead'):                    # TOLD is of a loaded guest; what cannot say so is not run
                break
            return n.word, word_actions(PRECOPY, put(destination_state(n.word, 'now', DESTINATION_QEMU[qemu][0]), dd, then))
    return word, frozenset({'wait'})


def destination_decision(word, boot, qemu, heard):
    if word == 'TOLD' or word == 'PREPARED' and (boot, qemu, heard) == ('now', 'loaded', 'Finish'):
        return stock_decision(word, qemu, heard)
    qemu = ALIKE.get((word, qemu), qemu)
    model, decisions = model_of(qemu), set()
    for state in DESTINATION_QEMU[qemu]:
        s = put(destination_state(word, boot, state), fl, 1)
        ends = [n for _, n in record_steps(model, 'destination', s, heard)] or [s]
        decisions |= {(NAMES['dj'][n[dj]], word_actions(model, n, heard)) for n in ends[:1]}
        assert len({n[dj] for n in ends}) == 1, f'{word} {boot} {qemu} {heard}: the rules differ where owner.c cannot'
    assert len(decisions) == 1, f'{word} {boot} {qemu} {heard}: the rules differ where owner.c cannot'
    return decisions.pop()


def place(s):
    """(side, word, boot, own QEMU) of both daemons in this state; a guest that was started anew is no migration's."""
    source = {(q, watched): name for name, states in SOURCE_QEMU.items() for q, _, watched in states for watched in ((0, 1) if q != DEAD else (watched,))}
    destination = {q: name for name, states in DESTINATION_QEMU.items() for q in states if name != 'switching'}
    if s[satt] and (s[sq], s[sw]) in source:
        yield 'source', NAMES['sj'][s[sj]], 'older' if s[sreb] else 'now', source[s[sq], s[sw]]
    if s[datt] and s[dq] in destination:
        yield 'destination', NAMES['dj'][s[dj]], 'older' if s[dreb] else 'now', destination[s[dq]]


def inputs():
    """All that can be: after a reboot no QEMU is left; GO is of a source that has completed; a destination's QEMU runs only under TAKEN."""
    for heard in HEARD:
        for side, words, qemus in (('source', SOURCE_WORDS, SOURCE_QEMU), ('destination', DESTINATION_WORDS, DESTINATION_QEMU)):
            for word in words:
                for qemu in qemus:
                    for boot in ('now', 'older'):
                        if boot == 'older' and qemu != 'dead' or (word, qemu) == ('GO', 'running') or \
                                qemu in ('runs', 'runs-half') and word != 'TAKEN' or word in ('TOLD', 'LOST') and qemu in IN_POSTCOPY:
                            continue
                        yield side, word, boot, qemu, heard


def decide(side, word, boot, qemu, heard):
    return (source_decision if side == 'source' else destination_decision)(word, boot, qemu, heard)


def format_tables():
    """Answers that lead to the same stand in one line; "…" are all that no line above names."""
    rows = {}
    for side, word, boot, qemu, heard in inputs():
        then, actions = decide(side, word, boot, qemu, heard)
        rows.setdefault((side, word, boot, qemu), {}).setdefault((then, ' '.join(sorted(actions))), []).append(heard)
    lines = []
    for where, decisions in sorted(rows.items()):
        for (then, actions), answers in sorted(decisions.items(), key=lambda item: len(item[1])):
            heard = '…' if len(answers) > 6 else ', '.join(answers)
            lines.append(f"{' '.join(f'{word:11}' for word in where)} {heard:24} {then:9} {actions}")
    return '\n'.join(lines)
