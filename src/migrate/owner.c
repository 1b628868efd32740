/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The decision tables of the hand-over.  The first row that fits counts, so an answer stands above the row without one. */
#include "migrate/owner.h"

const EnumName owner_qemu_names[] = {
    {"running", OWNER_QEMU_RUNNING},   {"stopped", OWNER_QEMU_STOPPED}, {"completed", OWNER_QEMU_COMPLETED},
    {"incoming", OWNER_QEMU_INCOMING}, {"loaded", OWNER_QEMU_LOADED},   {"runs", OWNER_QEMU_RUNS},
    {"dead", OWNER_QEMU_DEAD},         {"fell", OWNER_QEMU_FELL},       {"switched", OWNER_QEMU_SWITCHED},
    {"cut", OWNER_QEMU_CUT},           {"switching", OWNER_QEMU_SWITCHING}, {"half", OWNER_QEMU_HALF},
    {"runs-half", OWNER_QEMU_RUNS_HALF}, {NULL},
};

const EnumName owner_heard_names[] = {
    {"nothing", HEARD_NOTHING}, {"ready", HEARD_READY},     {"abort", HEARD_ABORT}, {"TAKEN", HEARD_TAKEN},
    {"REFUSED", HEARD_REFUSED}, {"LOST", HEARD_LOST},       {"GO", HEARD_GO},       {"DROP", HEARD_DROP},   {"LOADED", HEARD_LOADED},
    {"CANNOT", HEARD_CANNOT},   {"here", HEARD_HERE},       {"there", HEARD_THERE}, {"Finish", HEARD_FINISH}, {"acknowledged", HEARD_ACKNOWLEDGED},
    {"unsaid", HEARD_UNSAID},   {"ENDED", HEARD_ENDED},     {"OUT", HEARD_OUT},
    {NULL},
};

const EnumName owner_hold_names[] = {
    {"mine", HOLD_MINE}, {"given", HOLD_GIVEN}, {"elsewhere", HOLD_ELSEWHERE}, {"unsettled", HOLD_UNSETTLED}, {NULL},
};

const EnumName owner_claim_names[] = {{"older", CLAIM_OLDER}, {"same", CLAIM_SAME}, {"newer", CLAIM_NEWER}, {NULL}};

const EnumName owner_reclaim_names[] = {
    {"give", RECLAIM_GIVE},           {"again", RECLAIM_AGAIN},         {"runs", RECLAIM_RUNS},
    {"elsewhere", RECLAIM_ELSEWHERE}, {"unsettled", RECLAIM_UNSETTLED}, {"stale", RECLAIM_STALE}, {NULL},
};

enum { NOW = 1, OLDER = 2, ANY_BOOT = NOW | OLDER };

#define Q(x) (1u << OWNER_QEMU_##x)
#define H(x) (1u << HEARD_##x)
#define POSTCOPY_SOURCE (Q(SWITCHED) | Q(CUT))
#define POSTCOPY_DESTINATION (Q(SWITCHING) | Q(HALF) | Q(RUNS_HALF))
#define WHOLE (~(POSTCOPY_SOURCE | POSTCOPY_DESTINATION)) /* the memory is in one place, or nobody's */
#define WHOLE_SOURCE (Q(RUNNING) | Q(STOPPED) | Q(COMPLETED))
#define GONE_SOURCE (Q(DEAD) | Q(FELL))
#define ANYTHING (~0u)
#define WRITE OWNER_WRITE_SYNC

typedef struct {
    OwnerWord word;
    unsigned boot;
    unsigned qemu;  /* set of OwnerQemu */
    unsigned heard; /* set of OwnerHeard */
    OwnerWord then;
    unsigned actions;
    const char *rule;
} Row;

