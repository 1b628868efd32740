/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "migrate/journal.h"

static Journal *sample(void)
{
    Uuid uuid;
    Journal *journal;

    uuid_generate(&uuid);
    journal = journal_new(SIDE_DESTINATION, &uuid, "a \"guest\"\n", UINT64_MAX);
    journal->definition = g_strdup("<domain>\n  <name>x</name>\n</domain>\n");
    journal->is_paused = TRUE;
    return journal;
}

static void text_comes_back(void)
{
    g_autoptr(Journal) journal = sample();
    g_autofree char *text = journal_format(journal);
    g_autoptr(GError) error = NULL;
    g_autoptr(Journal) back = journal_parse(text, &error);
    g_autofree char *again = NULL;

    g_assert_no_error(error);
    again = journal_format(back);
    g_assert_cmpstr(text, ==, again);
    g_assert_cmpstr(back->definition, ==, journal->definition);
    g_assert_cmpuint(back->epoch, ==, UINT64_MAX);
    g_assert_true(journal_is_open(back));
}

static void generations_end_before_they_wrap(void)
{
    g_autoptr(GError) error = NULL;
    Attempt last = {.epoch = UINT64_MAX - 1};
    uint64_t epoch = 0;

    g_assert_true(attempt_next_epoch(NULL, "vm1", &epoch, &error));
    g_assert_cmpuint(epoch, ==, 1);
    g_assert_true(attempt_next_epoch(&last, "vm1", &epoch, &error));
    g_assert_cmpuint(epoch, ==, UINT64_MAX);
    last.epoch = epoch;
    g_assert_false(attempt_next_epoch(&last, "vm1", &epoch, &error));
    g_assert_nonnull(strstr(error->message, "'vm1' has no generation after 18446744073709551615"));
}

static void malformed_is_refused(void)
{
    static const char *const bad[] = {"", "[]", "{}", "{\"version\":2}", "{\"version\":1}",
                                      "{\"version\":1,\"id\":7}",
                                      "{\"version\":1,\"id\":\"00\",\"name\":\"x\"}"};

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(journal_parse(bad[i], &error));
        g_assert_nonnull(error);
    }
}

static void what_a_newer_daemon_wrote_is_refused_and_not_guessed(void)
{
    g_autoptr(Journal) journal = sample();
    g_autofree char *text = journal_format(journal);
    g_autofree char *field = g_strconcat("{ \"promised\": true,", strchr(text, '{') + 1, NULL);
    g_autofree char *version = g_strdup(text);
    g_autofree char *outcome = g_strconcat("{ \"outcome\": \"SHARED\",", strchr(text, '{') + 1, NULL);
    const char *const newer[] = {field, version, outcome}, *const unknown[] = {"'promised'", "version 2", "'SHARED'"};
    g_autoptr(Journal) known = journal_parse(text, NULL);

    g_assert_nonnull(known);
    *strpbrk(strstr(version, "\"version\":"), "1") = '2';
    for (size_t i = 0; i < G_N_ELEMENTS(newer); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(journal_parse(newer[i], &error));
        g_assert_true(error_is(error, ERROR_CONFIG_UNSUPPORTED));
        g_assert_nonnull(strstr(error->message, unknown[i]));
    }
}

