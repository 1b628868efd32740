/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Against a real QEMU: a life from start to end, deaths, finding it again, a move from one to
 * another. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "host/kvm.h"
#include "loop/child.h"
#include "loop/loop-test.h"
#include "model/guest-def.h"
#include "qemu/capabilities.h"
#include "qemu/guest.h"
#include "qemu/migration.h"
#include "qemu/socket.h"

#define EMULATOR "/usr/bin/qemu-system-x86_64"
#define WAIT_MS  60000

static char *dir;
static QemuEnv env;

static void env_open(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *cache = NULL;

    dir = g_dir_make_tmp("ferry-qemu-XXXXXX", &error);
    g_assert_no_error(error);
    qemu_env_init(&env);
    g_free(env.run_dir);
    g_free(env.log_dir);
    g_free(env.state_dir);
    /* Longer than sun_path: nobody may depend on a short one. */
    env.run_dir = g_strdup_printf(
        "%s/a-folder-with-a-long-name-so-that-no-socket-address-could-hold-it-at-all/run", dir);
    env.log_dir = g_build_filename(dir, "log", NULL);
    env.state_dir = g_build_filename(dir, "state", NULL);
    cache = g_build_filename(dir, "cache", NULL);
    env.probes = probe_cache_new(&env, cache);
}

static void env_close(void)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", dir);

    qemu_env_clear(&env);
    g_assert_cmpint(system(command), ==, 0);
    g_clear_pointer(&dir, g_free);
}

static GuestDef *make_def(const char *name, const char *devices)
{
    static const GuestMachineAlias aliases[] = {{"q35", "pc-q35-7.2"}, {NULL}};
    g_autofree char *machine = NULL;
    GuestFacts facts = {.emulator = EMULATOR, .machine_aliases = aliases};
    g_autoptr(GError) error = NULL;
    const Probe *probe = probe_peek(env.probes, EMULATOR);
    GuestDef *def;

    machine = g_strdup(probe_find_machine(probe, "q35")->name);
    g_autofree char *xml = g_strdup_printf(
        "<domain type='qemu'><name>%s</name><memory unit='MiB'>32</memory><currentMemory "
        "unit='MiB'>24</currentMemory>"
        "<vcpu>2</vcpu><os><type arch='x86_64' machine='%s'>hvm</type><kernel>%s</kernel>"
        "<cmdline>tick=20 set=1 "
        "touch=1</cmdline></os><features><acpi/></features><devices>%s</devices></domain>",
        name, machine, g_getenv("FERRY_TEST_GUEST"), devices);
    def = guest_def_parse(xml, strlen(xml), GUEST_PARSE_INACTIVE, &error);
    g_assert_no_error(error);
    g_assert_true(guest_def_fill_defaults(def, &facts, &error));
    guest_def_assign_aliases(def);
    return def;
}

/* What was reported. */
typedef struct {
    unsigned stopped, resumed, lost, any;
    int wait_status;
    char *words;
    int status;
    guint64 passes;
    Condition *changed;
} Seen;

static void saw_stopped(QemuGuest *guest, void *data)
{
    ((Seen *)data)->stopped++;
    condition_signal(((Seen *)data)->changed);
}

static void saw_resumed(QemuGuest *guest, void *data)
{
    ((Seen *)data)->resumed++;
    condition_signal(((Seen *)data)->changed);
}

static void saw_status(QemuGuest *guest, int status, void *data)
{
    ((Seen *)data)->status = status;
    condition_signal(((Seen *)data)->changed);
}

static void saw_pass(QemuGuest *guest, guint64 pass, void *data)
{
    ((Seen *)data)->passes = pass;
}

static void saw_any(QemuGuest *guest, const char *name, json_object *event, void *data)
{
    ((Seen *)data)->any++;
}

static void saw_lost(QemuGuest *guest, int wait_status, const char *words, void *data)
{
    Seen *seen = data;

    seen->lost++;
    seen->wait_status = wait_status;
    g_free(seen->words);
    seen->words = g_strdup(words);
    condition_signal(seen->changed);
}

static const QemuGuestEvents events = {
    .stopped = saw_stopped,
    .resumed = saw_resumed,
    .migration_status = saw_status,
    .migration_pass = saw_pass,
    .any = saw_any,
    .lost = saw_lost,
};

static void seen_clear(Seen *seen)
{
    condition_free(seen->changed);
    g_free(seen->words);
}