/* clang-format off */
static const Row source_rows[] = {
    /* word        boot      own QEMU                   heard                              then           actions                                rule */
    { WORD_OFFERED,  NOW,      Q(COMPLETED),              H(READY),                          WORD_GO,       0,                                     "S-go" },
    { WORD_OFFERED,  NOW,      WHOLE_SOURCE,              H(ABORT) | H(REFUSED) | H(LOST),   WORD_KEPT,     OWNER_CANCEL | OWNER_CONT,             "S-abort" },
    { WORD_OFFERED,  NOW,      Q(FELL),                   H(LOADED),                         WORD_GO,       OWNER_WAIT,                            "S-go-dead" },
    { WORD_OFFERED,  NOW,      Q(FELL),                   H(REFUSED) | H(LOST),              WORD_CRASHED,  OWNER_DESTROY,                         "S-free" },
    { WORD_OFFERED,  NOW,      Q(FELL),                   ANYTHING,                          WORD_OFFERED,  OWNER_WAIT,                            "S-again" },
    { WORD_OFFERED,  NOW,      Q(DEAD),                   ANYTHING,                          WORD_CRASHED,  OWNER_DESTROY,                         "S-dead" },
    { WORD_OFFERED,  NOW,      Q(RUNNING),                ANYTHING,                          WORD_OFFERED,  OWNER_RUN,                             "S-run" },
    { WORD_OFFERED,  NOW,      Q(STOPPED) | Q(COMPLETED), ANYTHING,                          WORD_OFFERED,  0,                                     "S-watch" },
    { WORD_OFFERED,  OLDER,    ANYTHING,                  H(TAKEN),                          WORD_GONE,     OWNER_DESTROY | OWNER_UNDEFINE,        "S-gone" },
    { WORD_OFFERED,  OLDER,    ANYTHING,                  H(REFUSED) | H(LOST),              WORD_CRASHED,  OWNER_DESTROY,                         "S-crashed" },
    { WORD_OFFERED,  OLDER,    ANYTHING,                  ANYTHING,                          WORD_OFFERED,  OWNER_WAIT,                            "S-again" },
    { WORD_OFFERED,  NOW,      Q(SWITCHED),               H(LOADED),                         WORD_GO,       0,                                     "S-go" },
    { WORD_OFFERED,  NOW,      Q(SWITCHED),               H(ABORT) | H(REFUSED) | H(LOST),   WORD_KEPT,     OWNER_CANCEL | OWNER_CONT,             "S-abort" },
    { WORD_OFFERED,  NOW,      Q(CUT),                    H(ABORT) | H(REFUSED) | H(LOST),   WORD_KEPT,     0,                                     "S-abort" },
    { WORD_OFFERED,  NOW,      POSTCOPY_SOURCE,           ANYTHING,                          WORD_OFFERED,  0,                                     "S-watch" },
    { WORD_GO,       ANY_BOOT, WHOLE,                     H(TAKEN),                          WORD_GONE,     OWNER_DESTROY | OWNER_UNDEFINE,        "S-gone" },
    { WORD_GO,       ANY_BOOT, WHOLE_SOURCE,              H(REFUSED),                        WORD_KEPT,     OWNER_CONT,                            "S-refused" },
    { WORD_GO,       ANY_BOOT, GONE_SOURCE,               H(REFUSED),                        WORD_CRASHED,  OWNER_DESTROY,                         "S-refused" },
    { WORD_GO,       ANY_BOOT, ANYTHING,                  H(LOST),                           WORD_CRASHED,  OWNER_DESTROY,                         "S-lost" },
    { WORD_GO,       NOW,      WHOLE_SOURCE | POSTCOPY_SOURCE, H(ABORT) | H(CANNOT),              WORD_GO,       OWNER_WAIT | OWNER_TAKE_BACK,          "S-takeback" },
    { WORD_GO,       ANY_BOOT, POSTCOPY_SOURCE,           H(TAKEN),                          WORD_GONE,     OWNER_UNDEFINE,                        "S-gone" },
    { WORD_GO,       ANY_BOOT, Q(SWITCHED),               H(REFUSED),                        WORD_KEPT,     OWNER_CANCEL | OWNER_CONT,             "S-refused" },
    { WORD_GO,       ANY_BOOT, Q(CUT),                    H(REFUSED),                        WORD_KEPT,     0,                                     "S-refused" },
    { WORD_GO,       ANY_BOOT, ANYTHING,                  ANYTHING,                          WORD_GO,       OWNER_WAIT,                            "S-again" },
    { WORD_KEPT,     ANY_BOOT, Q(STOPPED) | Q(COMPLETED), ANYTHING,                          WORD_KEPT,     OWNER_CONT,                            "S-resume" },
    { WORD_KEPT,     ANY_BOOT, Q(RUNNING),                ANYTHING,                          WORD_KEPT,     OWNER_CANCEL | OWNER_RUN,              "S-cancel" },
    { WORD_KEPT,     ANY_BOOT, Q(SWITCHED),               ANYTHING,                          WORD_KEPT,     OWNER_CANCEL | OWNER_CONT,             "S-resume" },
    { WORD_KEPT,     ANY_BOOT, Q(CUT),                    H(ENDED),                          WORD_CRASHED,  OWNER_DESTROY,                         "S-stuck" },
    { WORD_KEPT,     ANY_BOOT, Q(CUT),                    ANYTHING,                          WORD_KEPT,     0,                                     "S-recover" },
    { WORD_KEPT,     ANY_BOOT, ANYTHING,                  ANYTHING,                          WORD_KEPT,     OWNER_RUN,                             "S-run" },
    { WORD_GONE,     ANY_BOOT, GONE_SOURCE,               H(HERE),                           WORD_KEPT,     0,                                     "S-forced" },
    { WORD_GONE,     ANY_BOOT, WHOLE,                     ANYTHING,                          WORD_GONE,     OWNER_DESTROY | OWNER_UNDEFINE,        "S-kill" },
    { WORD_GONE,     ANY_BOOT, POSTCOPY_SOURCE,           H(ENDED),                          WORD_GONE,     OWNER_DESTROY | OWNER_UNDEFINE,        "S-kill" },
    { WORD_GONE,     ANY_BOOT, POSTCOPY_SOURCE,           ANYTHING,                          WORD_GONE,     OWNER_UNDEFINE,                        "S-undefine" },
    { WORD_CRASHED,  ANY_BOOT, ANYTHING,                  ANYTHING,                          WORD_CRASHED,  OWNER_DESTROY,                         "S-kill" },
    { 0 },
};

