/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>

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
    back = journal_load(dir, attempt->id, &error);
    g_assert_cmpstr(back->name, ==, journal->name);
    ids = journal_list(dir);
    g_assert_cmpuint(ids->len, ==, 1);
    g_assert_true(g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate/journal/text-comes-back", text_comes_back);
    g_test_add_func("/migrate/journal/malformed-is-refused", malformed_is_refused);
    g_test_add_func("/migrate/journal/attempt-is-found-again", attempt_is_found_again);
    return g_test_run();
}
