/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/registry.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "domain/domain.h"
#include "domain/event.h"
#include "domain/store.h"
#include "model/guest-def.h"

static const QemuEnv env = {.run_dir = (char *)"/nonexistent", .state_dir = (char *)"/nonexistent"};
static const DomainSettings settings = {.qemu = &env};

static Uuid uuid_of(uint8_t last)
{
    return (Uuid){.bytes = {[15] = last}};
}

static void test_duplicates(void)
{
    const Uuid one = uuid_of(1), two = uuid_of(2);
    g_autoptr(GError) error = NULL;
    Domain *existing = NULL;

    registry_init(&settings);
    g_autoptr(Domain) a = registry_add(&one, "a", &error);
    g_assert_no_error(error);

    g_assert_false(registry_check(&two, "a", FALSE, &existing, &error));
    g_assert_true(error_is(error, ERROR_OPERATION_FAILED));
    g_assert_cmpstr(error->message, ==,
                    "operation failed: domain 'a' already exists with uuid "
                    "00000000-0000-0000-0000-000000000001");
    g_clear_error(&error);

    g_assert_false(registry_check(&one, "b", FALSE, &existing, &error));
    g_assert_cmpstr(error->message, ==,
                    "operation failed: domain 'a' is already defined with uuid "
                    "00000000-0000-0000-0000-000000000001");
    g_clear_error(&error);

    g_assert_true(registry_check(&one, "a", TRUE, &existing, &error));
    g_assert_true(existing == a);
    registry_assign_id(a);
    g_assert_false(registry_check(&one, "a", TRUE, &existing, &error));
    g_assert_true(error_is(error, ERROR_OPERATION_INVALID));
    registry_clear();
}

static void test_lookups(void)
{
    const Uuid one = uuid_of(1);
    g_autoptr(GError) error = NULL;

    registry_init(&settings);
    g_autoptr(Domain) a = registry_add(&one, "a", NULL);
    g_assert_cmpint(registry_assign_id(a), ==, 1);
    g_autoptr(Domain) by_id = registry_find_id(1, &error);
    g_assert_true(by_id == a);
    registry_release_id(a);
    g_assert_null(registry_find_id(1, &error));
    g_assert_true(error_is(error, ERROR_NO_DOMAIN));
    g_clear_error(&error);
    g_assert_null(registry_find_name("x", &error));
    g_assert_cmpstr(error->message, ==, "Domain not found: no domain with matching name 'x'");
    registry_restore_id(a, 7);
    g_assert_cmpint(a->id, ==, 7);
    g_assert_cmpint(registry_assign_id(a), ==, 8);
    registry_remove(a);
    g_assert_null(registry_peek_name("a"));
    g_assert_cmpuint(registry_count(TRUE) + registry_count(FALSE), ==, 0);
    registry_clear();
}

static void expect_list(unsigned filter, const char *names)
{
    g_autoptr(GPtrArray) list = registry_list(filter);
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < list->len; i++)
        g_string_append(text, ((Domain *)list->pdata[i])->name);
    g_assert_cmpstr(text->str, ==, names);
}

static void test_filters(void)
{
    registry_init(&settings);
    for (uint8_t i = 0; i < 3; i++) {
        const Uuid uuid = uuid_of(i);
        const char name[] = {(char)('c' - i), '\0'};
        g_autoptr(Domain) domain = registry_add(&uuid, name, NULL);

        if (i == 0) { /* c runs, transient */
            registry_assign_id(domain);
            domain->state = DOMAIN_RUNNING;
        }
        domain->is_autostart = i == 1; /* b */
    }
    expect_list(0, "abc");
    expect_list(1 << 0, "c");
    expect_list(1 << 1, "ab");
    expect_list(1 << 0 | 1 << 1, "abc");
    expect_list(1 << 2, "");
    expect_list(1 << 3, "abc");
    expect_list(1 << 4, "c");
    expect_list(1 << 6 | 1 << 10, "b");
    expect_list(1 << 8, "");
    registry_clear();
}

static void test_states(void)
{
    for (int state = 0; state <= DOMAIN_PMSUSPENDED; state++) {
        g_assert_true(state_is_valid(state, 0));
        g_assert_false(state_is_valid(state, -1));
        g_assert_false(state_is_valid(state, 99));
    }
    g_assert_false(state_is_valid(8, 0));
    g_assert_cmpstr(state_reason_name(DOMAIN_RUNNING, RUNNING_POSTCOPY_FAILED), ==,
                    "post-copy failed");
    g_assert_cmpstr(state_reason_name(DOMAIN_PAUSED, PAUSED_POSTCOPY_FAILED), ==,
                    "post-copy failed");
    g_assert_cmpstr(state_reason_name(DOMAIN_SHUTOFF, SHUTOFF_DAEMON), ==, "daemon");
    g_assert_false(state_is_valid(DOMAIN_SHUTOFF, SHUTOFF_DAEMON + 1));
}

