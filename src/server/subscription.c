/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Subscriptions: who wants which event, in the order of registration. */
#include "base/log.h"
#include "server/server-private.h"

#define SUBSCRIPTIONS_MAX 1024 /* per client; the stock library registers each event once */

static GPtrArray *all; /* of CallerSubscription, borrowed; each is owned by its caller's list */
static int next_callback_id;

static void subscription_free(CallerSubscription *subscription)
{
    g_ptr_array_remove(all, subscription);
    if (subscription->free_data)
        subscription->free_data(subscription->data);
    g_free(subscription);
}

int caller_subscribe(Caller *caller, CallerEvents family, int event, const Uuid *uuid, void *data,
                     GDestroyNotify free_data, GError **error)
{
    CallerSubscription *subscription;

    if (caller->is_gone || caller->subscriptions->len >= SUBSCRIPTIONS_MAX) {
        if (free_data)
            free_data(data);
        error_set_from(error, FROM_RPC, ERROR_INTERNAL_ERROR,
                       "internal error: too many events are registered");
        return -1;
    }
    if (!all)
        all = g_ptr_array_new();
    subscription = g_new0(CallerSubscription, 1);
    *subscription = (CallerSubscription){
        .caller = caller,
        .family = family,
        .callback_id = next_callback_id++ & G_MAXINT32,
        .event = event,
        .has_uuid = uuid != NULL,
        .data = data,
        .free_data = free_data,
    };
    if (uuid)
        subscription->uuid = *uuid;
    g_ptr_array_add(all, subscription);
    g_ptr_array_add(caller->subscriptions, subscription);
    return subscription->callback_id;
}

gboolean caller_unsubscribe(Caller *caller, CallerEvents family, int callback_id, GError **error)
{
    for (guint i = 0; i < caller->subscriptions->len; i++) {
        CallerSubscription *subscription = caller->subscriptions->pdata[i];

        if (subscription->family != family || subscription->callback_id != callback_id)
            continue;
        g_ptr_array_remove_index(caller->subscriptions, i);
        subscription_free(subscription);
        return TRUE;
    }
    return error_set_from(error, FROM_RPC, ERROR_INTERNAL_ERROR,
                          "internal error: event callback %d is not registered", callback_id);
}

const CallerSubscription *caller_find_subscription(const Caller *caller, CallerEvents family,
                                                   int event)
{
    for (guint i = 0; i < caller->subscriptions->len; i++) {
        const CallerSubscription *subscription = caller->subscriptions->pdata[i];

        if (subscription->family == family && subscription->event == event)
            return subscription;
    }
    return NULL;
}

void subscriptions_drop(Caller *caller)
{
    while (caller->subscriptions->len > 0)
        subscription_free(
            g_ptr_array_steal_index(caller->subscriptions, caller->subscriptions->len - 1));
}

void callers_each_subscription(CallerEvents family, int event, const Uuid *uuid,
                               CallerSubscriptionFunc fn, void *data)
{
    for (guint i = 0; all && i < all->len; i++) {
        const CallerSubscription *subscription = all->pdata[i];

        if (subscription->family != family || subscription->event != event)
            continue;
        if (subscription->has_uuid && !(uuid && uuid_equal(&subscription->uuid, uuid)))
            continue;
        fn(subscription, data);
    }
}

gboolean callers_want_event(CallerEvents family, int event)
{
    for (guint i = 0; all && i < all->len; i++) {
        const CallerSubscription *subscription = all->pdata[i];

        if (subscription->family == family && subscription->event == event)
            return TRUE;
    }
    return FALSE;
}

void caller_send_event(Caller *caller, uint32_t program, int32_t number, const void *msg)
{
    const WireProcedure *procedure = wire_procedure_get(program, number);
    g_autoptr(GError) failure = NULL;

    if (caller->is_gone)
        return;
    if (!rpc_connection_send_event(caller->conn, procedure, msg, &failure))
        log_warning("cannot send event %s to client %s: %s", procedure->name, caller->name,
                    failure->message);
    caller_flush(caller);
}
