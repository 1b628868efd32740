# SPDX-License-Identifier: LGPL-2.1-or-later
"""The state of both sides in one byte string: records, QEMUs, definitions, the stream; the messages are its last three bytes."""

FIELDS = 'sup satt sj sd sreb sw sq st sdef dup datt dj dd dreb dq ddef gh fl us wi m0 m1 m2'.split()
(
    sup,   # source: its daemon is up
    satt,  # the attempt
    sj,    # its record in the page cache: survives the daemon
    sd,    # … on the disk: survives the power
    sreb,  # the record is from before a power loss
    sw,    # the daemon has watched QEMU without a gap since STOP; 2: to its end, and that is written beside the record
    sq,    # its QEMU
    st,    # the stream
    sdef,  # a definition is here
    dup, datt, dj, dd, dreb, dq, ddef,  # destination: the same
    gh,    # what nobody knows: outrun images, windows
    fl,    # faults left
    us,    # interferences left
    wi,    # the user wants his guest paused
    m0, m1, m2,
) = range(len(FIELDS))

# Source records.  KEPT with a dead QEMU reads "shut off (crashed)".
NONE, OFFERED, GO, GONE, KEPT, CRASHED = range(6)
# Destination records.
PREPARED, TAKEN, REFUSED, LOST = 1, 2, 3, 4

# Source QEMU.  RUN: no migration, or failed or cancelled, and runs; ACT: migration active, the guest runs; PRE: pre-switchover; DEV: stopped, sending the
# end; COMP: completed, postmigrate; PCS: sending the postcopy package; PCA: postcopy-active; PCP: postcopy-paused; COLD: started anew from its definition;
# FST: failed or cancelled, and stopped (a guest that was stopped before; on the way into postcopy: runstate postmigrate, status failed).  A failure in DEV
# or PCS ends in RUN or in FST, as it likes: that covers live, non-live and paused guests at once.  RUNP, ACTP: as RUN, ACT, paused by its user.
RUN, ACT, PRE, DEV, COMP, PCS, PCA, PCP, DEAD, COLD, FST, RUNP, ACTP = range(13)
# Destination QEMU.  DPAU: loaded and TAKEN, left paused as its user wished.
NOQ, INC, LOADED, DRUN, PCL, PCRUN, PCWAIT, DCOLD, DPAU = range(9)
# Stream.  SHUT: loaded, "loaded" on its way back; BSENT: broken for the source, yet every byte arrives.
S_NONE, OPEN, SENT, SHUT, DONE, BROKEN, BSENT = range(7)
# What nobody knows: the image of a side is outrun; windows W1 to W5 (docs/handover.md, section 6) that this run has hit.
SSTALE, DSTALE, W1, W2, W3, W4, W5 = 1, 2, 4, 8, 16, 32, 64
WINDOWS = W1 | W2 | W3 | W4 | W5

NAMES = {
    'sj': 'NONE OFFERED GO GONE KEPT CRASHED'.split(),
    'dj': 'NONE PREPARED TAKEN REFUSED LOST'.split(),
    'sq': 'running active pre-switchover device completed pc-package pc-active pc-paused dead cold failed-stopped paused active-paused'.split(),
    'dq': 'none incoming loaded running pc-loaded pc-running pc-waiting cold paused'.split(),
    'st': '- open sent loaded-ack done broken broken-after-end'.split(),
}
NAMES['sd'], NAMES['dd'] = NAMES['sj'], NAMES['dj']

S_ALIVE = {RUN, ACT, PRE, DEV, COMP, PCS, PCA, PCP, FST, RUNP, ACTP}
S_RUNS, D_RUNS = {RUN, ACT, COLD}, {DRUN, PCRUN, PCWAIT, DCOLD}

PROPS = 'ONE FRESH DEF COPY LIVE'.split()  # and WISH, where the user may pause


class Violation(Exception):
    """(what is broken, the state, the step that led there); the last two may be missing."""


def put(s, *iv):
    b = bytearray(s)
    for k in range(0, len(iv), 2):
        b[iv[k]] = iv[k + 1]
    return bytes(b)
