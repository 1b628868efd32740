# SPDX-License-Identifier: LGPL-2.1-or-later
"""How a cell may end: from the words that the two sides have reached when something strikes, and from whose image it takes.

Pure.  Where an image is that the guest may go on from, it goes on; where none is left it is shut off (crashed), and may have
been started anew by an autostart.  That an image is given up although there is one is allowed in a window of
docs/recovery.md only, each named here.
"""
from faults import cells

S, D = "source", "destination"
STAYED, MOVED, CRASHED, ANEW = "stayed", "moved", "crashed", "anew"
QEMU, BOTH, POWER = "its QEMU", "its QEMU and its daemon", "its power"

# How far it is: the word of the source, that of the destination, and what there is of the guest.
EARLY = "OFFERED: the destination's QEMU may not be there yet"
OURS = "OFFERED, PREPARED: its memory is not there yet"
STOPPED = "OFFERED, PREPARED: its memory is there"
GO = "GO, PREPARED: written, not heard yet, not durable for certain"
HEARD = "GO, PREPARED: heard"
TAKEN = "GO, TAKEN: it has not run there yet"
THEIRS = "GO or GONE, TAKEN: it has run there"
BACK = "GO, PREPARED or TAKEN, and the user wants it back"
KEPT = "KEPT, or about to be: the destination has refused or will"
LOST = "CRASHED, or it runs nowhere and has nothing to run from"
HALVES = "switched to postcopy: each side has a part of it"
RETURNS = "KEPT, switched to postcopy: its QEMU is about to have all of it again"
SAID = (HEARD, TAKEN, THEIRS)       # from here on the destination goes on by itself

# Where an image is from which it may go on when something dies, and how it ends if nothing dies.
#          images    ends
STANDS = {
    EARLY:   ({S},    {STAYED, MOVED}),
    OURS:    ({S},    {STAYED, MOVED}),
    STOPPED: ({S, D}, {STAYED, MOVED}),
    GO:      ({S, D}, {STAYED, MOVED}),
    HEARD:   ({S, D}, {STAYED, MOVED}),
    TAKEN:   ({D},    {STAYED, MOVED}),     # REFUSED, where QEMU cannot go on
    THEIRS:  ({D},    {MOVED}),
    BACK:    ({S, D}, {STAYED, MOVED}),
    KEPT:    ({S},    {STAYED}),
    LOST:    (set(),  set()),
    HALVES:  ({S, D}, {STAYED, MOVED}),     # it needs both
    RETURNS: ({S},    {STAYED}),
}

W1 = "W1: it may have run at the destination"
W2 = "W2: GO may have been said, and is not durable"
W3 = "W3: nobody watched whether it ran again before its QEMU died"
W4 = "W4: each side has a part of its memory"
W4_LINK = "W4: the link breaks before the destination has loaded"
W5 = "W5: its user wanted it back from the destination, and the source's QEMU died"
OWN = "the guest's own QEMU: the only image"
TUNNEL = "tunnel: its destination refuses when its connection ends, and the source has died as well"

# What is given up although there is an image: how far it is × what dies.
WINDOWS = {
    (STOPPED, S, BOTH): W3,
    (STOPPED, S, POWER): W2,
    (GO, S, POWER): W2,
    (STOPPED, D, POWER): W1,
    (GO, D, POWER): W1,
    (HEARD, D, POWER): W1,
    (BACK, D, POWER): W1,
    (TAKEN, D, POWER): W1,
    (TAKEN, D, QEMU): W1,
    **{(BACK, S, what): W5 for what in (QEMU, BOTH, POWER)},
    **{(HALVES, side, what): W4 for side in (S, D) for what in (QEMU, BOTH, POWER)},
    **{(RETURNS, D, what): W4 for what in (QEMU, POWER)},
}

SAME = "as it was when the course was struck"