static const Row destination_rows[] = {
    /* word        boot      own QEMU                   heard                              then           actions                                rule */
    { WORD_PREPARED, OLDER,    ANYTHING,                  ANYTHING,                          WORD_LOST,     OWNER_DESTROY,                         "D-lost" },
    { WORD_PREPARED, NOW,      Q(LOADED) | Q(HALF),       H(GO),                             WORD_TAKEN,    OWNER_CONT,                            "D-take" },
    { WORD_PREPARED, NOW,      Q(LOADED),                 H(FINISH),                         WORD_TOLD,     0,                                     "D-tell" },
    { WORD_PREPARED, NOW,      WHOLE,                     H(DROP),                           WORD_REFUSED,  WRITE | OWNER_DESTROY,                 "D-refuse" },
    { WORD_PREPARED, NOW,      Q(INCOMING),               H(ABORT),                          WORD_REFUSED,  WRITE | OWNER_DESTROY,                 "D-timer" },
    { WORD_PREPARED, NOW,      Q(DEAD),                   ANYTHING,                          WORD_REFUSED,  WRITE | OWNER_DESTROY,                 "D-died" },
    { WORD_PREPARED, NOW,      Q(SWITCHING) | Q(HALF),    H(DROP),                           WORD_REFUSED,  WRITE,                                 "D-refuse" },
    { WORD_PREPARED, NOW,      Q(SWITCHING),              H(ABORT),                          WORD_REFUSED,  WRITE,                                 "D-timer" },
    { WORD_PREPARED, NOW,      Q(LOADED) | Q(HALF),       ANYTHING,                          WORD_PREPARED, OWNER_WAIT,                            "D-loaded" },
    { WORD_PREPARED, NOW,      ANYTHING,                  ANYTHING,                          WORD_PREPARED, 0,                                     "D-wait" },
    { WORD_TOLD,     ANY_BOOT, Q(LOADED),                 H(ACKNOWLEDGED) | H(HERE),         WORD_TAKEN,    OWNER_CONT,                            "D-told" },
    { WORD_TOLD,     ANY_BOOT, Q(DEAD),                   H(ACKNOWLEDGED) | H(HERE),         WORD_TAKEN,    WRITE | OWNER_DEFINE,                  "D-told" },
    { WORD_TOLD,     ANY_BOOT, ANYTHING,                  H(UNSAID) | H(THERE),              WORD_REFUSED,  WRITE | OWNER_DESTROY,                 "D-refuse" },
    { WORD_TOLD,     ANY_BOOT, ANYTHING,                  ANYTHING,                          WORD_TOLD,     OWNER_WAIT,                            "D-doubt" },
    { WORD_TAKEN,    ANY_BOOT, Q(LOADED),                 H(DROP),                           WORD_REFUSED,  WRITE | OWNER_DESTROY,                 "D-refuse" },
    { WORD_TAKEN,    ANY_BOOT, Q(HALF),                   H(DROP),                           WORD_REFUSED,  WRITE,                                 "D-refuse" },
    { WORD_TAKEN,    ANY_BOOT, POSTCOPY_DESTINATION,      H(OUT),                            WORD_TAKEN,    WRITE | OWNER_DEFINE | OWNER_DESTROY,  "D-doomed" },
    { WORD_TAKEN,    ANY_BOOT, Q(LOADED) | Q(HALF),       ANYTHING,                          WORD_TAKEN,    OWNER_CONT,                            "D-cont" },
    { WORD_TAKEN,    ANY_BOOT, Q(RUNS) | Q(INCOMING),     ANYTHING,                          WORD_TAKEN,    WRITE | OWNER_DEFINE | OWNER_RUN,      "D-define" },
    { WORD_TAKEN,    ANY_BOOT, Q(DEAD),                   ANYTHING,                          WORD_TAKEN,    WRITE | OWNER_DEFINE,                  "D-define" },
    { WORD_TAKEN,    ANY_BOOT, POSTCOPY_DESTINATION,      ANYTHING,                          WORD_TAKEN,    WRITE | OWNER_DEFINE | OWNER_RUN,      "D-define" },
    { WORD_REFUSED,  ANY_BOOT, WHOLE,                     ANYTHING,                          WORD_REFUSED,  WRITE | OWNER_DESTROY,                 "D-kill" },
    { WORD_REFUSED,  ANY_BOOT, Q(SWITCHING) | Q(HALF),    H(OUT),                            WORD_REFUSED,  WRITE | OWNER_DESTROY,                 "D-kill" },
    { WORD_REFUSED,  ANY_BOOT, Q(SWITCHING) | Q(HALF),    ANYTHING,                          WORD_REFUSED,  WRITE,                                 "D-keep" },
    { WORD_LOST,     ANY_BOOT, ANYTHING,                  ANYTHING,                          WORD_LOST,     OWNER_DESTROY,                         "D-kill" },
    { 0 },
};