static unsigned heard;

static void hear(const DomainEvent *event, void *data)
{
    EventSubscription **victim = data;

    heard++;
    if (victim)
        g_clear_pointer(victim, event_unsubscribe);
}

static void test_bus(void)
{
    EventSubscription *second = NULL;
    EventSubscription *first = event_subscribe(hear, &second);

    second = event_subscribe(hear, NULL);
    heard = 0;
    event_emit_lifecycle(NULL, LIFECYCLE_STARTED, 0);
    g_assert_cmpuint(heard, ==, 1); /* the first took the second away */
    event_emit_lifecycle(NULL, LIFECYCLE_STARTED, 0);
    g_assert_cmpuint(heard, ==, 2);
    event_unsubscribe(first);
    event_emit_lifecycle(NULL, LIFECYCLE_STARTED, 0);
    g_assert_cmpuint(heard, ==, 2);
}

static void test_paths(void)
{
    g_autofree char *plain = store_definition_path("/s", "vm 1/x");
    g_autofree char *name = g_strnfill(255, '\n');
    g_autofree char *path = store_definition_path("/s", name);
    g_autofree char *file = g_path_get_basename(path);

    g_assert_cmpstr(plain, ==, "/s/domains/vm%201%2Fx.xml");
    g_assert_cmpuint(strlen(file), <=, 255);
}

static const char live_xml[] =
    "<domain type='qemu' id='3'><name>a</name><uuid>00000000-0000-0000-0000-000000000001</uuid>"
    "<memory unit='KiB'>65536</memory><vcpu>1</vcpu><os><type arch='x86_64' "
    "machine='pc-q35-7.2'>hvm</type></os></domain>";

static void test_status(void)
{
    g_autoptr(GError) error = NULL;
    StoredStatus status = {.uuid = uuid_of(1),
                           .name = (char *)"a",
                           .id = 3,
                           .pid = 4711,
                           .start_time = G_MAXUINT64,
                           .state = DOMAIN_PAUSED,
                           .reason = PAUSED_MIGRATION,
                           .is_incoming = TRUE,
                           .planned_end = -1,
                           .stop_reason = 2,
                           .resume_reason = 6,
                           .wants_paused = TRUE};

    status.live = guest_def_parse(live_xml, strlen(live_xml), GUEST_PARSE_LIVE, &error);
    g_assert_no_error(error);
    g_autofree char *text = status_format(&status);
    g_autoptr(StoredStatus) back = status_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    g_assert_true(uuid_equal(&back->uuid, &status.uuid));
    g_assert_cmpuint(back->start_time, ==, G_MAXUINT64);
    g_assert_cmpint(back->pid, ==, 4711);
    g_assert_cmpint(back->planned_end, ==, -1);
    g_assert_true(back->is_incoming && back->wants_paused && !back->is_powering_off);
    g_assert_cmpint(back->resume_reason, ==, 6);
    g_assert_cmpstr(back->live->name, ==, "a");
    for (size_t len = 0; len + 2 < strlen(text); len++) {
        g_assert_null(status_parse(text, len, &error));
        g_clear_error(&error);
    }
    guest_def_free(status.live);
}

/* Its daemon was killed between the folder and the status. */
static void test_half_started(void)
{
    g_autofree char *run_dir = g_dir_make_tmp("ferry-store-XXXXXX", NULL);
    const QemuEnv own_env = {.run_dir = run_dir, .state_dir = run_dir};
    const DomainSettings own = {.qemu = &own_env};
    g_autofree char *folder =
        g_build_filename(run_dir, "00000000-0000-0000-0000-000000000001", NULL);
    static const char *const names[] = {"starting", "monitor.sock", "status.new"};

    registry_init(&own);
    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(folder, names[i], NULL);

        g_assert_true(g_file_set_contents(path, "", 0, NULL));
    }
    g_autoptr(GPtrArray) statuses = store_read_statuses();
    g_assert_cmpuint(statuses->len, ==, 0);
    g_assert_false(g_file_test(folder, G_FILE_TEST_EXISTS));
    registry_clear();
    registry_init(&settings);
    g_assert_cmpint(g_rmdir(run_dir), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/domain/registry/a-taken-name-or-uuid-is-refused-in-stock-s-words",
                    test_duplicates);
    g_test_add_func("/domain/registry/look-ups-find-or-say-what-they-missed", test_lookups);
    g_test_add_func("/domain/registry/filters-select-as-the-list-call-wants", test_filters);
    g_test_add_func("/domain/state/every-state-has-its-reasons", test_states);
    g_test_add_func("/domain/event/a-handler-may-unsubscribe-another", test_bus);
    g_test_add_func("/domain/store/file-names-fit-any-name", test_paths);
    g_test_add_func("/domain/store/a-status-comes-back-and-a-cut-one-does-not", test_status);
    g_test_add_func("/domain/store/what-was-never-started-leaves-no-folder", test_half_started);
    return g_test_run();
}
