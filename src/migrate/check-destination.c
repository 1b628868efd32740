/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The destination's checks. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "domain/define.h"
#include "domain/registry.h"
#include "host/node.h"
#include "host/tap.h"
#include "migrate/check.h"
#include "migrate/dest.h"
#include "migrate/reserve.h"
#include "model/guest-def.h"

#define MIB             (1024 * 1024)
#define LOOK_TIMEOUT_MS (5 * 1000)
#define CLOCK_SLACK_MS  1000
#define STATE_ROOM      (16 * MIB) /* for journals and definitions */

/* --- the host --- */

AWAITS static void check_identity(CheckScene *scene, GPtrArray *rows)
{
    const Uuid *ours = &migrate_settings()->host_uuid;
    const char *theirs = scene->peer ? params_get_string(scene->peer, CHECK_FACT_HOST_UUID) : NULL;
    char text[UUID_TEXT_SIZE];
    Uuid uuid;

    uuid_format(ours, text);
    if (!theirs || !uuid_parse(theirs, &uuid))
        check_rows_add(rows, "host", "identity", CHECK_UNKNOWN, "the source did not tell its UUID; this host's is %s", text);
    else if (uuid_equal(ours, &uuid))
        check_rows_add(rows, "host", "identity", CHECK_BLOCKER,
                       "both hosts call themselves %s; if they are two, give one another host_uuid in ferryd.conf", text);
    else
        check_rows_add(rows, "host", "identity", CHECK_OK, "another host than the source");
}

AWAITS static void check_clock(CheckScene *scene, GPtrArray *rows)
{
    const Param *theirs = scene->peer ? params_find(scene->peer, CHECK_FACT_TIME) : NULL;
    int64_t ahead_ms;

    if (!theirs || theirs->type != PARAM_LLONG) {
        check_rows_add(rows, "host", "clock", CHECK_UNKNOWN, "the source did not tell its time; compare `date` on both hosts");
        return;
    }
    ahead_ms = clock_wall_ms() - theirs->value.l;
    if (ABS(ahead_ms) > CLOCK_SLACK_MS)
        check_rows_add(rows, "host", "clock", CHECK_WARNING,
                       "%.1f s %s the source's, and the guest's clock may jump by that; set both by NTP (`chronyc tracking`)",
                       (double)ABS(ahead_ms) / 1000, ahead_ms > 0 ? "ahead of" : "behind");
    else
        check_rows_add(rows, "host", "clock", CHECK_OK, "within %d s of the source's", CLOCK_SLACK_MS / 1000);
}

AWAITS static void check_memory(CheckScene *scene, GPtrArray *rows)
{
    const uint64_t needed = scene->def->memory_kib * 1024;
    uint64_t available, reserved;
    GError *why = NULL;

    if (!reserve_free(&available, &reserved, &why))
        check_rows_add_error(rows, "host", "memory", CHECK_UNKNOWN, why);
    else if (!reserve_decide(needed, available, reserved, &why))
        check_rows_add_error(rows, "host", "memory", CHECK_BLOCKER, why);
    else
        check_rows_add(rows, "host", "memory", CHECK_OK,
                       "%" G_GUINT64_FORMAT " MiB available for the guest's %" G_GUINT64_FORMAT " MiB, no huge pages needed",
                       (available - reserved) / MIB, needed / MIB);
}

AWAITS static void check_state_dir(CheckScene *scene, GPtrArray *rows)
{
    const char *dir = migrate_settings()->state_dir;
    struct statvfs fs;

    if (statvfs(dir, &fs) < 0)
        return;
    if ((uint64_t)fs.f_bavail * fs.f_frsize < STATE_ROOM)
        check_rows_add(rows, "space", "journals", CHECK_BLOCKER,
                       "less than %d MiB are free in '%s', where the hand-over is written down; make room", STATE_ROOM / MIB, dir);
    else
        check_rows_add(rows, "space", "journals", CHECK_OK, "'%s' has room", dir);
}

/* --- the guest --- */

AWAITS static void check_name(CheckScene *scene, GPtrArray *rows)
{
    g_autoptr(Domain) domain = NULL;
    GError *why = NULL;

    if (!dest_check_room(scene->def, &domain, &why))
        check_rows_add_error(rows, "guest", "name and UUID", CHECK_BLOCKER, why);
    else
        check_rows_add(rows, "guest", "name and UUID", CHECK_OK, "%s",
                       domain ? "defined here, and does not run" : "not taken here");
}

AWAITS static void check_definition(CheckScene *scene, GPtrArray *rows)
{
    GuestDef *def = guest_def_copy(scene->def);
    GError *why = NULL;

    if (!define_fill(def, &why))
        check_rows_add_error(rows, "guest", "definition", CHECK_BLOCKER, why);
    else
        check_rows_add(rows, "guest", "definition", CHECK_OK, "understood here");
    guest_def_free(def);
}

/* --- networks --- */

