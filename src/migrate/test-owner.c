/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/owner.h"

static OwnerVerdict source(OwnerWord word, OwnerQemu qemu, OwnerHeard heard)
{
    return owner_decide(SIDE_SOURCE, word, TRUE, qemu, heard);
}

static OwnerVerdict destination(OwnerWord word, OwnerQemu qemu, OwnerHeard heard)
{
    return owner_decide(SIDE_DESTINATION, word, TRUE, qemu, heard);
}

static void go_waits_for_completed(void)
{
    g_assert_cmpint(source(WORD_OFFERED, OWNER_QEMU_COMPLETED, HEARD_READY).word, ==, WORD_GO);
    g_assert_cmpint(source(WORD_OFFERED, OWNER_QEMU_RUNNING, HEARD_READY).word, ==, WORD_OFFERED);
    g_assert_cmpint(source(WORD_OFFERED, OWNER_QEMU_STOPPED, HEARD_READY).word, ==, WORD_OFFERED);
    g_assert_cmpint(source(WORD_OFFERED, OWNER_QEMU_COMPLETED, HEARD_NOTHING).word, ==, WORD_OFFERED);
}

static void abort_after_go_only_asks(void)
{
    g_assert_cmpuint(source(WORD_GO, OWNER_QEMU_COMPLETED, HEARD_ABORT).actions, ==, OWNER_WAIT | OWNER_TAKE_BACK);
    g_assert_cmpuint(source(WORD_GO, OWNER_QEMU_DEAD, HEARD_ABORT).actions, ==, OWNER_WAIT);
    for (int qemu = OWNER_QEMU_RUNNING; qemu <= OWNER_QEMU_FELL; qemu++)
        g_assert_cmpint(source(WORD_GO, (OwnerQemu)qemu, HEARD_ABORT).word, ==, WORD_GO);
}

static void silence_is_never_an_answer(void)
{
    for (int word = WORD_OFFERED; word <= WORD_CRASHED; word++) {
        for (int qemu = OWNER_QEMU_RUNNING; qemu < OWNER_QEMU_DEAD; qemu++) {
            OwnerVerdict verdict = source((OwnerWord)word, (OwnerQemu)qemu, HEARD_NOTHING);

            g_assert_cmpint(verdict.word, ==, word);
        }
    }
    g_assert_cmpint(destination(WORD_PREPARED, OWNER_QEMU_LOADED, HEARD_NOTHING).word, ==, WORD_PREPARED);
}

static void source_resumes_after_go_only_on_refused(void)
{
    for (int heard = HEARD_NOTHING; heard <= HEARD_UNSAID; heard++) {
        OwnerVerdict verdict = source(WORD_GO, OWNER_QEMU_COMPLETED, (OwnerHeard)heard);

        g_assert_cmpint(!!(verdict.actions & (OWNER_CONT | OWNER_RUN)), ==, heard == HEARD_REFUSED);
    }
}

/* The image that it had is lost, and only the destination knows whether that one is whole. */
static void a_source_that_fell_asks_before_it_gives_up(void)
{
    g_assert_cmpint(source(WORD_OFFERED, OWNER_QEMU_FELL, HEARD_NOTHING).word, ==, WORD_OFFERED);
    g_assert_cmpint(source(WORD_OFFERED, OWNER_QEMU_FELL, HEARD_LOADED).word, ==, WORD_GO);
    g_assert_cmpint(source(WORD_OFFERED, OWNER_QEMU_FELL, HEARD_REFUSED).word, ==, WORD_CRASHED);
    g_assert_cmpint(source(WORD_OFFERED, OWNER_QEMU_DEAD, HEARD_LOADED).word, ==, WORD_CRASHED);
}

static void a_loaded_destination_obeys_its_source_alone(void)
{
    g_assert_cmpint(destination(WORD_PREPARED, OWNER_QEMU_INCOMING, HEARD_ABORT).word, ==, WORD_REFUSED);
    g_assert_cmpint(destination(WORD_PREPARED, OWNER_QEMU_LOADED, HEARD_ABORT).word, ==, WORD_PREPARED);
    g_assert_cmpint(destination(WORD_PREPARED, OWNER_QEMU_LOADED, HEARD_DROP).word, ==, WORD_REFUSED);
    g_assert_cmpint(destination(WORD_TAKEN, OWNER_QEMU_LOADED, HEARD_DROP).word, ==, WORD_REFUSED);
    g_assert_cmpint(destination(WORD_TAKEN, OWNER_QEMU_RUNS, HEARD_DROP).word, ==, WORD_TAKEN);
}

