/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's side of a migration, command by command. */
#include "qemu/migration.h"

#include <string.h>

#include "base/enum.h"
#include "base/error.h"
#include "qemu/answer.h"
#include "qemu/guest-part.h"

static const EnumName status_names[] = {
    {"none", QEMU_MIGRATION_NONE},
    {"setup", QEMU_MIGRATION_SETUP},
    {"cancelling", QEMU_MIGRATION_CANCELLING},
    {"cancelled", QEMU_MIGRATION_CANCELLED},
    {"active", QEMU_MIGRATION_ACTIVE},
    {"postcopy-active", QEMU_MIGRATION_POSTCOPY_ACTIVE},
    {"postcopy-paused", QEMU_MIGRATION_POSTCOPY_PAUSED},
    {"postcopy-recover", QEMU_MIGRATION_POSTCOPY_RECOVER},
    {"completed", QEMU_MIGRATION_COMPLETED},
    {"failed", QEMU_MIGRATION_FAILED},
    {"colo", QEMU_MIGRATION_COLO},
    {"pre-switchover", QEMU_MIGRATION_PRE_SWITCHOVER},
    {"device", QEMU_MIGRATION_DEVICE},
    {"wait-unplug", QEMU_MIGRATION_WAIT_UNPLUG},
    {"postcopy-recover-setup", QEMU_MIGRATION_POSTCOPY_RECOVER}, /* since 9.1 */
    {"postcopy-device", QEMU_MIGRATION_DEVICE}, /* since 10.2: not handed over yet */
    {NULL},
};

/* What a host decides upon for each migration, in the order in which stock sends it.  "events" is
 * not among them: it is switched on at the start and stays. */
static const char *const managed[] = {
    "xbzrle",
    "auto-converge",
    "rdma-pin-all",
    "postcopy-ram",
    "compress",
    "pause-before-switchover",
    "late-block-activate",
    "multifd",
    "dirty-bitmaps",
    "return-path",
    "zero-copy-send",
    /* not used by stock */
    "postcopy-preempt",
    "switchover-ack",
    "validate-uuid",
};

QemuMigrationStatus qemu_migration_status_find(const char *name)
{
    int value = QEMU_MIGRATION_OTHER;

    enum_find(status_names, name, &value);
    return value;
}

/* --- query-migrate --- */

static gboolean get_number(json_object *object, const char *name, uint64_t *ret_value)
{
    json_object *value = answer_get(object, name);

    if (!value)
        return FALSE;
    *ret_value = json_object_get_uint64(value);
    return TRUE;
}

static void read_ram(QemuMigrationInfo *info, json_object *ram)
{
    const struct {
        const char *name;
        uint64_t *value;
    } rows[] = {
        {"total", &info->ram.total},
        {"transferred", &info->ram.transferred},
        {"remaining", &info->ram.remaining},
        {"duplicate", &info->ram.duplicate},
        {"skipped", &info->ram.skipped},
        {"normal", &info->ram.normal},
        {"normal-bytes", &info->ram.normal_bytes},
        {"dirty-pages-rate", &info->ram.dirty_pages_rate},
        {"dirty-sync-count", &info->ram.dirty_sync_count},
        {"page-size", &info->ram.page_size},
        {"pages-per-second", &info->ram.pages_per_second},
        {"postcopy-requests", &info->ram.postcopy_requests},
        {"precopy-bytes", &info->ram.precopy_bytes},
        {"downtime-bytes", &info->ram.downtime_bytes},
        {"postcopy-bytes", &info->ram.postcopy_bytes},
        {"multifd-bytes", &info->ram.multifd_bytes},
    };

    info->has_ram = ram != NULL;
    for (unsigned i = 0; ram && i < G_N_ELEMENTS(rows); i++)
        get_number(ram, rows[i].name, rows[i].value);
    info->ram.mbps = json_object_get_double(answer_get(ram, "mbps"));
}

static void read_disk(QemuMigrationInfo *info, json_object *disk)
{
    get_number(disk, "total", &info->disk.total);
    get_number(disk, "transferred", &info->disk.transferred);
    get_number(disk, "remaining", &info->disk.remaining);
    info->disk.mbps = json_object_get_double(answer_get(disk, "mbps"));
}

static void read_xbzrle(QemuMigrationInfo *info, json_object *xbzrle)
{
    get_number(xbzrle, "cache-size", &info->xbzrle.cache_size);
    get_number(xbzrle, "bytes", &info->xbzrle.bytes);
    get_number(xbzrle, "pages", &info->xbzrle.pages);
    get_number(xbzrle, "cache-miss", &info->xbzrle.cache_miss);
    get_number(xbzrle, "overflow", &info->xbzrle.overflow);
}