AWAITS static void check_networks(CheckScene *scene, GPtrArray *rows)
{
    const QemuEnv *env = migrate_settings()->env;

    for (unsigned i = 0; i < scene->def->interfaces->len; i++) {
        const GuestInterface *interface = guest_def_interface(scene->def, i);
        const char *wanted = interface->type == GUEST_INTERFACE_BRIDGE ? interface->bridge : interface->network;
        g_autofree char *name = NULL;
        g_autofree char *bridge = NULL;
        GError *why = NULL;

        if (interface->type != GUEST_INTERFACE_BRIDGE && interface->type != GUEST_INTERFACE_NETWORK)
            continue;
        name = g_strdup_printf("%s '%s'", enum_name(guest_interface_type_names, (int)interface->type), wanted);
        if (interface->type == GUEST_INTERFACE_BRIDGE && bridge_exists(wanted))
            bridge = g_strdup(wanted);
        else if (interface->type == GUEST_INTERFACE_BRIDGE)
            error_set(&why, ERROR_OPERATION_FAILED,
                      "Cannot get interface MTU on '%s': this host has no such bridge; make it, or migrate with --xml naming "
                      "another",
                      wanted);
        else
            bridge = network_find_bridge(wanted, (const char *const *)env->network_map, &why);
        if (!bridge)
            check_rows_add_error(rows, "network", name, CHECK_BLOCKER, why);
        else
            check_rows_add(rows, "network", name, CHECK_OK, "here: bridge '%s'", bridge);
    }
}

/* --- files beside the disks --- */

typedef struct {
    GPtrArray *paths; /* char *, owned */
    char *missing;
    int number; /* errno */
} Files;

static void files_free(void *data)
{
    Files *files = data;

    g_ptr_array_unref(files->paths);
    g_free(files->missing);
    g_free(files);
}

/* On a worker. */
static gboolean files_work(void *data, GError **error)
{
    Files *files = data;
    struct stat status;

    for (guint i = 0; i < files->paths->len && !files->missing; i++)
        if (stat(g_ptr_array_index(files->paths, i), &status) < 0) {
            files->number = errno;
            files->missing = g_strdup(g_ptr_array_index(files->paths, i));
        }
    return TRUE;
}

static void add_path(GPtrArray *paths, char *path)
{
    if (path)
        g_ptr_array_add(paths, path);
}

/* QEMU makes a socket or a log file, but not the folder that it lies in. */
static void add_serial(GPtrArray *paths, const GuestChardev *source)
{
    if (source->path && (source->type == GUEST_CHARDEV_FILE ||
                         (source->type == GUEST_CHARDEV_UNIX && source->mode == GUEST_CHARDEV_BIND)))
        g_ptr_array_add(paths, g_path_get_dirname(source->path));
}

AWAITS static void check_files(CheckScene *scene, GPtrArray *rows)
{
    const GuestDef *def = scene->def;
    Files *files = g_new0(Files, 1);
    g_autoptr(Work) work = NULL;
    GError *why = NULL;

    files->paths = g_ptr_array_new_with_free_func(g_free);
    add_path(files->paths, g_strdup(def->os.kernel));
    add_path(files->paths, g_strdup(def->os.initrd));
    for (unsigned i = 0; i < def->rngs->len; i++)
        add_path(files->paths, g_strdup(guest_def_rng(def, i)->path));
    for (unsigned i = 0; i < def->serials->len; i++)
        add_serial(files->paths, &guest_def_serial(def, i)->source);
    work = work_new("files of the guest", files_work, files, files_free);
    if (!work_run(work, LOOK_TIMEOUT_MS, &why))
        check_rows_add_error(rows, "guest", "files", CHECK_BLOCKER, why);
    else if (files->missing)
        check_rows_block(rows, "guest", "files", ERROR_OPEN_FAILED,
                         "cannot access '%s', which the guest needs: %s; put it there, or name another with --xml",
                         files->missing, g_strerror(files->number));
    else if (files->paths->len)
        check_rows_add(rows, "guest", "files", CHECK_OK, "kernel, devices and folders that it names are here");
}

/* clang-format off */
const Check check_destination[] = {
    /* section   run                      decides */
    { "host",    check_identity,          FALSE }, /* the cookie is checked for it */
    { "host",    check_clock,             FALSE },
    { "host",    check_memory,            FALSE }, /* a migration reserves it */
    { "space",   check_state_dir,         FALSE },
    { "guest",   check_name,              FALSE }, /* a migration takes the domain that was found */
    { "guest",   check_definition,        FALSE }, /* as it is parsed */
    { "machine", check_machine_emulator,  TRUE  },
    { "machine", check_machine_cpu,       TRUE  },
    { "machine", check_machine_postcopy,  TRUE  },
    { "network", check_networks,          TRUE  },
    { "guest",   check_files,             TRUE  },
    { "storage", check_storage_opens,     TRUE  },
    { "storage", check_storage_lease,     FALSE }, /* a migration joins it */
    { "storage", check_storage_free,      TRUE  },
    { "storage", check_storage_same,      TRUE  },
    { "route",   check_route_listen,      FALSE }, /* a migration binds the port itself */
    { "route",   check_route_name,        FALSE },
    { NULL },
};

const Check check_back[] = {
    { "route",   check_route_back,        FALSE },
    { NULL },
};
/* clang-format on */