#define WAIT_FOR(seen_, what_)                                                                     \
    while (!(what_))                                                                               \
    g_assert_true(condition_wait((seen_)->changed, WAIT_MS, NULL))

static QemuGuest *start(GuestDef *def, gboolean is_incoming)
{
    QemuStartSpec spec = {.env = &env, .def = def, .id = 1, .is_incoming = is_incoming};
    g_autoptr(GError) error = NULL;
    QemuGuest *guest = qemu_guest_start(&spec, &error);

    g_assert_no_error(error);
    return guest;
}

static void prepare(void)
{
    g_autoptr(GError) error = NULL;

    env_open();
    probe_get(env.probes, EMULATOR, &error);
    g_assert_no_error(error);
}

/* Documents that a client can read, and refusals by name. */
static void documents(const Probe *probe)
{
    g_autoptr(Node) node = node_read("");
    g_autoptr(GError) error = NULL;
    Uuid uuid = {{1}};
    CapabilitiesFacts facts = {node, &uuid, &env.user, FALSE, &probe, 1};
    g_autofree char *host = capabilities_format(&facts);
    g_autofree char *guest = domain_capabilities_format(&facts, NULL, NULL, "q35", NULL, &error);

    g_assert_no_error(error);
    g_assert_nonnull(strstr(host, "<emulator>" EMULATOR "</emulator>"));
    g_assert_nonnull(strstr(host, "<domain type='qemu'/>"));
    g_assert_null(strstr(host, "<domain type='kvm'/>"));
    g_assert_nonnull(strstr(host, "<uuid>01000000-"));
    g_assert_nonnull(strstr(guest, "<machine>pc-q35-"));
    g_assert_nonnull(strstr(guest, "<model usable='yes' vendor='unknown'>qemu64</model>"));
    g_assert_null(domain_capabilities_format(&facts, NULL, NULL, NULL, "kvm", &error));
    g_assert_nonnull(strstr(error->message, "does not support virt type 'kvm'"));
    g_clear_error(&error);
    g_assert_null(domain_capabilities_format(&facts, NULL, NULL, "bogus", NULL, &error));
    g_assert_nonnull(strstr(error->message, "'bogus'"));
    g_clear_error(&error);
    g_assert_null(domain_capabilities_format(&facts, NULL, "sparc", NULL, NULL, &error));
    g_assert_nonnull(strstr(error->message, "'sparc'"));
}