static char *read_blocked(json_object *list)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
        g_string_append_printf(text, "%s%s", i ? "; " : "",
                               json_object_get_string(json_object_array_get_idx(list, i)));
    return text->len > 0 ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

AWAITS gboolean qemu_query_migrate(QemuGuest *guest, QemuMigrationInfo *ret_info, GError **error)
{
    g_autoptr(json_object) value = NULL;
    QemuMigrationInfo info = {0};
    uint64_t percentage = 0;
    json_object *status;

    if (!guest_command(guest, "query-migrate", NULL, &value, error))
        return FALSE;
    status = answer_get(value, "status"); /* absent: there has been no migration */
    info.status =
        status ? qemu_migration_status_find(json_object_get_string(status)) : QEMU_MIGRATION_NONE;
    info.error_desc = g_strdup(json_object_get_string(answer_get(value, "error-desc")));
    info.blocked_reasons = read_blocked(answer_get(value, "blocked-reasons"));
    get_number(value, "total-time", &info.total_time_ms);
    info.has_setup_time = get_number(value, "setup-time", &info.setup_time_ms);
    info.has_downtime = get_number(value, "downtime", &info.downtime_ms);
    info.has_expected_downtime = get_number(value, "expected-downtime", &info.expected_downtime_ms);
    get_number(value, "cpu-throttle-percentage", &percentage);
    info.cpu_throttle_percentage = (unsigned)percentage;
    read_ram(&info, answer_get(value, "ram"));
    read_disk(&info, answer_get(value, "disk"));
    read_xbzrle(&info, answer_get(value, "xbzrle-cache"));
    *ret_info = info;
    return TRUE;
}

void qemu_migration_info_clear(QemuMigrationInfo *info)
{
    g_free(info->error_desc);
    g_free(info->blocked_reasons);
    *info = (QemuMigrationInfo){0};
}

/* --- capabilities and parameters --- */

/* Of a QEMU that was started by us the probe has told; one that was found again is asked once. */
AWAITS static gboolean learn_capabilities(QemuGuest *guest, GError **error)
{
    g_autoptr(json_object) list = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (guest->migration_capabilities)
        return TRUE;
    if (!guest_command(guest, "query-migrate-capabilities", NULL, &list, error))
        return FALSE;
    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++) {
        const char *name =
            json_object_get_string(answer_get(json_object_array_get_idx(list, i), "capability"));

        if (name)
            g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_add(names, NULL);
    if (guest->migration_capabilities)
        g_strfreev((char **)g_ptr_array_free(g_steal_pointer(&names), FALSE));
    else
        guest->migration_capabilities = (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
    return TRUE;
}

static gboolean has_capability(const QemuGuest *guest, const char *name)
{
    return g_strv_contains((const char *const *)guest->migration_capabilities, name);
}

static void add_capability(json_object *list, const char *name, gboolean is_on)
{
    json_object *entry = json_object_new_object();

    json_object_object_add(entry, "capability", json_object_new_string(name));
    json_object_object_add(entry, "state", json_object_new_boolean(is_on));
    json_object_array_add(list, entry);
}

static gboolean is_managed(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(managed); i++) {
        if (strcmp(managed[i], name) == 0)
            return TRUE;
    }
    return FALSE;
}

AWAITS gboolean qemu_migrate_set_capabilities(QemuGuest *guest, const char *const *enabled,
                                              GError **error)
{
    static const char *const none[] = {NULL};
    json_object *list, *args;

    enabled = enabled ? enabled : none;
    if (!learn_capabilities(guest, error))
        return FALSE;
    for (const char *const *name = enabled; *name; name++) {
        if (!has_capability(guest, *name))
            return error_set(
                error, ERROR_ARGUMENT_UNSUPPORTED,
                "argument unsupported: Migration option '%s' is not supported by QEMU binary",
                *name);
    }
    list = json_object_new_array();
    for (unsigned i = 0; i < G_N_ELEMENTS(managed); i++) {
        if (has_capability(guest, managed[i]))
            add_capability(list, managed[i], g_strv_contains(enabled, managed[i]));
    }
    for (const char *const *name = enabled; *name; name++) {
        if (!is_managed(*name))
            add_capability(list, *name, TRUE);
    }
    args = json_object_new_object();
    json_object_object_add(args, "capabilities", list);
    return guest_command(guest, "migrate-set-capabilities", args, NULL, error);
}

