/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events: registering for them, and saying in words what came. */
#include <string.h>

#include "connection.h"
#include "wire/params.h"

typedef struct {
    int id;
    int callback_id;
    FerryEventFunc callback;
    void *data;
} Watch;

void watch_free(gpointer watch)
{
    g_free(watch);
}

/* Each event's number is its place. */
static const struct {
    const char *name;
    int32_t procedure;
} events[] = {
    {"lifecycle", REMOTE_DOMAIN_EVENT_CALLBACK_LIFECYCLE},
    {"reboot", REMOTE_DOMAIN_EVENT_CALLBACK_REBOOT},
    {"rtc-change", REMOTE_DOMAIN_EVENT_CALLBACK_RTC_CHANGE},
    {"watchdog", REMOTE_DOMAIN_EVENT_CALLBACK_WATCHDOG},
    {"io-error", REMOTE_DOMAIN_EVENT_CALLBACK_IO_ERROR},
    {"graphics", REMOTE_DOMAIN_EVENT_CALLBACK_GRAPHICS},
    {"io-error-reason", REMOTE_DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON},
    {"control-error", REMOTE_DOMAIN_EVENT_CALLBACK_CONTROL_ERROR},
    {"block-job", REMOTE_DOMAIN_EVENT_CALLBACK_BLOCK_JOB},
    {"disk-change", REMOTE_DOMAIN_EVENT_CALLBACK_DISK_CHANGE},
    {"tray-change", REMOTE_DOMAIN_EVENT_CALLBACK_TRAY_CHANGE},
    {"pm-wakeup", REMOTE_DOMAIN_EVENT_CALLBACK_PMWAKEUP},
    {"pm-suspend", REMOTE_DOMAIN_EVENT_CALLBACK_PMSUSPEND},
    {"balloon-change", REMOTE_DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE},
    {"pm-suspend-disk", REMOTE_DOMAIN_EVENT_CALLBACK_PMSUSPEND_DISK},
    {"device-removed", REMOTE_DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED},
    {"block-job-2", REMOTE_DOMAIN_EVENT_BLOCK_JOB_2},
    {"tunable", REMOTE_DOMAIN_EVENT_CALLBACK_TUNABLE},
    {"agent-lifecycle", REMOTE_DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE},
    {"device-added", REMOTE_DOMAIN_EVENT_CALLBACK_DEVICE_ADDED},
    {"migration-iteration", REMOTE_DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION},
    {"job-completed", REMOTE_DOMAIN_EVENT_CALLBACK_JOB_COMPLETED},
    {"device-removal-failed", REMOTE_DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED},
    {"metadata-change", REMOTE_DOMAIN_EVENT_CALLBACK_METADATA_CHANGE},
    {"block-threshold", REMOTE_DOMAIN_EVENT_BLOCK_THRESHOLD},
    {"memory-failure", REMOTE_DOMAIN_EVENT_MEMORY_FAILURE},
    {"memory-device-size-change", REMOTE_DOMAIN_EVENT_MEMORY_DEVICE_SIZE_CHANGE},
};

#define MIGRATION_ITERATION 20
#define JOB_COMPLETED       21

static const struct {
    const char *event;
    const char *details[10];
} lifecycle_texts[] = {
    {"Defined", {"Added", "Updated", "Renamed", "Snapshot"}},
    {"Undefined", {"Removed", "Renamed"}},
    {"Started", {"Booted", "Migrated", "Restored", "Snapshot", "Event wakeup"}},
    {"Suspended",
     {"Paused", "Migrated", "I/O Error", "Watchdog", "Restored", "Snapshot", "API error",
      "Post-copy", "Post-copy Error"}},
    {"Resumed", {"Unpaused", "Migrated", "Snapshot", "Post-copy", "Post-copy Error"}},
    {"Stopped", {"Shutdown", "Destroyed", "Crashed", "Migrated", "Saved", "Failed", "Snapshot"}},
    {"Shutdown",
     {"Finished after guest request", "Finished after host request",
      "Finished after host request"}},
    {"PMSuspended", {"Memory", "Disk"}},
    {"Crashed", {"Panicked", "Crashloaded"}},
};

const char *ferry_event_name(int id)
{
    return id >= 0 && (size_t)id < G_N_ELEMENTS(events) ? events[id].name : NULL;
}

static int event_of(int32_t procedure)
{
    for (size_t id = 0; id < G_N_ELEMENTS(events); id++)
        if (events[id].procedure == procedure)
            return (int)id;
    return -1;
}