# At a row: before its word, before what it does, after that; rows that are not here begin with what stands here.
ROWS = {
    "source/OFFERED.S-go":        ((STOPPED,), (GO,), (GO,)),
    "source/OFFERED.S-go.2":      ((HALVES,),) * 3,
    "source/OFFERED.S-go-dead":   ((STOPPED,), (GO,), SAID),
    "source/OFFERED.S-abort":     ((OURS, STOPPED), (KEPT,), (KEPT,)),
    "source/OFFERED.S-abort.2":   ((HALVES, RETURNS), (RETURNS,), (KEPT,)),
    "source/OFFERED.S-abort.3":   ((HALVES,),) * 3,
    "source/OFFERED.S-dead":      ((OURS,), (LOST,), (LOST,)),
    "source/OFFERED.S-again":     ((STOPPED,),) * 3,
    "source/OFFERED.S-again.2":   ((STOPPED,),) * 3,
    "source/OFFERED.S-free":      ((LOST,),) * 3,
    "source/OFFERED.S-crashed":   ((LOST,),) * 3,
    "source/OFFERED.S-gone":      ((THEIRS,),) * 3,
    "source/GO.S-again":          ((GO,), (GO,), SAID),
    "source/GO.S-takeback":       ((BACK, TAKEN, THEIRS),) * 3,
    "source/GO.S-gone":           ((THEIRS,),) * 3,
    "source/GO.S-gone.2":         ((HALVES,),) * 3,
    "source/GO.S-refused":        ((KEPT,),) * 3,
    "source/GO.S-refused.2":      ((LOST,),) * 3,
    "source/GO.S-refused.3":      ((HALVES,),) * 3,
    "source/GO.S-refused.4":      ((HALVES,),) * 3,
    "source/GO.S-lost":           ((LOST,),) * 3,
    "source/KEPT.S-cancel":       ((KEPT,),) * 3,
    "source/KEPT.S-resume":       ((KEPT,),) * 3,
    "source/KEPT.S-resume.2":     ((RETURNS,), (RETURNS,), (KEPT,)),
    "source/KEPT.S-recover":      ((HALVES,),) * 3,
    "source/KEPT.S-stuck":        ((HALVES,),) * 3,
    "source/GONE.S-kill":         ((THEIRS,),) * 3,
    "source/GONE.S-kill.2":       ((HALVES,),) * 3,
    "source/GONE.S-undefine":     ((HALVES,),) * 3,
    "source/CRASHED.S-kill":      ((LOST,),) * 3,
    "destination/PREPARED.D-take":     ((HEARD,), (TAKEN,), (THEIRS,)),
    "destination/PREPARED.D-refuse":   ((KEPT,),) * 3,
    "destination/PREPARED.D-refuse.2": ((RETURNS,),) * 3,
    "destination/PREPARED.D-died":     ((SAME,), (SAME,), (KEPT,)),
    "destination/PREPARED.D-lost":     ((SAME,),) * 3,
    "destination/TAKEN.D-cont":        ((TAKEN,), (TAKEN,), (THEIRS,)),
    "destination/TAKEN.D-define":      ((THEIRS,),) * 3,
    "destination/TAKEN.D-define.2":    ((LOST,),) * 3,
    "destination/TAKEN.D-define.3":    ((HALVES,),) * 3,
    "destination/TAKEN.D-doomed":      ((LOST,),) * 3,
    "destination/REFUSED.D-kill":      ((KEPT,),) * 3,
    "destination/REFUSED.D-kill.2":    ((KEPT,),) * 3,
    "destination/REFUSED.D-keep":      ((RETURNS,),) * 3,
}

# At a step: before it, after it.  At all others, before these, it is EARLY.
STEPS = {
    "arrive/capabilities": ((OURS,), None),
    "arrive/lanes":   ((OURS,), (OURS,)),
    "perform/stop":   ((OURS,), None),
    "perform/start":  ((OURS,), None),
    "perform/memory": ((OURS, STOPPED), None),      # QEMU goes on while the daemon stands there
    "perform/go":     ((STOPPED,), SAID),
    "p2p/finish":     ((THEIRS,), None),
    "p2p/confirm":    ((THEIRS,), (THEIRS,)),
}
STEPS_OF = {
    "tunnelled": STEPS | {      # Finish alone brings GO, unless it is said beside the tunnel
        "perform/go":     ((STOPPED,), (STOPPED,)),
        "p2p/finish":     ((GO, *SAID), None),
    },
    "postcopy": STEPS | {
        "perform/memory": ((OURS, HALVES), None),
        "perform/go":     ((HALVES,), (HALVES,)),
    },
}
ROWS_OF = {
    "postcopy": ROWS | {"destination/PREPARED.D-take": ((HALVES,),) * 3},
    # A tunnel's destination refuses by itself when its connection ends, as it does with the source's daemon.
    "tunnelled": ROWS | {row: tuple((*before, KEPT) for before in ROWS[row]) for row in cells.ON_A_TUNNEL},
}

