/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/check.h"

#include <glib/gstdio.h>
#include <string.h>

#include "loop/loop-test.h"
#include "model/guest-def.h"

static const char xml[] = "<domain type='qemu'><name>vm1</name><memory>65536</memory><vcpu>1</vcpu>"
                          "<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>";

static unsigned asked;
static Await *gate; /* what a check that hangs waits for */

static void says_ok(CheckScene *scene, GPtrArray *rows)
{
    asked++;
    check_rows_add(rows, "quick", "one", CHECK_OK, "well");
}

static void says_no(CheckScene *scene, GPtrArray *rows)
{
    asked++;
    check_rows_block(rows, "quick", "two", ERROR_OPERATION_FAILED, "operation failed: it is not there; bring it");
}

/* As a file server does that has died. */
static void hangs(CheckScene *scene, GPtrArray *rows)
{
    await(gate, -1, NULL);
    check_rows_add(rows, "slow", "three", CHECK_OK, "too late");
}

static const Check quick[] = {{"quick", says_ok, FALSE}, {"quick", says_ok, TRUE}, {"quick", says_no, TRUE}, {"quick", says_no, TRUE}, {NULL}};
static const Check slow[] = {{"slow", hangs, FALSE}, {"quick", says_ok, FALSE}, {NULL}};

static CheckScene *new_scene(void)
{
    static MigrateSettings settings = {.host_name = "fedora2"};
    g_autofree char *dir = g_dir_make_tmp("ferry-check-XXXXXX", NULL);
    g_autoptr(GuestDef) def = guest_def_parse(xml, strlen(xml), GUEST_PARSE_INACTIVE, NULL);
    CheckScene *scene;

    settings.state_dir = dir;
    g_assert_true(migrate_settings_set(&settings, NULL));
    scene = check_scene_new(SIDE_DESTINATION, NULL, def, 0);
    settings.state_dir = "/nonexistent";
    for (unsigned i = 0; i < 3; i++) {
        g_autofree char *path = g_build_filename(dir, (const char *[]){"migrations", "domains", "nonces"}[i], NULL);

        g_rmdir(path);
    }
    g_rmdir(dir);
    return scene;
}

static void pass_body(void *data)
{
    g_autoptr(CheckScene) scene = new_scene();
    g_autoptr(GError) error = NULL;

    asked = 0;
    g_assert_false(check_pass(quick, scene, &error));
    g_assert_cmpstr(error->message, ==, "operation failed: it is not there; bring it");
    g_assert_cmpuint(asked, ==, 2);
}

static void a_migration_asks_what_decides_and_stops(void)
{
    loop_test_run(pass_body, NULL);
}

static void rehearse_body(void *data)
{
    g_autoptr(CheckScene) scene = new_scene();
    g_autoptr(GPtrArray) rows = check_rehearse(quick, scene, 1000);
    g_autoptr(GPtrArray) late = NULL;

    gate = await_new("the file server");
    late = check_rehearse(slow, scene, 20);
    g_assert_cmpuint(rows->len, ==, 4);
    g_assert_cmpuint(check_rows_count(rows, CHECK_BLOCKER), ==, 2);
    g_assert_cmpuint(late->len, ==, 2);
    g_assert_cmpuint(check_rows_count(late, CHECK_UNKNOWN), ==, 1);
    check_rows_each(row, late)
        g_assert_cmpstr(row->host, ==, "fedora2");
    await_succeed(gate); /* the late one ends after all, and nobody minds */
    while (scene->refs > 1)
        task_yield();
    g_assert_cmpuint(late->len, ==, 2);
    await_unref(gate);
}

static void a_rehearsal_asks_all_and_waits_for_nobody(void)
{
    loop_test_run(rehearse_body, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate/check/a-migration-asks-what-decides-and-stops", a_migration_asks_what_decides_and_stops);
    g_test_add_func("/migrate/check/a-rehearsal-asks-all-and-waits-for-nobody", a_rehearsal_asks_all_and_waits_for_nobody);
    return g_test_run();
}