typedef struct {
    OwnerWord word;
    unsigned heard; /* set of OwnerHeard */
    OwnerWord then;
    unsigned actions;
    const char *rule;
} OfflineRow;

/* GO is durable from Begin on, and nothing is lost that could not be had again: no CRASHED, no LOST of its own.  What a
 * source that waits says to who asks is its word, GO, which a destination obeys in Finish alone. */
static const OfflineRow offline_source_rows[] = {
    /* word          heard                  then           actions                         rule */
    { WORD_GO,       H(TAKEN),              WORD_GONE,     OWNER_UNDEFINE,                 "S-gone" },
    { WORD_GO,       H(REFUSED) | H(LOST),  WORD_KEPT,     0,                              "S-kept" },
    { WORD_GO,       H(ABORT),              WORD_GO,       OWNER_WAIT | OWNER_TAKE_BACK,   "S-abort-asks" },
    { WORD_GO,       ANYTHING,              WORD_GO,       OWNER_WAIT,                     "S-ask" },
    { WORD_KEPT,     ANYTHING,              WORD_KEPT,     0,                              "S-again" },
    { WORD_GONE,     H(HERE),               WORD_KEPT,     0,                              "S-forced" },
    { WORD_GONE,     ANYTHING,              WORD_GONE,     OWNER_UNDEFINE,                 "S-undefine" },
    { 0 },
};