static void probe_body(void *data)
{
    g_autoptr(GError) error = NULL;
    const Probe *probe;

    prepare();
    probe = probe_peek(env.probes, EMULATOR);
    g_assert_nonnull(probe);
    g_assert_true(probe == probe_get(env.probes, EMULATOR, &error));
    g_assert_cmpuint(probe->version, >=, 5000000);
    g_assert_cmpstr(probe->arch, ==, "x86_64");
    g_assert_cmpstr(probe_find_machine(probe, "q35")->default_cpu, ==, "qemu64");
    g_assert_cmpstr(probe_find_machine(probe, "pc")->default_ram, ==, "pc.ram");
    g_assert_true(probe_find_cpu(probe, "qemu64")->is_usable_tcg);
    g_assert_true(probe_has_device(probe, "virtio-blk-pci"));
    g_assert_true(probe_has_migration_capability(probe, "return-path"));

    documents(probe);

    /* A second cache finds the first one's file; a bad file is asked again. */
    g_autofree char *folder = g_build_filename(dir, "cache", NULL);
    g_autoptr(ProbeCache) second = probe_cache_new(&env, folder);
    g_assert_nonnull(probe_get(second, EMULATOR, &error));
    g_autofree char *file =
        g_build_filename(folder, "%2Fusr%2Fbin%2Fqemu-system-x86_64.json", NULL);
    g_assert_true(g_file_test(file, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_set_contents(file, "1 nonsense\n{}", -1, NULL));
    g_autoptr(ProbeCache) third = probe_cache_new(&env, folder);
    g_assert_nonnull(probe_get(third, EMULATOR, &error));

    g_assert_null(probe_get(env.probes, "/bin/sh", &error));
    g_assert_nonnull(strstr(error->message, "emulator_dirs"));
    g_clear_error(&error);
    g_assert_null(probe_get(env.probes, "/usr/bin/true", &error));
    g_assert_nonnull(strstr(error->message, "/usr/bin/true"));
    env_close();
}

static void life_body(void *data)
{
    g_autoptr(GuestDef) def = NULL;
    g_autoptr(QemuGuest) guest = NULL;
    g_autoptr(QemuSubscription) subscription = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *socket_path = NULL;
    g_autofree char *devices = NULL;
    Seen seen = {.changed = condition_new("something from QEMU")};
    g_auto(QemuTimes) times = {0};
    unsigned count = 0;

    prepare();
    socket_path = g_build_filename(dir, "serial.sock", NULL);
    devices = g_strdup_printf(
        "<serial type='pty'/><serial type='unix'><source mode='bind' path='%s'/></serial>"
        "<serial type='file'><source path='%s/out.txt'/></serial><interface type='user'>"
        "<model type='virtio'/><link state='down'/></interface><rng model='virtio'>"
        "<backend model='random'>/dev/urandom</backend></rng>",
        socket_path, dir);
    def = make_def("life", devices);
    guest = start(def, FALSE);
    subscription = qemu_guest_subscribe(guest, &events, &seen);
    g_assert_true(g_str_has_prefix(guest_def_serial(def, 0)->source.path, "/dev/pts/"));
    g_assert_false(qemu_guest_is_running(guest));
    g_assert_true(g_file_test(socket_path, G_FILE_TEST_EXISTS));
    g_assert_cmpuint(qemu_guest_command_count(guest), <=, 6);
    g_test_message("%u QMP commands for the start", (unsigned)qemu_guest_command_count(guest));

    g_assert_true(qemu_guest_cont(guest, &error));
    WAIT_FOR(&seen, seen.resumed == 1);
    g_autofree char *running = qemu_guest_query_status(guest, &error);
    g_assert_cmpstr(running, ==, "running");
    g_assert_true(qemu_guest_times(guest, &times));
    g_assert_cmpuint(times.vcpu_count, ==, 2);
    qemu_block_stats_free(qemu_guest_block_stats(guest, &count, &error), count);
    g_assert_no_error(error);
    g_autofree char *reply =
        qemu_guest_monitor_command(guest, "{\"execute\":\"query-name\"}", FALSE, &error);
    g_assert_nonnull(strstr(reply, "life"));

    g_assert_true(qemu_guest_stop(guest, &error));
    WAIT_FOR(&seen, seen.stopped == 1);
    g_assert_true(qemu_guest_reset(guest, &error));
    g_assert_null(qemu_guest_execute(guest, "no-such-command", NULL, &error));
    g_clear_error(&error);

    g_assert_true(qemu_guest_kill(guest, FALSE, 15000, &error));
    WAIT_FOR(&seen, seen.lost == 1);
    g_assert_true(WIFEXITED(seen.wait_status));
    g_assert_true(qemu_guest_is_lost(guest));
    g_assert_false(g_file_test(socket_path, G_FILE_TEST_EXISTS));
    g_assert_false(qemu_guest_cont(guest, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_OPERATION_INVALID);
    g_assert_true(qemu_guest_kill(guest, TRUE, 0, NULL)); /* gone already is fine */
    seen_clear(&seen);
    env_close();
}

static void death_body(void *data)
{
    g_autoptr(GuestDef) def = NULL;
    g_autoptr(QemuGuest) guest = NULL;
    g_autoptr(QemuSubscription) subscription = NULL;
    Seen seen = {.changed = condition_new("something from QEMU")};

    prepare();
    def = make_def("death", "");
    guest = start(def, FALSE);
    subscription = qemu_guest_subscribe(guest, &events, &seen);
    kill(qemu_guest_pid(guest), SIGTERM);
    WAIT_FOR(&seen, seen.lost == 1);
    g_assert_nonnull(strstr(seen.words, "terminating on signal 15"));
    seen_clear(&seen);
    env_close();
}

static void refusal_body(void *data)
{
    g_autoptr(GuestDef) def = NULL;
    g_autoptr(GError) error = NULL;
    QemuStartSpec spec = {.env = &env};

    prepare();
    def = make_def("refusal",
                   "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
                   "<source file='/nonexistent/disk.img'/><target dev='vda' bus='virtio'/></disk>");
    spec.def = def;
    g_assert_null(qemu_guest_start(&spec, &error));
    g_assert_true(g_str_has_prefix(error->message,
                                   "internal error: process exited while connecting to monitor: "));
    g_assert_true(g_str_has_suffix(
        error->message, "Could not open '/nonexistent/disk.img': No such file or directory"));
    env_close();
}

static void again_body(void *data)
{
    g_autoptr(GuestDef) def = NULL;
    g_autoptr(QemuGuest) guest = NULL;
    g_autoptr(QemuSubscription) subscription = NULL;
    g_autoptr(GError) error = NULL;
    Seen seen = {.changed = condition_new("something from QEMU")};
    const char *const wanted[] = {"return-path", NULL};
    const char *const unknown[] = {"no-such-capability", NULL};
    guint64 start_time;
    pid_t pid;

    prepare();
    def = make_def("again", "<serial type='pty'/>");
    guest = start(def, FALSE);
    g_assert_true(qemu_guest_cont(guest, &error));
    pid = qemu_guest_pid(guest);
    start_time = qemu_guest_start_time(guest);
    g_clear_pointer(&guest, qemu_guest_unref);

    g_assert_null(qemu_guest_find(&env, def, pid, start_time + 1, &error));
    g_clear_error(&error);
    guest = qemu_guest_find(&env, def, pid, start_time, &error);
    g_assert_no_error(error);
    g_assert_false(qemu_guest_cont(guest, &error));
    g_assert_nonnull(strstr(error->message, "has not answered its monitor"));
    g_clear_error(&error);
    g_autofree char *word = qemu_guest_meet(guest, def, -1, &error);
    g_assert_cmpstr(word, ==, "running");
    subscription = qemu_guest_subscribe(guest, &events, &seen);
    g_assert_true(qemu_guest_is_running(guest));
    g_assert_nonnull(qemu_guest_pty(guest, "charserial0"));
    g_assert_true(qemu_migrate_set_capabilities(guest, wanted, &error));
    g_assert_false(qemu_migrate_set_capabilities(guest, unknown, &error));
    g_assert_nonnull(
        strstr(error->message, "'no-such-capability' is not supported by QEMU binary"));
    g_clear_error(&error);
    g_assert_true(qemu_guest_kill(guest, TRUE, 0, &error));
    WAIT_FOR(&seen, seen.lost == 1);
    seen_clear(&seen);
    env_close();
}

static void move_body(void *data)
{
    g_autoptr(GuestDef) def = NULL;
    g_autoptr(GuestDef) twin = NULL;
    g_autoptr(QemuGuest) source = NULL;
    g_autoptr(QemuGuest) target = NULL;
    g_autoptr(QemuSubscription) at_source = NULL;
    g_autoptr(QemuSubscription) at_target = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Params) before = NULL;
    g_autoptr(Params) wanted = params_new();
    g_auto(QemuMigrationInfo) info = {0};
    const char *const capabilities[] = {"pause-before-switchover", "return-path", NULL};
    const char *const incoming[] = {"late-block-activate", "return-path", NULL};
    Seen seen = {.changed = condition_new("something from the source")};
    Seen there = {.changed = condition_new("something from the destination")};
    int ends[2];

    prepare();
    def = make_def("move", "");
    twin = guest_def_copy(def);
    uuid_generate(&twin->uuid);
    source = start(def, FALSE);
    target = start(twin, TRUE);
    at_source = qemu_guest_subscribe(source, &events, &seen);
    at_target = qemu_guest_subscribe(target, &events, &there);
    g_assert_true(qemu_guest_cont(source, &error));
    g_autofree char *status = qemu_guest_query_status(target, &error);
    g_assert_cmpstr(status, ==, "inmigrate");

    before = qemu_migrate_get_parameters(source, &error);
    g_assert_cmpuint(params_get_ullong(before, "downtime-limit", 0), ==, 300);
    params_add_ullong(wanted, "max-bandwidth", 9223372036853727232ULL);
    params_add_string(wanted, "tls-creds", "");
    g_assert_true(qemu_migrate_set_parameters(source, wanted, &error));
    g_assert_true(qemu_migrate_set_capabilities(source, capabilities, &error));
    g_assert_true(qemu_migrate_set_capabilities(target, incoming, &error));

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    g_assert_true(qemu_migrate_incoming_fd(target, ends[1], &error));
    g_assert_true(qemu_migrate_fd(source, ends[0], FALSE, &error));
    close(ends[0]);
    close(ends[1]);
    WAIT_FOR(&seen, seen.status == QEMU_MIGRATION_PRE_SWITCHOVER);
    g_assert_true(qemu_migrate_continue(source, &error));
    WAIT_FOR(&seen, seen.status == QEMU_MIGRATION_COMPLETED);
    WAIT_FOR(&there, there.status == QEMU_MIGRATION_COMPLETED);
    g_assert_true(qemu_query_migrate(source, &info, &error));
    g_assert_cmpint(info.status, ==, QEMU_MIGRATION_COMPLETED);
    g_assert_true(info.has_ram && info.has_downtime && info.ram.total > 0);
    g_assert_cmpuint(seen.passes, >=, 2);
    g_assert_cmpuint(seen.stopped, ==, 1);
    g_assert_true(qemu_guest_cont(target, &error));
    WAIT_FOR(&there, there.resumed == 1);

    g_assert_true(qemu_guest_kill(source, TRUE, 0, &error));
    g_assert_true(qemu_guest_kill(target, TRUE, 0, &error));
    WAIT_FOR(&there, there.lost == 1);
    seen_clear(&seen);
    seen_clear(&there);
    env_close();
}

/* Over sockets where there are several connections: QEMU finds both ways by the folder that it was
 * given, however long its name. */
static void socket_body(void *data)
{
    g_autoptr(GuestDef) def = NULL;
    g_autoptr(GuestDef) twin = NULL;
    g_autoptr(QemuGuest) source = NULL;
    g_autoptr(QemuGuest) target = NULL;
    g_autoptr(QemuSubscription) at_source = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *out = NULL, *in = NULL;
    Seen seen = {.changed = condition_new("something from the source")};
    auto_fd int listener = -1, accepted = -1, connected = -1;

    prepare();
    def = make_def("sockets", "");
    twin = guest_def_copy(def);
    uuid_generate(&twin->uuid);
    source = start(def, FALSE);
    target = start(twin, TRUE);
    at_source = qemu_guest_subscribe(source, &events, &seen);

    for (int i = 0; i < 2; i++) { /* again: the first attempt has left nothing in the way */
        listener = qemu_socket_listen(source, &out, &error);
        g_assert_no_error(error);
        g_assert_true(qemu_migrate(source, out, FALSE, &error));
        struct pollfd comes = {.fd = listener, .events = POLLIN};
        g_assert_cmpint(poll(&comes, 1, WAIT_MS), ==, 1);
        accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        g_assert_cmpint(accepted, >=, 0);
        g_assert_true(qemu_socket_is_its(source, accepted));
        g_assert_false(qemu_socket_is_its(target, accepted));
        fd_clear(&accepted);
        WAIT_FOR(&seen, seen.status == QEMU_MIGRATION_FAILED);
        seen.status = QEMU_MIGRATION_NONE;
        qemu_socket_unlisten(source);
        fd_clear(&listener);
        g_clear_pointer(&out, g_free);
    }

    g_assert_cmpint(qemu_socket_connect(target, &error), <, 0); /* nobody has made the place yet */
    g_clear_error(&error);
    in = qemu_socket_place(target, &error);
    g_assert_no_error(error);
    g_assert_true(qemu_migrate_incoming(target, in, &error));
    connected = qemu_socket_connect(target, &error);
    g_assert_no_error(error);
    g_assert_true(qemu_socket_is_its(target, connected));
    qemu_socket_clear_place(target);
    fd_clear(&connected);
    g_assert_cmpint(qemu_socket_connect(target, &error), <, 0);
    g_clear_error(&error);

    g_assert_true(qemu_guest_kill(source, TRUE, 0, &error));
    g_assert_true(qemu_guest_kill(target, TRUE, 0, &error));
    WAIT_FOR(&seen, seen.lost == 1);
    seen_clear(&seen);
    env_close();
}

static void run_live(gconstpointer body)
{
    if (access(EMULATOR, X_OK) != 0) {
        g_test_skip("needs " EMULATOR);
        return;
    }
    loop_test_run((TaskFunc)body, NULL);
}

int main(int argc, char **argv)
{
    static const HostUser self = {0};

    g_test_init(&argc, &argv, NULL);
    child_set_helper(g_getenv("FERRY_EXEC"));
    kvm_init(NULL, &self);
    g_test_add_data_func("/qemu/live/an-emulator-is-asked-once", probe_body, run_live);
    g_test_add_data_func("/qemu/live/a-life-from-start-to-end", life_body, run_live);
    g_test_add_data_func("/qemu/live/a-death-is-told-with-the-last-words", death_body, run_live);
    g_test_add_data_func("/qemu/live/a-start-that-qemu-refuses-says-why", refusal_body, run_live);
    g_test_add_data_func("/qemu/live/a-later-daemon-finds-it-again", again_body, run_live);
    g_test_add_data_func("/qemu/live/a-guest-moves-over-descriptors", move_body, run_live);
    g_test_add_data_func("/qemu/live/several-connections-go-over-sockets", socket_body, run_live);
    return g_test_run();
}
