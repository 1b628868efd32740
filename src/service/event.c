/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Event registrations of callers.  The bus of the domains is subscribed to once; each registration
 * that fits gets a message of its own, with its callback id, or, registered the old way, in the old
 * form without one. */
#include "domain/event.h"

#include <string.h>

#include "service/calls.h"
#include "service/service.h"
#include "wire/params.h"

/* --- messages --- */

typedef union {
    int32_t callback_id; /* comes first in all of them */
    RemoteDomainEventCallbackLifecycleMsg lifecycle;
    RemoteDomainEventCallbackRebootMsg reboot;
    RemoteDomainEventCallbackRtcChangeMsg rtc_change;
    RemoteDomainEventCallbackWatchdogMsg watchdog;
    RemoteDomainEventCallbackIoErrorMsg io_error;
    RemoteDomainEventCallbackIoErrorReasonMsg io_error_reason;
    RemoteDomainEventCallbackPmwakeupMsg pmwakeup;
    RemoteDomainEventCallbackPmsuspendMsg pmsuspend;
    RemoteDomainEventCallbackPmsuspendDiskMsg pmsuspend_disk;
    RemoteDomainEventCallbackBalloonChangeMsg balloon_change;
    RemoteDomainEventCallbackDeviceRemovedMsg device_removed;
    RemoteDomainEventCallbackMigrationIterationMsg migration_iteration;
    RemoteDomainEventCallbackJobCompletedMsg job_completed;
    RemoteDomainEventCallbackMetadataChangeMsg metadata_change;
} Message;

static void build_lifecycle(Message *message, const DomainEvent *event, WireDomain dom,
                            Arena *arena)
{
    message->lifecycle.msg = (WireDomainEventLifecycleMsg){dom, event->event, event->detail};
}

static void build_reboot(Message *message, const DomainEvent *event, WireDomain dom, Arena *arena)
{
    message->reboot.msg.dom = dom;
}

static void build_rtc_change(Message *message, const DomainEvent *event, WireDomain dom,
                             Arena *arena)
{
    message->rtc_change.msg = (WireDomainEventRtcChangeMsg){dom, event->number};
}

static void build_watchdog(Message *message, const DomainEvent *event, WireDomain dom, Arena *arena)
{
    message->watchdog.msg = (WireDomainEventWatchdogMsg){dom, event->event};
}

static void build_io_error(Message *message, const DomainEvent *event, WireDomain dom, Arena *arena)
{
    message->io_error.msg = (WireDomainEventIoErrorMsg){
        dom, arena_strdup(arena, event->path), arena_strdup(arena, event->device), event->event};
}

static void build_io_error_reason(Message *message, const DomainEvent *event, WireDomain dom,
                                  Arena *arena)
{
    message->io_error_reason.msg = (WireDomainEventIoErrorReasonMsg){
        dom, arena_strdup(arena, event->path), arena_strdup(arena, event->device), event->event,
        arena_strdup(arena, event->reason)};
}

static void build_pmwakeup(Message *message, const DomainEvent *event, WireDomain dom, Arena *arena)
{
    message->pmwakeup.msg.dom = dom;
}

static void build_pmsuspend(Message *message, const DomainEvent *event, WireDomain dom,
                            Arena *arena)
{
    message->pmsuspend.msg.dom = dom;
}

static void build_pmsuspend_disk(Message *message, const DomainEvent *event, WireDomain dom,
                                 Arena *arena)
{
    message->pmsuspend_disk.msg.dom = dom;
}

static void build_balloon_change(Message *message, const DomainEvent *event, WireDomain dom,
                                 Arena *arena)
{
    message->balloon_change.msg = (WireDomainEventBalloonChangeMsg){dom, (uint64_t)event->number};
}

static void build_device_removed(Message *message, const DomainEvent *event, WireDomain dom,
                                 Arena *arena)
{
    message->device_removed.msg =
        (WireDomainEventDeviceRemovedMsg){dom, arena_strdup(arena, event->device)};
}

static void build_iteration(Message *message, const DomainEvent *event, WireDomain dom,
                            Arena *arena)
{
    message->migration_iteration.dom = dom;
    message->migration_iteration.iteration = event->event;
}

static void build_job_completed(Message *message, const DomainEvent *event, WireDomain dom,
                                Arena *arena)
{
    message->job_completed.dom = dom;
    message->job_completed.params =
        wire_params_encode(event->params, TRUE, arena, &message->job_completed.params_count);
}