static void destination_runs_only_on_go_and_loaded(void)
{
    for (int qemu = OWNER_QEMU_RUNNING; qemu <= OWNER_QEMU_DEAD; qemu++) {
        for (int heard = HEARD_NOTHING; heard <= HEARD_UNSAID; heard++) {
            OwnerVerdict verdict = destination(WORD_PREPARED, (OwnerQemu)qemu, (OwnerHeard)heard);

            g_assert_cmpint(verdict.word == WORD_TAKEN, ==, qemu == OWNER_QEMU_LOADED && heard == HEARD_GO);
            if (verdict.word != WORD_TAKEN)
                g_assert_cmpuint(verdict.actions & (OWNER_CONT | OWNER_RUN), ==, 0);
        }
    }
}

static void older_boot_waits_on_the_source_and_is_lost_on_the_destination(void)
{
    OwnerVerdict verdict = owner_decide(SIDE_SOURCE, WORD_OFFERED, FALSE, OWNER_QEMU_DEAD, HEARD_NOTHING);

    g_assert_cmpint(verdict.word, ==, WORD_OFFERED);
    g_assert_cmpuint(verdict.actions, ==, OWNER_WAIT);
    verdict = owner_decide(SIDE_DESTINATION, WORD_PREPARED, FALSE, OWNER_QEMU_DEAD, HEARD_NOTHING);
    g_assert_cmpint(verdict.word, ==, WORD_LOST);
}

static void refused_is_durable_and_never_runs(void)
{
    g_assert_true(destination(WORD_PREPARED, OWNER_QEMU_LOADED, HEARD_DROP).actions & OWNER_WRITE_SYNC);
    for (int heard = HEARD_NOTHING; heard <= HEARD_UNSAID; heard++) {
        OwnerVerdict verdict = destination(WORD_REFUSED, OWNER_QEMU_LOADED, (OwnerHeard)heard);

        g_assert_cmpint(verdict.word, ==, WORD_REFUSED);
        g_assert_cmpuint(verdict.actions, ==, OWNER_DESTROY | OWNER_WRITE_SYNC); /* it may be told again */
    }
}

/* TOLD: the answer to a stock source has left, or may have. */
static void told_runs_only_once_acknowledged(void)
{
    g_assert_cmpint(destination(WORD_PREPARED, OWNER_QEMU_LOADED, HEARD_FINISH).word, ==, WORD_TOLD);
    g_assert_cmpint(destination(WORD_PREPARED, OWNER_QEMU_INCOMING, HEARD_FINISH).word, ==, WORD_PREPARED);
    for (int heard = HEARD_NOTHING; heard <= HEARD_UNSAID; heard++) {
        OwnerVerdict verdict = destination(WORD_TOLD, OWNER_QEMU_LOADED, (OwnerHeard)heard);
        gboolean is_ours = heard == HEARD_ACKNOWLEDGED || heard == HEARD_HERE;
        gboolean is_theirs = heard == HEARD_UNSAID || heard == HEARD_THERE;

        g_assert_cmpint(verdict.word, ==, is_ours ? WORD_TAKEN : is_theirs ? WORD_REFUSED : WORD_TOLD);
        g_assert_cmpint(!!(verdict.actions & OWNER_CONT), ==, is_ours);
        g_assert_cmpint(!!(verdict.actions & OWNER_WAIT), ==, !is_ours && !is_theirs);
    }
}

static void told_survives_the_host_in_doubt(void)
{
    OwnerVerdict verdict = owner_decide(SIDE_DESTINATION, WORD_TOLD, FALSE, OWNER_QEMU_DEAD, HEARD_NOTHING);

    g_assert_cmpint(verdict.word, ==, WORD_TOLD);
    g_assert_cmpuint(verdict.actions, ==, OWNER_WAIT);
    verdict = owner_decide(SIDE_DESTINATION, WORD_TOLD, FALSE, OWNER_QEMU_DEAD, HEARD_HERE);
    g_assert_cmpint(verdict.word, ==, WORD_TAKEN);
    g_assert_true(verdict.actions & OWNER_DEFINE);
}

/* The daemon may end between a word and what the word asks for. */
static void kept_is_carried_out_after_a_restart(void)
{
    g_assert_true(source(WORD_KEPT, OWNER_QEMU_RUNNING, HEARD_NOTHING).actions & OWNER_CANCEL);
    g_assert_true(source(WORD_KEPT, OWNER_QEMU_STOPPED, HEARD_NOTHING).actions & OWNER_CONT);
    g_assert_true(source(WORD_KEPT, OWNER_QEMU_COMPLETED, HEARD_NOTHING).actions & OWNER_CONT);
}