static const OfflineRow offline_destination_rows[] = {
    /* word          heard                  then           actions                         rule */
    { WORD_PREPARED, H(GO),                 WORD_TAKEN,    WRITE,                          "D-take" },
    { WORD_PREPARED, H(DROP) | H(ABORT),    WORD_REFUSED,  WRITE | OWNER_DESTROY,          "D-refuse" },
    { WORD_PREPARED, ANYTHING,              WORD_PREPARED, 0,                              "D-wait" },
    { WORD_TAKEN,    ANYTHING,              WORD_TAKEN,    WRITE | OWNER_DEFINE,           "D-define" },
    { WORD_REFUSED,  ANYTHING,              WORD_REFUSED,  WRITE | OWNER_DESTROY,          "D-tell" },
    { WORD_LOST,     ANYTHING,              WORD_LOST,     WRITE | OWNER_DESTROY,          "D-tell" },
    { 0 },
};
/* Sets of OwnerHold, of gboolean (1: no, 2: yes), of OwnerClaim. */
static const struct {
    unsigned hold, runs, claim;
    OwnerReclaim verdict;
} reclaim_rows[] = {
    /* hold                                runs      claim                 verdict */
    { 1u << HOLD_UNSETTLED,                ANYTHING, ANYTHING,             RECLAIM_UNSETTLED },
    { ANYTHING,                            2,        ANYTHING,             RECLAIM_RUNS },
    { 1u << HOLD_ELSEWHERE,                1,        ANYTHING,             RECLAIM_ELSEWHERE },
    { ANYTHING,                            1,        1u << CLAIM_NEWER,    RECLAIM_GIVE },
    { 1u << HOLD_GIVEN,                    1,        1u << CLAIM_SAME,     RECLAIM_AGAIN },
};
/* clang-format on */

OwnerReclaim owner_decide_reclaim(OwnerHold hold, gboolean runs, OwnerClaim claim)
{
    for (size_t i = 0; i < G_N_ELEMENTS(reclaim_rows); i++)
        if ((reclaim_rows[i].hold & 1u << hold) && (reclaim_rows[i].runs & (runs ? 2 : 1)) && (reclaim_rows[i].claim & 1u << claim))
            return reclaim_rows[i].verdict;
    return RECLAIM_STALE;
}

OwnerVerdict owner_decide(OwnerSide side, OwnerWord word, gboolean is_this_boot, OwnerQemu qemu, OwnerHeard heard)
{
    unsigned boot = is_this_boot ? NOW : OLDER;
    const Row *rows = side == SIDE_SOURCE ? source_rows : destination_rows;

    for (const Row *row = rows; row->word; row++)
        if (row->word == word && (row->boot & boot) && (row->qemu & 1u << qemu) && (row->heard & 1u << heard))
            return (OwnerVerdict){
                .word = row->then, .actions = row->actions, .rule = row->rule, .row = (int)(row - rows)};
    return (OwnerVerdict){.word = word, .actions = OWNER_WAIT, .rule = "none", .row = -1};
}

OwnerVerdict owner_decide_offline(OwnerSide side, OwnerWord word, OwnerHeard heard)
{
    for (const OfflineRow *row = side == SIDE_SOURCE ? offline_source_rows : offline_destination_rows; row->word; row++)
        if (row->word == word && (row->heard & 1u << heard))
            return (OwnerVerdict){.word = row->then, .actions = row->actions, .rule = row->rule, .row = -1};
    return (OwnerVerdict){.word = word, .actions = OWNER_WAIT, .rule = "none", .row = -1};
}

unsigned owner_row_count(OwnerSide side)
{
    return (side == SIDE_SOURCE ? G_N_ELEMENTS(source_rows) : G_N_ELEMENTS(destination_rows)) - 1;
}

static const Row *row_at(OwnerSide side, unsigned row)
{
    return side == SIDE_SOURCE ? &source_rows[row] : &destination_rows[row];
}

char *owner_row_name(OwnerSide side, unsigned row)
{
    const Row *self = row_at(side, row);
    unsigned number = 1;

    for (unsigned i = 0; i < row; i++)
        number += row_at(side, i)->word == self->word && g_str_equal(row_at(side, i)->rule, self->rule);
    return number == 1 ? g_strdup_printf("%s.%s", enum_name(owner_word_names, self->word), self->rule)
                       : g_strdup_printf("%s.%s.%u", enum_name(owner_word_names, self->word), self->rule, number);
}

gboolean owner_row_acts(OwnerSide side, unsigned row)
{
    return row_at(side, row)->actions & ~(unsigned)OWNER_RUN;
}