static void attempt_is_found_again(void)
{
    g_autofree char *dir = g_dir_make_tmp("ferry-XXXXXX", NULL);
    g_autoptr(Journal) journal = sample();
    g_autoptr(GError) error = NULL;
    g_autoptr(Attempt) attempt = NULL;
    g_autoptr(Journal) back = NULL;
    g_autoptr(GPtrArray) ids = NULL;
    g_autofree char *remove = g_strdup_printf("rm -r %s", dir);

    journal->peer = g_strdup("fedora2");
    g_assert_true(journal_save(journal, dir, &error));
    g_assert_true(journal_sync(journal, dir, &error));
    g_assert_true(attempt_write(dir, &journal->uuid, journal, &error));
    attempt = attempt_read(dir, &journal->uuid);
    g_assert_cmpstr(attempt->id, ==, journal->id);
    g_assert_cmpuint(attempt->epoch, ==, UINT64_MAX);
    g_assert_cmpstr(attempt->peer, ==, "fedora2");
    journal->epoch = 7; /* the highest ever seen is kept */
    g_assert_true(attempt_write(dir, &journal->uuid, journal, &error));
    g_clear_pointer(&attempt, attempt_free);
    attempt = attempt_read(dir, &journal->uuid);
    g_assert_cmpuint(attempt->epoch, ==, UINT64_MAX);
    back = journal_load(dir, attempt->id, &error);
    g_assert_cmpstr(back->name, ==, journal->name);
    ids = journal_list(dir);
    g_assert_cmpuint(ids->len, ==, 1);
    g_assert_true(g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL));
}

/* What it says counts, but nothing takes its place: that would forget what this daemon does not know. */
static void attempt_of_a_newer_daemon_is_not_written_over(void)
{
    g_autofree char *dir = g_dir_make_tmp("ferry-XXXXXX", NULL);
    g_autoptr(Journal) journal = sample();
    g_autofree char *path = NULL;
    g_autoptr(Attempt) attempt = NULL;
    g_autoptr(GError) error = NULL;
    char uuid[UUID_TEXT_SIZE];
    uint64_t epoch = 0;

    path = g_strdup_printf("%s/%s.attempt", dir, uuid_format(&journal->uuid, uuid));
    g_assert_true(g_file_set_contents(path, "{\"attempt\":\"0123456789abcdef0123456789abcdef\",\"epoch\":7,\"held_by\":\"fedora3\"}", -1, NULL));
    attempt = attempt_read(dir, &journal->uuid);
    g_assert_cmpuint(attempt->epoch, ==, 7);
    g_assert_false(attempt_check(attempt, NULL));
    g_assert_false(attempt_next_epoch(attempt, "guest", &epoch, &error));
    g_assert_true(error_is(error, ERROR_CONFIG_UNSUPPORTED));
    g_assert_nonnull(strstr(error->message, "a newer ferryd has written it: this one does not know its field 'held_by'"));
    g_clear_pointer(&attempt, attempt_free);
    g_assert_true(attempt_write(dir, &journal->uuid, journal, NULL)); /* a person's word */
    attempt = attempt_read(dir, &journal->uuid);
    g_assert_true(attempt_check(attempt, NULL));
    g_unlink(path);
    g_rmdir(dir);
}

