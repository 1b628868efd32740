/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bus: a list of subscriptions, walked so that a handler may unsubscribe anybody meanwhile. */
#include "domain/event.h"

#include "base/log.h"
#include "domain/domain.h"

struct EventSubscription {
    DomainEventFunc fn; /* NULL: unsubscribed during a walk, freed after it */
    void *data;
};

static GPtrArray *subscriptions;
static unsigned walking;

static MonitorEventFunc monitor_fn;
static void *monitor_data;

EventSubscription *event_subscribe(DomainEventFunc fn, void *data)
{
    EventSubscription *subscription = g_new0(EventSubscription, 1);

    subscription->fn = fn;
    subscription->data = data;
    if (!subscriptions)
        subscriptions = g_ptr_array_new();
    g_ptr_array_add(subscriptions, subscription);
    return subscription;
}

static void sweep(void)
{
    if (walking)
        return;
    for (unsigned i = subscriptions->len; i-- > 0;) {
        EventSubscription *subscription = subscriptions->pdata[i];

        if (subscription->fn)
            continue;
        g_ptr_array_remove_index(subscriptions, i);
        g_free(subscription);
    }
}

void event_unsubscribe(EventSubscription *subscription)
{
    if (!subscription)
        return;
    subscription->fn = NULL;
    sweep();
}

void event_emit(const DomainEvent *event)
{
    if (!subscriptions)
        return;
    walking++;
    for (unsigned i = 0; i < subscriptions->len; i++) {
        EventSubscription *subscription = subscriptions->pdata[i];

        if (subscription->fn)
            subscription->fn(event, subscription->data);
    }
    walking--;
    sweep();
}

void event_emit_lifecycle(Domain *domain, int event, int detail)
{
    const DomainEvent message = {
        .kind = EVENT_LIFECYCLE, .domain = domain, .event = event, .detail = detail};

    event_emit(&message);
}

void event_set_monitor_handler(MonitorEventFunc fn, void *data)
{
    monitor_fn = fn;
    monitor_data = data;
}

void event_emit_monitor(Domain *domain, const char *name, int64_t seconds, unsigned micros,
                        const char *data_json)
{
    if (monitor_fn)
        monitor_fn(domain, name, seconds, micros, data_json, monitor_data);
}
