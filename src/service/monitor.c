/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The qemu program: commands to a guest's monitor, and its events as QEMU sent them. */
#include <string.h>

#include "domain/event.h"
#include "qemu/guest.h"
#include "qemu/monitor-text.h"
#include "service/calls.h"
#include "service/service.h"

AWAITS gboolean service_qemu_domain_monitor_command(Call *call,
                                                    const QemuDomainMonitorCommandArgs *args,
                                                    QemuDomainMonitorCommandRet *ret,
                                                    GError **error)
{
    enum { HMP = 1 << 0 };
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain || !service_check_flags(args->flags, HMP, "domain_monitor_command", error) ||
        (monitor_text_is_gated(args->cmd, args->flags & HMP) && !owner_gate_check(domain, OWNER_VERB_MONITOR, error)) ||
        !domain_check_active(domain, error))
        return FALSE;
    if (!domain->guest)
        return domain_check_active(domain, error)
                   ? error_set(error, ERROR_OPERATION_INVALID,
                               "Requested operation is not valid: domain is starting up")
                   : FALSE;
    g_autoptr(QemuGuest) guest = qemu_guest_ref(domain->guest);
    g_autofree char *result =
        qemu_guest_monitor_command(guest, args->cmd, args->flags & HMP, error);
    if (!result)
        return FALSE;
    ret->result = arena_strdup(call_arena(call), result);
    return TRUE;
}

/* --- events --- */

/* Of one registration */
typedef struct {
    char *name;    /* NULL: all */
    GRegex *regex; /* or NULL */
    gboolean ignores_case;
} Filter;

static void filter_free(void *data)
{
    Filter *filter = data;

    g_free(filter->name);
    g_clear_pointer(&filter->regex, g_regex_unref);
    g_free(filter);
}

static gboolean fits(const Filter *filter, const char *name)
{
    if (filter->regex)
        return g_regex_match(filter->regex, name, 0, NULL);
    if (!filter->name)
        return TRUE;
    return (filter->ignores_case ? g_ascii_strcasecmp(filter->name, name)
                                 : strcmp(filter->name, name)) == 0;
}

typedef struct {
    Domain *domain;
    const char *name, *data_json;
    QemuDomainMonitorEventMsg message;
    Arena *arena; /* NULL until somebody wants it */
} Delivery;

static void deliver(const CallerSubscription *subscription, void *data)
{
    Delivery *delivery = data;

    if (!fits(subscription->data, delivery->name))
        return;
    if (!delivery->arena) {
        delivery->arena = arena_new();
        service_fill(&delivery->message.dom, delivery->domain, delivery->arena);
        delivery->message.event = arena_strdup(delivery->arena, delivery->name);
        if (delivery->data_json)
            delivery->message.details = arena_strdup(delivery->arena, delivery->data_json);
    }
    delivery->message.callback_id = subscription->callback_id;
    caller_send_event(subscription->caller, QEMU_PROGRAM, QEMU_DOMAIN_MONITOR_EVENT,
                      &delivery->message);
}

static void on_monitor_event(Domain *domain, const char *name, int64_t seconds, unsigned micros,
                             const char *data_json, void *data)
{
    Delivery delivery = {.domain = domain,
                         .name = name,
                         .data_json = data_json,
                         .message = {.seconds = seconds, .micros = micros}};

    callers_each_subscription(CALLER_EVENTS_QEMU_MONITOR, 0, &domain->uuid, deliver, &delivery);
    g_clear_pointer(&delivery.arena, arena_free);
}

void service_monitor_init(void)
{
    event_set_monitor_handler(on_monitor_event, NULL);
}

gboolean service_qemu_connect_domain_monitor_event_register(
    Call *call, const QemuConnectDomainMonitorEventRegisterArgs *args,
    QemuConnectDomainMonitorEventRegisterRet *ret, GError **error)
{
    enum { REGEX = 1 << 0, NO_CASE = 1 << 1 };
    g_autoptr(GRegex) regex = NULL;
    g_autoptr(GError) cause = NULL;

    if (!service_check_flags(args->flags, REGEX | NO_CASE, "connect_domain_monitor_event_register",
                             error))
        return FALSE;
    if (args->event && args->flags & REGEX)
        regex = g_regex_new(args->event, args->flags & NO_CASE ? G_REGEX_CASELESS : 0, 0, &cause);
    if (cause)
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: failed to compile event regex '%.255s': %s",
                         args->event, cause->message);
    Filter *filter = g_new0(Filter, 1);
    filter->name = g_strdup(args->event);
    filter->regex = g_steal_pointer(&regex);
    filter->ignores_case = (args->flags & NO_CASE) != 0;
    ret->callback_id =
        caller_subscribe(call_caller(call), CALLER_EVENTS_QEMU_MONITOR, 0,
                         args->dom ? &args->dom->uuid : NULL, filter, filter_free, error);
    return ret->callback_id >= 0;
}

gboolean service_qemu_connect_domain_monitor_event_deregister(
    Call *call, const QemuConnectDomainMonitorEventDeregisterArgs *args, void *ret, GError **error)
{
    return caller_unsubscribe(call_caller(call), CALLER_EVENTS_QEMU_MONITOR, args->callback_id,
                              error);
}
