/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/given.h"

#include <unistd.h>

#include "domain/registry.h"
#include "domain/store.h"

static QemuEnv env = {.user = {.is_set = TRUE}};
static const DomainSettings settings = {.qemu = &env};
static const char *const paths[] = {"/images/a b\nc.raw", "/kernel", NULL};

static Uuid uuid_of(uint8_t last)
{
    return (Uuid){.bytes = {[15] = last}};
}

/* A status of guest 1, whose QEMU has pid 100. */
static GPtrArray *one_status(void)
{
    GPtrArray *statuses = g_ptr_array_new_with_free_func(g_free);
    StoredStatus *status = g_new0(StoredStatus, 1);

    status->uuid = uuid_of(1);
    status->pid = 100;
    g_ptr_array_add(statuses, status);
    return statuses;
}

static unsigned count_owed(const Uuid *uuid, pid_t pid)
{
    g_autoptr(GPtrArray) statuses = one_status();
    g_autofree char *note = given_note(uuid, pid, paths);
    g_autoptr(GPtrArray) owed = given_list(statuses);
    const unsigned count = owed->len;

    g_assert_nonnull(note);
    if (count) {
        const Given *given = owed->pdata[0];

        g_assert_cmpstr(given->note, ==, note);
        g_assert_cmpstrv(given->paths, paths);
        given_note_drop(g_strdup(note));
    }
    g_assert_cmpint(access(note, F_OK), !=, 0); /* what a status speaks of is forgotten */
    return count;
}

static void what_no_status_speaks_of_is_owed(void)
{
    const Uuid known = uuid_of(1), unknown = uuid_of(2);

    g_assert_cmpuint(count_owed(&known, 0), ==, 0);   /* its start was written down */
    g_assert_cmpuint(count_owed(&known, 100), ==, 0); /* its end is still to be noticed */
    g_assert_cmpuint(count_owed(&known, 99), ==, 1);  /* the QEMU before that one */
    g_assert_cmpuint(count_owed(&unknown, 0), ==, 1);
    g_assert_cmpuint(count_owed(&unknown, 99), ==, 1);
}

static void strange_notes_are_removed(void)
{
    static const char *const names[] = {"given-", "given-x", "given-00000000-0000-0000-0000-000000000001",
                                        "given-00000000-0000-0000-0000-000000000001--1-2"};
    g_autoptr(GPtrArray) statuses = one_status();

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(env.run_dir, names[i], NULL);

        g_assert_true(g_file_set_contents(path, "/etc/passwd", -1, NULL));
        g_autoptr(GPtrArray) owed = given_list(statuses);
        g_assert_cmpuint(owed->len, ==, 0);
        g_assert_cmpint(access(path, F_OK), !=, 0);
    }
}

static void nothing_is_noted_where_nothing_is_given(void)
{
    static const char *const none[] = {NULL};
    const Uuid uuid = uuid_of(1);

    g_assert_null(given_note(&uuid, 0, none));
    env.user.is_set = FALSE;
    g_assert_null(given_note(&uuid, 0, paths));
    env.user.is_set = TRUE;
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    env.run_dir = g_dir_make_tmp("ferry-given-XXXXXX", NULL);
    registry_init(&settings);
    g_test_add_func("/domain/given/what-no-status-speaks-of-is-owed", what_no_status_speaks_of_is_owed);
    g_test_add_func("/domain/given/strange-notes-are-removed", strange_notes_are_removed);
    g_test_add_func("/domain/given/nothing-is-noted-where-nothing-is-given", nothing_is_noted_where_nothing_is_given);
    status = g_test_run();
    rmdir(env.run_dir);
    g_free(env.run_dir);
    return status;
}