static void every_final_word_is_repeatable(void)
{
    for (int word = WORD_OFFERED; word <= WORD_LOST; word++) {
        OwnerSide side = word <= WORD_CRASHED ? SIDE_SOURCE : SIDE_DESTINATION;

        for (int qemu = OWNER_QEMU_RUNNING; qemu <= OWNER_QEMU_DEAD; qemu++) {
            gboolean is_of_source = qemu <= OWNER_QEMU_COMPLETED;

            if (qemu != OWNER_QEMU_DEAD && is_of_source != (side == SIDE_SOURCE))
                continue;
            for (int heard = HEARD_NOTHING; heard <= HEARD_UNSAID; heard++) {
                OwnerVerdict once = owner_decide(side, (OwnerWord)word, TRUE, (OwnerQemu)qemu, (OwnerHeard)heard);
                OwnerVerdict twice = owner_decide(side, once.word, TRUE, (OwnerQemu)qemu, HEARD_NOTHING);

                if (owner_word_is_final(once.word) && once.word != WORD_TAKEN)
                    g_assert_cmpint(twice.word, ==, once.word);
                g_assert_cmpstr(once.rule, !=, "none");
            }
        }
    }
}

static void every_row_has_a_name_of_its_own(void)
{
    for (int side = SIDE_SOURCE; side <= SIDE_DESTINATION; side++) {
        g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autofree char *first = owner_row_name((OwnerSide)side, 0);

        for (unsigned row = 0; row < owner_row_count((OwnerSide)side); row++)
            g_assert_true(g_hash_table_add(names, owner_row_name((OwnerSide)side, row)));
        g_assert_true(g_str_has_prefix(first, side == SIDE_SOURCE ? "OFFERED.S-" : "PREPARED.D-"));
    }
}

static void without_an_image_nothing_is_lost(void)
{
    g_assert_cmpint(owner_decide_offline(SIDE_SOURCE, WORD_GO, HEARD_LOST).word, ==, WORD_KEPT);
    g_assert_cmpint(owner_decide_offline(SIDE_SOURCE, WORD_GO, HEARD_REFUSED).word, ==, WORD_KEPT);
    g_assert_cmpint(owner_decide_offline(SIDE_DESTINATION, WORD_PREPARED, HEARD_NOTHING).word, ==, WORD_PREPARED);
    g_assert_true(owner_decide_offline(SIDE_DESTINATION, WORD_PREPARED, HEARD_GO).actions & OWNER_WRITE_SYNC);
    for (int word = WORD_OFFERED; word <= WORD_LOST; word++) {
        for (int heard = HEARD_NOTHING; heard <= HEARD_UNSAID; heard++) {
            for (int side = SIDE_SOURCE; side <= SIDE_DESTINATION; side++) {
                OwnerVerdict verdict = owner_decide_offline((OwnerSide)side, (OwnerWord)word, (OwnerHeard)heard);

                g_assert_true(verdict.word != WORD_CRASHED || word == WORD_CRASHED);
                g_assert_false(verdict.actions & (OWNER_CONT | OWNER_RUN | OWNER_CANCEL));
                if (word == WORD_GO && heard == HEARD_NOTHING)
                    g_assert_cmpint(verdict.word, ==, WORD_GO);
                if (side == SIDE_SOURCE) /* there is nothing to destroy */
                    g_assert_false(verdict.actions & OWNER_DESTROY);
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate/owner/go-waits-for-completed", go_waits_for_completed);
    g_test_add_func("/migrate/owner/abort-after-go-only-asks", abort_after_go_only_asks);
    g_test_add_func("/migrate/owner/a-source-that-fell-asks", a_source_that_fell_asks_before_it_gives_up);
    g_test_add_func("/migrate/owner/a-loaded-destination-obeys-its-source", a_loaded_destination_obeys_its_source_alone);
    g_test_add_func("/migrate/owner/silence-is-never-an-answer", silence_is_never_an_answer);
    g_test_add_func("/migrate/owner/source-resumes-after-go-only-on-refused", source_resumes_after_go_only_on_refused);
    g_test_add_func("/migrate/owner/destination-runs-only-on-go-and-loaded", destination_runs_only_on_go_and_loaded);
    g_test_add_func("/migrate/owner/older-boot-waits-or-is-lost", older_boot_waits_on_the_source_and_is_lost_on_the_destination);
    g_test_add_func("/migrate/owner/refused-is-durable-and-never-runs", refused_is_durable_and_never_runs);
    g_test_add_func("/migrate/owner/told-runs-only-once-acknowledged", told_runs_only_once_acknowledged);
    g_test_add_func("/migrate/owner/told-survives-the-host-in-doubt", told_survives_the_host_in_doubt);
    g_test_add_func("/migrate/owner/kept-is-carried-out", kept_is_carried_out_after_a_restart);
    g_test_add_func("/migrate/owner/every-final-word-is-repeatable", every_final_word_is_repeatable);
    g_test_add_func("/migrate/owner/without-an-image-nothing-is-lost", without_an_image_nothing_is_lost);
    g_test_add_func("/migrate/owner/every-row-has-a-name-of-its-own", every_row_has_a_name_of_its_own);
    return g_test_run();
}