static void build_metadata_change(Message *message, const DomainEvent *event, WireDomain dom,
                                  Arena *arena)
{
    message->metadata_change.dom = dom;
    message->metadata_change.type = event->event;
    message->metadata_change.nsuri = event->reason ? arena_strdup(arena, event->reason) : NULL;
}

typedef struct {
    EventKind kind;
    int32_t procedure, legacy_procedure; /* 0: the old form does not exist */
    size_t legacy_offset;                /* of the old form inside the message */
    void (*build)(Message *message, const DomainEvent *event, WireDomain dom, Arena *arena);
} EventRow;

#define NESTED(event, field, number, legacy, build)                                                \
    {                                                                                              \
        event, number, legacy, offsetof(Message, field.msg), build                                 \
    }

/* clang-format off */
static const EventRow rows[] = {
    NESTED(EVENT_LIFECYCLE, lifecycle, REMOTE_DOMAIN_EVENT_CALLBACK_LIFECYCLE, REMOTE_DOMAIN_EVENT_LIFECYCLE, build_lifecycle),
    NESTED(EVENT_REBOOT, reboot, REMOTE_DOMAIN_EVENT_CALLBACK_REBOOT, REMOTE_DOMAIN_EVENT_REBOOT, build_reboot),
    NESTED(EVENT_RTC_CHANGE, rtc_change, REMOTE_DOMAIN_EVENT_CALLBACK_RTC_CHANGE, REMOTE_DOMAIN_EVENT_RTC_CHANGE, build_rtc_change),
    NESTED(EVENT_WATCHDOG, watchdog, REMOTE_DOMAIN_EVENT_CALLBACK_WATCHDOG, REMOTE_DOMAIN_EVENT_WATCHDOG, build_watchdog),
    NESTED(EVENT_IO_ERROR, io_error, REMOTE_DOMAIN_EVENT_CALLBACK_IO_ERROR, REMOTE_DOMAIN_EVENT_IO_ERROR, build_io_error),
    NESTED(EVENT_IO_ERROR_REASON, io_error_reason, REMOTE_DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON, REMOTE_DOMAIN_EVENT_IO_ERROR_REASON, build_io_error_reason),
    NESTED(EVENT_PMWAKEUP, pmwakeup, REMOTE_DOMAIN_EVENT_CALLBACK_PMWAKEUP, REMOTE_DOMAIN_EVENT_PMWAKEUP, build_pmwakeup),
    NESTED(EVENT_PMSUSPEND, pmsuspend, REMOTE_DOMAIN_EVENT_CALLBACK_PMSUSPEND, REMOTE_DOMAIN_EVENT_PMSUSPEND, build_pmsuspend),
    NESTED(EVENT_BALLOON_CHANGE, balloon_change, REMOTE_DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE, REMOTE_DOMAIN_EVENT_BALLOON_CHANGE, build_balloon_change),
    NESTED(EVENT_PMSUSPEND_DISK, pmsuspend_disk, REMOTE_DOMAIN_EVENT_CALLBACK_PMSUSPEND_DISK, REMOTE_DOMAIN_EVENT_PMSUSPEND_DISK, build_pmsuspend_disk),
    NESTED(EVENT_DEVICE_REMOVED, device_removed, REMOTE_DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED, REMOTE_DOMAIN_EVENT_DEVICE_REMOVED, build_device_removed),
    { EVENT_MIGRATION_ITERATION, REMOTE_DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION, 0, 0, build_iteration },
    { EVENT_JOB_COMPLETED, REMOTE_DOMAIN_EVENT_CALLBACK_JOB_COMPLETED, 0, 0, build_job_completed },
    { EVENT_METADATA_CHANGE, REMOTE_DOMAIN_EVENT_CALLBACK_METADATA_CHANGE, 0, 0, build_metadata_change },
};
/* clang-format on */

static const EventRow *find_row(EventKind kind)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].kind == kind)
            return &rows[i];
    return NULL;
}

/* One event on its way to the registrations that want it; the message is built when the first one
 * shows up. */
typedef struct {
    const DomainEvent *event;
    const EventRow *row;
    Message message;
    Arena *arena;
} Delivery;