static char *lifecycle_text(int event, int detail)
{
    gboolean has_event = event >= 0 && (size_t)event < G_N_ELEMENTS(lifecycle_texts);
    gboolean has_detail =
        has_event && detail >= 0 && (size_t)detail < G_N_ELEMENTS(lifecycle_texts[0].details);

    return g_strdup_printf("%s %s", has_event ? lifecycle_texts[event].event : "unknown",
                           (has_detail ? lifecycle_texts[event].details[detail] : NULL)
                               ?: "unknown");
}

static char *params_text(const Params *params)
{
    FerryParams wrapped = {.list = (Params *)params};
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < params->count; i++) {
        g_autofree char *value = ferry_params_text(&wrapped, i);

        g_string_append_printf(text, "\n\t%s: %s", params->items[i].name, value);
    }
    return g_string_free(text, FALSE);
}

/* Where the row's C struct keeps the domain: in `dom`, or in the `dom` of `msg`. */
static const WireDomain *find_domain(const WireType *type, const void *message)
{
    for (uint16_t i = 0; i < type->field_count; i++) {
        const WireField *field = &type->fields[i];
        const void *value = (const char *)message + field->offset;

        if (field->type == &wire_type_domain && field->shape == WIRE_ONE)
            return value;
        if (g_str_equal(field->name, "msg") && field->kind == WIRE_STRUCT)
            return find_domain(field->type, value);
    }
    return NULL;
}

static void deliver(FerryConnection *conn, FerryEvent *event, int callback_id)
{
    for (guint i = 0; i < conn->watches->len; i++) {
        const Watch *watch = g_ptr_array_index(conn->watches, i);

        if (watch->id == event->id && watch->callback_id == callback_id)
            watch->callback(event, watch->data);
    }
}

void connection_on_event(RpcConnection *rpc, const WireProcedure *procedure, const guint8 *body,
                         size_t body_len, void *data)
{
    FerryConnection *conn = data;
    int id = procedure->program == REMOTE_PROGRAM ? event_of(procedure->number) : -1;
    g_autoptr(Arena) arena = arena_new();
    g_autofree char *text = NULL;
    g_autoptr(Params) list = NULL;
    FerryParams params = {0};
    FerryEvent event = {.id = id};
    void *message;
    const WireDomain *wire;

    if (id < 0 || !(message = wire_decode(procedure->args, body, body_len, arena, NULL)) ||
        !(wire = find_domain(procedure->args, message)))
        return;
    if (id == 0) {
        const RemoteDomainEventCallbackLifecycleMsg *lifecycle = message;

        event.event = lifecycle->msg.event;
        event.detail = lifecycle->msg.detail;
        text = lifecycle_text(event.event, event.detail);
    } else if (id == MIGRATION_ITERATION) {
        event.event = ((const RemoteDomainEventCallbackMigrationIterationMsg *)message)->iteration;
        text = g_strdup_printf("iteration: '%d'", event.event);
    } else if (id == JOB_COMPLETED) {
        const RemoteDomainEventCallbackJobCompletedMsg *job = message;

        list = wire_params_decode(job->params, job->params_count, NULL);
        if (!list)
            return;
        params.list = list;
        event.params = &params;
        text = params_text(list);
    } else {
        text = wire_format(procedure->args, message);
    }
    event.domain = domain_new(conn, wire);
    event.name = events[id].name;
    event.text = text;
    deliver(conn, &event, *(const int32_t *)message); /* the id is the first field of all of them */
    ferry_domain_free(event.domain);
}

bool ferry_connection_watch(FerryConnection *conn, int id, FerryDomain *domain,
                            FerryEventFunc callback, void *data, FerryError **error)
{
    WireDomain wire = domain ? domain_wire(domain) : (WireDomain){0};
    const RemoteConnectDomainEventCallbackRegisterAnyArgs args = {.event_id = id,
                                                                  .dom = domain ? &wire : NULL};
    g_autoptr(Arena) arena = arena_new();
    RemoteConnectDomainEventCallbackRegisterAnyRet ret = {0};
    Watch *watch;

    if (!ferry_event_name(id))
        return error_set(error, ERROR_INVALID_ARG, "invalid argument: there is no event %d", id);
    if (!ferry_connection_has_feature(conn, FEATURE_EVENT_CALLBACKS))
        return connection_check(conn, error) &&
               error_set(error, ERROR_NO_SUPPORT,
                         "the daemon at '%s' is too old to send events by callback",
                         conn->uri_text);
    if (!CALL(conn, CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, &args, arena, &ret, error))
        return false;
    watch = g_new0(Watch, 1);
    *watch = (Watch){.id = id, .callback_id = ret.callback_id, .callback = callback, .data = data};
    g_ptr_array_add(conn->watches, watch);
    return true;
}