static json_object *json_of_param(const Param *param)
{
    switch (param->type) {
    case PARAM_INT:
        return json_object_new_int(param->value.i);
    case PARAM_UINT:
        return json_object_new_uint64(param->value.u);
    case PARAM_LLONG:
        return json_object_new_int64(param->value.l);
    case PARAM_ULLONG:
        return json_object_new_uint64(param->value.ul);
    case PARAM_DOUBLE:
        return json_object_new_double(param->value.d);
    case PARAM_BOOL:
        return json_object_new_boolean(param->value.b);
    case PARAM_STRING:
        return json_object_new_string(param->value.s);
    }
    return NULL;
}

AWAITS gboolean qemu_migrate_set_parameters(QemuGuest *guest, const Params *params, GError **error)
{
    json_object *args = json_object_new_object();

    for (size_t i = 0; i < params->count; i++)
        json_object_object_add(args, params->items[i].name, json_of_param(&params->items[i]));
    return guest_command(guest, "migrate-set-parameters", args, NULL, error);
}

static void add_parameter(Params *params, const char *name, json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_boolean:
        params_add_bool(params, name, json_object_get_boolean(value));
        break;
    case json_type_int:
        params_add_ullong(params, name, json_object_get_uint64(value));
        break;
    case json_type_double:
        params_add_double(params, name, json_object_get_double(value));
        break;
    case json_type_string:
        params_add_string(params, name, json_object_get_string(value));
        break;
    default: /* lists (block-bitmap-mapping) are set anew each time */
        break;
    }
}

AWAITS Params *qemu_migrate_get_parameters(QemuGuest *guest, GError **error)
{
    g_autoptr(json_object) value = NULL;
    Params *params;

    if (!guest_command(guest, "query-migrate-parameters", NULL, &value, error))
        return NULL;
    params = params_new();
    json_object_object_foreach(value, name, entry) add_parameter(params, name, entry);
    return params;
}

/* --- descriptors and the migration itself --- */

static json_object *fd_args(const char *name)
{
    json_object *args = json_object_new_object();

    json_object_object_add(args, "fdname", json_object_new_string(name));
    return args;
}

static json_object *migrate_args(const char *uri, gboolean is_resume)
{
    json_object *args = json_object_new_object();

    json_object_object_add(args, "detach", json_object_new_boolean(TRUE));
    json_object_object_add(args, "resume", json_object_new_boolean(is_resume));
    json_object_object_add(args, "uri", json_object_new_string(uri));
    return args;
}

static json_object *incoming_args(const char *uri)
{
    json_object *args = json_object_new_object();

    json_object_object_add(args, "uri", json_object_new_string(uri));
    return args;
}

AWAITS gboolean qemu_migrate(QemuGuest *guest, const char *uri, gboolean is_resume, GError **error)
{
    return guest_command(guest, "migrate", migrate_args(uri, is_resume), NULL, error);
}

AWAITS gboolean qemu_migrate_incoming(QemuGuest *guest, const char *uri, GError **error)
{
    return guest_command(guest, "migrate-incoming", incoming_args(uri), NULL, error);
}

/* Not waited for: QEMU closes it after what it has not answered yet. */
static void take_fd_back(QemuGuest *guest, const char *name)
{
    g_autoptr(MonitorCommand) command = NULL;

    if (guest->monitor)
        command = monitor_send(guest->monitor, "closefd", fd_args(name), -1);
}

/* Hands fd over and uses it.  What is refused, or comes late, is closed there. */
AWAITS static gboolean with_fd(QemuGuest *guest, const char *command, json_object *args,
                               const char *name, int fd, GError **error)
{
    g_autoptr(QemuGuest) held = qemu_guest_ref(guest);
    g_autoptr(MonitorCommand) give = NULL;
    g_autoptr(MonitorCommand) use = NULL;

    if (!guest->monitor || guest->is_monitor_lost) {
        json_object_put(args);
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain is not running");
    }
    give = monitor_send(guest->monitor, "getfd", fd_args(name), fd);
    use = monitor_send(guest->monitor, command, args, -1);
    if (monitor_command_wait(give, GUEST_COMMAND_MS, NULL, error) &&
        monitor_command_wait(use, GUEST_COMMAND_MS, NULL, error))
        return TRUE;
    take_fd_back(guest, name);
    return FALSE;
}