static void deliver(const CallerSubscription *subscription, void *data)
{
    Delivery *delivery = data;
    const EventRow *row = delivery->row;

    if (!delivery->arena) {
        WireDomain dom = {0};

        delivery->arena = arena_new();
        service_fill(&dom, delivery->event->domain, delivery->arena);
        row->build(&delivery->message, delivery->event, dom, delivery->arena);
    }
    delivery->message.callback_id = subscription->callback_id;
    if (subscription->family == CALLER_EVENTS_DOMAIN)
        caller_send_event(subscription->caller, REMOTE_PROGRAM, row->procedure, &delivery->message);
    else if (row->legacy_procedure)
        caller_send_event(subscription->caller, REMOTE_PROGRAM, row->legacy_procedure,
                          (char *)&delivery->message + row->legacy_offset);
}

static void on_domain_event(const DomainEvent *event, void *data)
{
    Delivery delivery = {.event = event, .row = find_row(event->kind)};

    if (!delivery.row)
        return;
    callers_each_subscription(CALLER_EVENTS_DOMAIN, (int)event->kind, &event->domain->uuid, deliver,
                              &delivery);
    callers_each_subscription(CALLER_EVENTS_DOMAIN_LEGACY, (int)event->kind, &event->domain->uuid,
                              deliver, &delivery);
    g_clear_pointer(&delivery.arena, arena_free);
}

/* --- registrations --- */

void service_event_init(void)
{
    event_subscribe(on_domain_event, NULL);
}

enum {
    LEGACY_LAST = 15
}; /* the old forms: one registration per event, no callback id, ids up to 15 */

static int add(Call *call, CallerEvents family, int32_t event, const WireDomain *filter,
               GError **error)
{
    const int32_t last = family == CALLER_EVENTS_DOMAIN ? EVENT_COUNT - 1 : LEGACY_LAST;

    if (event < 0 || event > last) {
        error_set_from(error, FROM_RPC, ERROR_INTERNAL_ERROR,
                       "internal error: unexpected event ID %d", event);
        return -1;
    }
    return caller_subscribe(call_caller(call), family, event, filter ? &filter->uuid : NULL, NULL,
                            NULL, error);
}

static gboolean remove_legacy(Call *call, int32_t event, GError **error)
{
    const CallerSubscription *subscription =
        caller_find_subscription(call_caller(call), CALLER_EVENTS_DOMAIN_LEGACY, event);

    return caller_unsubscribe(call_caller(call), CALLER_EVENTS_DOMAIN_LEGACY,
                              subscription ? subscription->callback_id : -1, error);
}

gboolean service_connect_domain_event_callback_register_any(
    Call *call, const RemoteConnectDomainEventCallbackRegisterAnyArgs *args,
    RemoteConnectDomainEventCallbackRegisterAnyRet *ret, GError **error)
{
    ret->callback_id = add(call, CALLER_EVENTS_DOMAIN, args->event_id, args->dom, error);
    return ret->callback_id >= 0;
}

gboolean service_connect_domain_event_callback_deregister_any(
    Call *call, const RemoteConnectDomainEventCallbackDeregisterAnyArgs *args, void *ret,
    GError **error)
{
    return caller_unsubscribe(call_caller(call), CALLER_EVENTS_DOMAIN, args->callback_id, error);
}

gboolean service_connect_domain_event_register(Call *call, const void *args,
                                               RemoteConnectDomainEventRegisterRet *ret,
                                               GError **error)
{
    ret->cb_registered = 1;
    return add(call, CALLER_EVENTS_DOMAIN_LEGACY, EVENT_LIFECYCLE, NULL, error) >= 0;
}

gboolean service_connect_domain_event_deregister(Call *call, const void *args,
                                                 RemoteConnectDomainEventDeregisterRet *ret,
                                                 GError **error)
{
    return remove_legacy(call, EVENT_LIFECYCLE, error);
}

gboolean service_connect_domain_event_register_any(
    Call *call, const RemoteConnectDomainEventRegisterAnyArgs *args, void *ret, GError **error)
{
    return add(call, CALLER_EVENTS_DOMAIN_LEGACY, args->event_id, NULL, error) >= 0;
}

gboolean service_connect_domain_event_deregister_any(
    Call *call, const RemoteConnectDomainEventDeregisterAnyArgs *args, void *ret, GError **error)
{
    return remove_legacy(call, args->event_id, error);
}