# Whose QEMU goes, with what: a fault at this host and at the other.
HITS = {
    "kill-here":   (("this", QEMU),),
    "reboot-this": (("this", POWER),),
    "reboot-other": (("other", POWER),),
    "kill-source": ((S, QEMU),),
    "kill-destination": ((D, QEMU),),
    "kill-qemus":  ((D, QEMU), (S, QEMU)),
}
HANG_UP = ("kill-this", "kill-here", "kill-other", "kill-daemons", "reboot-this", "reboot-other", "stop", "blink")


def stands(mode, point, place):
    """How far an attempt may be at a point: a tuple; SAME in it: as at the strike before."""
    base, is_action = point.removesuffix(".actions"), point.endswith(".actions")
    if cells.is_row(point):
        return ROWS_OF.get(mode, ROWS)[base][is_action + (place == "after")]
    return STEPS_OF.get(mode, STEPS).get(base, ((EARLY,), (EARLY,)))[place == "after"]


def hits(point, fault):
    """[(side, with what)]: whose QEMU dies."""
    here, there = (S, D) if cells.is_at_source(point) else (D, S)
    sides = {"this": here, "other": there}
    return [(sides.get(whose, whose), BOTH if fault == "kill-here" and sides.get(whose) == S else what) for whose, what in HITS.get(fault, ())]


def taken(mode, point, fault, far):
    """Why the strike may cost the guest although there is an image."""
    struck = [(far, *hit) for hit in hits(point, fault)]
    found = [WINDOWS[one] for one in struck if one in WINDOWS]
    if mode == "tunnelled" and (GO, S, BOTH) in struck:
        found.append(TUNNEL)
    if (mode, point) == ("postcopy", "perform/memory") and fault in ("cut", "blink"):
        found.append(W4_LINK)
    return found


def goes_on(far, dead):
    """{outcome}: where the guest goes on, as long as QEMUs are dead on these sides."""
    images, undisturbed = STANDS[far]
    if not dead:
        return undisturbed
    left = set() if far == HALVES else images - dead
    found = {STAYED} if S in left else set()
    return found | ({MOVED} if D in left or S in left and (far == EARLY or far == OURS and D not in dead) else set())


def may_end(cell):
    """{outcome: why}, "" where nothing is to be explained."""
    reached, dead, why, found = (OURS,), set(), [], {STAYED, MOVED}
    for point, place, fault in cell.strikes:
        if (point, place, fault) == cells.SWITCH:
            continue
        reached = [far for one in stands(cell.mode, point, place) for far in (reached if one == SAME else (one,))]
        dead |= {side for side, _ in hits(point, fault)}
        found = {end for far in reached for end in goes_on(far, dead)}
        for far in reached:
            why += taken(cell.mode, point, fault, far) or ([] if goes_on(far, dead) or far == LOST else [OWN])
    told = dict.fromkeys(found, "")
    if STAYED in told and is_begun_again(cell):
        told[MOVED] = told.get(MOVED) or "begun again"
    if why:
        told[CRASHED] = "; ".join(dict.fromkeys(why))
        if any((S, POWER) in hits(point, fault) for point, _, fault in cell.strikes):
            told[ANEW] = "by its autostart, once it had crashed"
    return told


def is_begun_again(cell):
    """Peer-to-peer by itself, unless its user has given up."""
    faults = [fault for _, _, fault in cell.strikes]
    return cell.mode in cells.LED_BY_DAEMON and "ctrl-c" not in faults and any(fault in HANG_UP for fault in faults)
