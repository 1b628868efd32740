/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a user may turn while a migration runs, or before: speed and downtime. */
#include "base/error.h"
#include "domain/owner.h"
#include "migrate/source.h"

uint64_t source_bandwidth(uint64_t mib)
{
    return mib && mib < MIGRATE_SPEED_MAX ? mib << 20 : INT64_MAX;
}

uint64_t source_allowed_mib(const Migration *migration, uint64_t mib)
{
    uint64_t relay_mib = migration->is_relayed ? migrate_settings()->relay_mib : 0;

    return relay_mib && (!mib || mib > relay_mib) ? relay_mib : mib;
}

uint64_t source_speed(const Domain *domain)
{
    return domain->migration_mib ?: MIGRATE_SPEED_MAX;
}

AWAITS gboolean source_set_speed(Domain *domain, uint64_t mib, GError **error)
{
    Migration *migration = migration_of(domain);
    g_autoptr(Params) params = params_new();

    if (mib > MIGRATE_SPEED_MAX)
        return error_set(error, ERROR_OVERFLOW, "numerical overflow: bandwidth must be less than %" G_GUINT64_FORMAT,
                         (uint64_t)MIGRATE_SPEED_MAX + 1);
    domain->migration_mib = mib;
    if (!migration || migration->side != SIDE_SOURCE || !domain->guest)
        return TRUE;
    migration->bandwidth_mib = source_allowed_mib(migration, mib);
    params_add_ullong(params, "max-bandwidth", source_bandwidth(migration->bandwidth_mib));
    return qemu_migrate_set_parameters(domain->guest, params, error);
}

AWAITS gboolean source_set_downtime(Domain *domain, uint64_t ms, GError **error)
{
    g_autoptr(Params) params = params_new();

    if (!domain_check_active(domain, error))
        return FALSE;
    params_add_ullong(params, "downtime-limit", ms);
    return qemu_migrate_set_parameters(domain->guest, params, error);
}

AWAITS gboolean source_downtime(Domain *domain, uint64_t *ret_ms, GError **error)
{
    g_autoptr(Params) params = NULL;
    const Param *param;

    if (!domain_check_active(domain, error))
        return FALSE;
    params = qemu_migrate_get_parameters(domain->guest, error);
    if (!params)
        return FALSE;
    param = params_find(params, "downtime-limit");
    if (!param || (param->type != PARAM_ULLONG && param->type != PARAM_LLONG))
        return error_set(error, ERROR_OPERATION_UNSUPPORTED, "QEMU of domain '%s' does not tell its downtime limit",
                         domain->name);
    *ret_ms = param->value.ul;
    return TRUE;
}
