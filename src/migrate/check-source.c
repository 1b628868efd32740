/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source's checks. */
#include "base/clock.h"
#include "base/error.h"
#include "domain/job.h"
#include "host/node.h"
#include "migrate/check.h"
#include "model/guest-def.h"
#include "phase/flags.h"
#include "qemu/guest.h"
#include "qemu/migration.h"

/* What the other side compares with its own. */
AWAITS static void tell_host(CheckScene *scene, GPtrArray *rows)
{
    const MigrateSettings *settings = migrate_settings();
    const Probe *probe = scene->domain->guest ? qemu_guest_probe(scene->domain->guest) : NULL;
    g_autoptr(Node) node = node_read("");
    g_autofree char *flags = node->cpu_flags ? g_strjoinv(" ", node->cpu_flags) : NULL;
    char uuid[UUID_TEXT_SIZE];

    params_add_string(scene->facts, CHECK_FACT_HOST_NAME, settings->host_name);
    params_add_string(scene->facts, CHECK_FACT_HOST_UUID, uuid_format(&settings->host_uuid, uuid));
    params_add_uint(scene->facts, CHECK_FACT_FALLBACKS, settings->fallbacks);
    params_add_string(scene->facts, CHECK_FACT_FERRYD, FERRYD_VERSION);
    if (probe)
        params_add_uint(scene->facts, CHECK_FACT_QEMU, probe->version);
    if (flags)
        params_add_string(scene->facts, CHECK_FACT_CPU, flags);
    if (node->cpu_vendor)
        params_add_string(scene->facts, CHECK_FACT_CPU_VENDOR, node->cpu_vendor);
}

/* A definition that moves while its guest runs could be started there, beside it. */
AWAITS gboolean check_is_at_rest(Domain *domain, GError **error)
{
    if (domain_is_active(domain))
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain '%s' is running: an offline migration moves the definition of a guest "
                         "that is shut off; leave out --offline to move the guest itself",
                         domain->name);
    return owner_gate_check(domain, OWNER_VERB_MIGRATE, error);
}

AWAITS static void check_state(CheckScene *scene, GPtrArray *rows)
{
    Domain *domain = scene->domain;
    gboolean is_offline = scene->flags & MIGRATE_OFFLINE;
    GError *why = NULL;

    if (is_offline ? !check_is_at_rest(domain, &why)
                   : !owner_check_active(domain, OWNER_VERB_MIGRATE, &why) || !owner_gate_check(domain, OWNER_VERB_MIGRATE, &why)) {
        check_rows_add_error(rows, "guest", "state", CHECK_BLOCKER, why);
        return;
    }
    if (!scene->is_rehearsal)
        return;
    if (job_is(domain, JOB_MIGRATION_OUT))
        check_rows_add(rows, "guest", "state", CHECK_BLOCKER,
                       "another migration of it is under way; wait for it, or end it with `ferry domjobabort %s`", domain->name);
    else
        check_rows_add(rows, "guest", "state", CHECK_OK, "%s",
                       is_offline                      ? "shut off: its definition can go"
                       : domain->state == DOMAIN_PAUSED ? "paused, and arrives paused"
                                                        : "running");
}

/* What QEMU itself says against it. */
AWAITS static void check_devices(CheckScene *scene, GPtrArray *rows)
{
    g_auto(QemuMigrationInfo) info = {0};
    GError *why = NULL;

    if (!scene->domain->guest) /* said by its state */
        return;
    if (!qemu_query_migrate(scene->domain->guest, &info, &why))
        check_rows_add_error(rows, "guest", "devices", scene->is_rehearsal ? CHECK_UNKNOWN : CHECK_BLOCKER, why);
    else if (info.blocked_reasons)
        check_rows_block(rows, "guest", "devices", ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: cannot migrate domain: %s", info.blocked_reasons);
    else
        check_rows_add(rows, "guest", "devices", CHECK_OK, "QEMU has nothing against it");
}

/* clang-format off */
const Check check_source[] = {
    /* section   run                   decides */
    { "host",    tell_host,            FALSE },
    { "guest",   check_state,          TRUE  },
    { "route",   check_route_tell,     FALSE },
    { "storage", check_storage_source, TRUE  },
    { "storage", check_storage_lease,  FALSE }, /* a migration shares it */
    { "guest",   check_devices,        TRUE  },
    { NULL },
};

const Check check_way[] = {
    { "route",    check_route_name,    FALSE },
    { "route",    check_route_peer,    FALSE },
    { "route",    check_route_dial,    FALSE },
    { "forecast", check_speed_dirty,   FALSE },
    { NULL },
};
/* clang-format on */