AWAITS gboolean qemu_migrate_fd(QemuGuest *guest, int fd, gboolean is_resume, GError **error)
{
    g_autofree char *name = g_strdup_printf("ferry-lane-%u", ++guest->fd_names);
    g_autofree char *uri = g_strconcat("fd:", name, NULL);

    return with_fd(guest, "migrate", migrate_args(uri, is_resume), name, fd, error);
}

AWAITS gboolean qemu_migrate_incoming_fd(QemuGuest *guest, int fd, GError **error)
{
    g_autofree char *name = g_strdup_printf("ferry-lane-%u", ++guest->fd_names);
    g_autofree char *uri = g_strconcat("fd:", name, NULL);

    return with_fd(guest, "migrate-incoming", incoming_args(uri), name, fd, error);
}

AWAITS gboolean qemu_migrate_cancel(QemuGuest *guest, GError **error)
{
    return guest_command(guest, "migrate_cancel", NULL, NULL, error);
}

AWAITS gboolean qemu_migrate_start_postcopy(QemuGuest *guest, GError **error)
{
    return guest_command(guest, "migrate-start-postcopy", NULL, NULL, error);
}

/* Out of band, if that was agreed upon: a vCPU that waits for a page with QEMU's lock keeps all
 * others waiting. */
AWAITS static gboolean urgent_command(QemuGuest *guest, const char *command, json_object *args,
                                      GError **error)
{
    g_autoptr(QemuGuest) held = qemu_guest_ref(guest);
    g_autoptr(MonitorCommand) sent = NULL;

    if (!qemu_guest_has_oob(guest))
        return guest_command(guest, command, args, NULL, error);
    sent = monitor_send_oob(guest->monitor, command, args);
    return monitor_command_wait(sent, GUEST_COMMAND_MS, NULL, error);
}

AWAITS gboolean qemu_migrate_pause(QemuGuest *guest, GError **error)
{
    return urgent_command(guest, "migrate-pause", NULL, error);
}

AWAITS gboolean qemu_migrate_recover(QemuGuest *guest, const char *uri, GError **error)
{
    return urgent_command(guest, "migrate-recover", incoming_args(uri), error);
}

/* Its vCPU may stop for a page at any moment: what comes late is closed again behind it. */
AWAITS gboolean qemu_migrate_recover_fd(QemuGuest *guest, int fd, GError **error)
{
    g_autoptr(QemuGuest) held = qemu_guest_ref(guest);
    g_autofree char *name = g_strdup_printf("ferry-lane-%u", ++guest->fd_names);
    g_autofree char *uri = g_strconcat("fd:", name, NULL);
    const int64_t patience_ms = qemu_guest_has_oob(guest) ? QEMU_ANSWER_MS : GUEST_COMMAND_MS;
    g_autoptr(MonitorCommand) give = NULL;

    if (!guest->monitor || guest->is_monitor_lost)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain is not running");
    give = monitor_send(guest->monitor, "getfd", fd_args(name), fd);
    if (monitor_command_wait(give, patience_ms, NULL, error) &&
        qemu_migrate_recover(guest, uri, error))
        return TRUE;
    take_fd_back(guest, name);
    return FALSE;
}

AWAITS gboolean qemu_migrate_continue(QemuGuest *guest, GError **error)
{
    json_object *args = json_object_new_object();

    json_object_object_add(args, "state", json_object_new_string("pre-switchover"));
    return guest_command(guest, "migrate-continue", args, NULL, error);
}

AWAITS gboolean qemu_dirty_rate_start(QemuGuest *guest, unsigned seconds, unsigned pages_per_gib,
                                      GError **error)
{
    json_object *args = json_object_new_object();

    json_object_object_add(args, "calc-time", json_object_new_int((int)seconds));
    json_object_object_add(args, "sample-pages", json_object_new_int((int)pages_per_gib));
    return guest_command(guest, "calc-dirty-rate", args, NULL, error);
}

AWAITS gboolean qemu_dirty_rate_query(QemuGuest *guest, gboolean *ret_is_ready,
                                      uint64_t *ret_bytes_per_s, GError **error)
{
    json_object *answer = qemu_guest_execute(guest, "query-dirty-rate", NULL, error);
    const char *status = answer ? answer_text(answer, "status") : NULL;
    json_object *rate = answer ? answer_get(answer, "dirty-rate") : NULL; /* MiB/s */

    if (!answer)
        return FALSE;
    *ret_is_ready = g_strcmp0(status, "measured") == 0;
    *ret_bytes_per_s =
        *ret_is_ready && rate ? MIN(json_object_get_uint64(rate), UINT32_MAX) * 1024 * 1024 : 0;
    json_object_put(answer);
    return TRUE;
}