static gboolean is_there(const char *dir, const char *id, const char *suffix)
{
    g_autofree char *path = g_strdup_printf("%s/%s%s", dir, id, suffix);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* An attempt as it lies on disk; ended_ms 0: open.  Returns its id. */
static char *leave(const char *dir, const Uuid *uuid, int64_t ended_ms, gboolean has_word, gboolean is_last)
{
    g_autoptr(Journal) journal = journal_new(SIDE_SOURCE, uuid, "guest", 1);
    g_autofree char *owner = g_strdup_printf("%s/%s.owner", dir, journal->id);

    journal->ended_ms = ended_ms;
    g_assert_true(journal_save(journal, dir, NULL));
    g_assert_true(!has_word || g_file_set_contents(owner, "word", -1, NULL));
    g_assert_true(!is_last || attempt_write(dir, uuid, journal, NULL));
    return g_strdup(journal->id);
}

static void history_is_bounded(void)
{
    g_autofree char *dir = g_dir_make_tmp("ferry-XXXXXX", NULL);
    g_autofree char *remove = g_strdup_printf("rm -r %s", dir);
    Uuid here, gone;

    uuid_generate(&here);
    uuid_generate(&gone);
    {
        g_autofree char *pointed = leave(dir, &here, 1, TRUE, TRUE);
        g_autofree char *oldest = leave(dir, &gone, 2, TRUE, FALSE);
        g_autofree char *older = leave(dir, &here, 3, TRUE, FALSE);
        g_autofree char *newer = leave(dir, &gone, 5, TRUE, FALSE);
        g_autofree char *newest = leave(dir, &here, 6, TRUE, FALSE);
        g_autofree char *open = leave(dir, &gone, 0, TRUE, FALSE);
        g_autofree char *unsaid = leave(dir, &gone, 0, FALSE, FALSE);
        g_autofree char *broken = g_strdup_printf("%s/%032d.json", dir, 7);
        g_autofree char *half = g_strdup_printf("%s/%s.json.new", dir, open);

        g_assert_true(g_file_set_contents(broken, "{", -1, NULL) && g_file_set_contents(half, "{", -1, NULL));
        g_assert_cmpuint(journal_prune(dir, dir, 2, FALSE), ==, 2);
        g_assert_true(is_there(dir, unsaid, ".json")); /* it may be announced this very moment */
        g_assert_true(g_file_test(half, G_FILE_TEST_EXISTS));
        g_assert_cmpuint(journal_prune(dir, dir, 2, TRUE), ==, 1);
        g_assert_true(is_there(dir, pointed, ".json") && is_there(dir, pointed, ".owner"));
        g_assert_true(is_there(dir, newer, ".json") && is_there(dir, newest, ".json"));
        g_assert_true(is_there(dir, open, ".json") && is_there(dir, open, ".owner"));
        g_assert_false(is_there(dir, oldest, ".json") || is_there(dir, oldest, ".owner"));
        g_assert_false(is_there(dir, older, ".json") || is_there(dir, older, ".owner"));
        g_assert_false(is_there(dir, unsaid, ".json"));
        g_assert_true(g_file_test(broken, G_FILE_TEST_EXISTS));
        g_assert_false(g_file_test(half, G_FILE_TEST_EXISTS));
        g_assert_cmpuint(journal_prune(dir, dir, 2, TRUE), ==, 0);
    }
    g_assert_true(g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL));
}

static void an_unreadable_pointer_keeps_the_history_of_its_guest(void)
{
    g_autofree char *dir = g_dir_make_tmp("ferry-XXXXXX", NULL);
    g_autofree char *remove = g_strdup_printf("rm -r %s", dir), *id = NULL, *path = NULL;
    char text[UUID_TEXT_SIZE];
    Uuid uuid;

    uuid_generate(&uuid);
    id = leave(dir, &uuid, 1, TRUE, FALSE);
    path = g_strdup_printf("%s/%s.attempt", dir, uuid_format(&uuid, text));
    g_assert_true(g_file_set_contents(path, "{\"attempt\"", -1, NULL));
    g_assert_cmpuint(journal_prune(dir, dir, 0, TRUE), ==, 0);
    g_assert_true(is_there(dir, id, ".json"));
    g_assert_true(g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate/journal/generations-end-before-they-wrap", generations_end_before_they_wrap);
    g_test_add_func("/migrate/journal/text-comes-back", text_comes_back);
    g_test_add_func("/migrate/journal/malformed-is-refused", malformed_is_refused);
    g_test_add_func("/migrate/journal/attempt-is-found-again", attempt_is_found_again);
    g_test_add_func("/migrate/journal/attempt-of-a-newer-daemon-is-not-written-over", attempt_of_a_newer_daemon_is_not_written_over);
    g_test_add_func("/migrate/journal/history-is-bounded", history_is_bounded);
    g_test_add_func("/migrate/journal/what-a-newer-daemon-wrote-is-refused-and-not-guessed",
                    what_a_newer_daemon_wrote_is_refused_and_not_guessed);
    g_test_add_func("/migrate/journal/an-unreadable-pointer-keeps-the-history-of-its-guest",
                    an_unreadable_pointer_keeps_the_history_of_its_guest);
    return g_test_run();
}
