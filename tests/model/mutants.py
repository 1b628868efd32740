# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rules that can be removed, one at a time.  Each must break a property, or it would not have to be there."""
MUTANTS = [
    # name, where, what it removes
    ('go-early', 'precopy', 'GO only after the source QEMU has completed'),
    ('go-unwritten', 'precopy', 'GO is written before it is said'),
    ('take-unwritten', 'precopy', 'TAKEN is written before cont'),
    ('tell-unsynced', 'precopy', 'TAKEN is durable before it is told'),
    ('tell-before-cont', 'precopy', 'TAKEN is told after cont, not before'),
    ('define-before-cont', 'precopy', 'the destination writes its definition after cont'),
    ('giveback-unsynced', 'precopy', 'REFUSED over a TAKEN that never ran is durable before it is told'),
    ('cannot-decides', 'precopy', 'a destination whose cont fails asks the source before it refuses'),
    ('offer-unsynced', 'precopy', 'OFFERED is durable before Prepare'),
    ('prepare-unsynced', 'precopy', 'PREPARED is durable before the Prepare reply'),
    ('refuse-unwritten', 'precopy', 'REFUSED is written before it is told'),
    ('refuse-unsynced', 'precopy', 'REFUSED is durable before it is told'),
    ('refuse-after-take', 'precopy', 'nobody makes the destination refuse after TAKEN (DROP, Finish(cancelled))'),
    ('died-as-refused', 'precopy', 'a QEMU that died after TAKEN is not a refusal'),
    ('no-epoch', 'precopy', 'messages of another attempt do nothing'),
    ('old-prepare', 'precopy', 'a Prepare of an older attempt does nothing'),
    ('d-no-boot-id', 'precopy', 'PREPARED from before a power loss is LOST, not REFUSED'),
    ('s-no-boot-id', 'precopy', 'OFFERED from before a power loss asks before it decides'),
    ('lost-as-refused', 'precopy', 'LOST after GO does not resume the source'),
    ('timer-resume', 'precopy', 'no timer resumes the source after GO'),
    ('timer-run', 'precopy', 'no timer runs the destination without GO'),
    ('timer-loaded', 'precopy', 'no timer refuses once loaded'),
    ('finish-loaded', 'precopy', 'Finish(cancelled) of a client is not obeyed once loaded'),
    ('abort-resumes', 'precopy', 'abort after GO asks the destination'),
    ('abort-dead', 'precopy', 'abort after GO needs a living source QEMU'),
    ('start-unblocked', 'precopy', 'no cold start of a guest whose record is open'),
    ('kill-early', 'precopy', 'the source keeps its image until TAKEN is told'),
    ('undef-early', 'precopy', 'the source keeps its definition until TAKEN is told'),
    ('watch-off', 'precopy', 'a QEMU that died under the eyes of its daemon may still be granted'),
    ('watch-blind', 'precopy', '… but only if the daemon watched without a gap'),
    ('fall-unwritten', 'precopy', '… and what it saw is written down before anything else'),
    ('unknown-refused', 'precopy', 'an unknown attempt is answered LOST, not REFUSED (destination journal restored empty)'),
    ('no-tombstone', 'precopy', 'the answer to an unknown attempt leaves a record'),
    ('fail-stopped', 'precopy', 'a source that failed and stays stopped is KEPT'),
    ('fail-no-cont', 'precopy', '… and its daemon runs it again with cont'),
    ('postmigrate-completed', 'postcopy', 'completed is what query-migrate says, not the runstate postmigrate'),
    ('wish-not-said', 'paused', 'GO says that the user wants his guest paused'),
    ('wish-no-restop', 'paused', 'a guest that its QEMU resumed against that wish is stopped again'),
    ('d-leaves-qemu', 'precopy', 'a refusing destination removes its QEMU'),
    ('mute-go', 'precopy', 'GO is said again until answered'),
    ('mute-drop', 'precopy', 'DROP is said again until answered'),
    ('mute-taken', 'precopy', 'TAKEN is said again when asked'),
    ('mute-refused', 'precopy', 'REFUSED is said again when asked'),
    ('mute-lost', 'precopy', 'LOST is said again when asked'),
    ('pc-kill-early', 'postcopy', 'in postcopy the source QEMU lives until completed'),
    ('pc-refuse-kills', 'postcopy', 'in postcopy a refusing destination keeps its QEMU until the source is out'),
    ('mute-loaded', 'postcopy', 'LOADED is told'),
    ('mute-out', 'postcopy', 'OUT is told'),
    ('mute-ended', 'postcopy', 'ENDED is told'),
    ('go-early', 'postcopy', 'GO only after postcopy-active and loaded'),
    ('abort-resumes', 'postcopy', 'no migrate_cancel after GO in postcopy'),
    # expected to be harmless: rules that were dropped from the protocol because of it (the last only narrows W2)
    ('lost-unsynced', 'precopy', '(dropped rule) LOST is durable, not only written'),
    ('kept-unsynced', 'precopy', '(dropped rule) KEPT is durable, not only written'),
    ('gone-unsynced', 'precopy', '(dropped rule) GONE is durable, not only written'),
    ('crashed-unsynced', 'precopy', '(dropped rule) CRASHED is durable, not only written'),
    ('go-never-synced', 'precopy', '(dropped rule) GO becomes durable soon after it was said'),
]
HARMLESS = {m[0] for m in MUTANTS if m[2].startswith('(dropped rule)')}
STOCK = ('timer-resume', 'go-unwritten', 'take-unwritten', 'tell-unsynced', 'watch-off', 'stock-restart')
ALL_WEAK = sorted({m[0] for m in MUTANTS} | set(STOCK))

# From cheap to dear; what a mutant breaks it breaks in one of the first as a rule.
BOUNDS = [dict(faults=f, attempts=a, users=u) for f, a, u in ((0, 1, 0), (0, 1, 1), (1, 1, 0), (1, 1, 1), (1, 2, 0), (2, 1, 0), (2, 2, 1))]


def mutant_terms(name, mode):
    """What Model is made with for it."""
    return dict(mode=mode.replace('paused', 'precopy'), paused=mode == 'paused', weak=(name,))
