/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bus on which domains tell what happens to them.  service subscribes once and passes events to
 * callers; a migration may subscribe too.  Handlers run at once, on whoever holds the floor: they
 * must not await. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/params.h"

typedef struct Domain Domain;

/* The wire's event ids; the ones that are emitted */
typedef enum {
    EVENT_LIFECYCLE = 0,
    EVENT_REBOOT = 1,
    EVENT_RTC_CHANGE = 2,
    EVENT_WATCHDOG = 3,
    EVENT_IO_ERROR = 4,
    EVENT_IO_ERROR_REASON = 6,
    EVENT_PMWAKEUP = 11,
    EVENT_PMSUSPEND = 12,
    EVENT_BALLOON_CHANGE = 13,
    EVENT_PMSUSPEND_DISK = 14,
    EVENT_DEVICE_REMOVED = 15,
    EVENT_MIGRATION_ITERATION = 20,
    EVENT_JOB_COMPLETED = 21,
    EVENT_METADATA_CHANGE = 23,
    EVENT_COUNT = 27,
} EventKind;

typedef struct {
    EventKind kind;
    Domain *domain; /* borrowed for the call */
    int event;      /* lifecycle: LifecycleEvent; watchdog, io error: action; iteration: number;
                       metadata: type */
    int detail;     /* lifecycle */
    int64_t number; /* rtc change: offset; balloon change: actual KiB */
    const char *path, *device,
        *reason;          /* io error: source path, alias, reason; metadata: reason is the uri */
    const Params *params; /* job completed; "operation" is its first entry */
} DomainEvent;

typedef void (*DomainEventFunc)(const DomainEvent *event, void *data);

typedef struct EventSubscription EventSubscription;
EventSubscription *event_subscribe(DomainEventFunc fn, void *data);
void event_unsubscribe(EventSubscription *subscription); /* safe inside a handler */

void event_emit(const DomainEvent *event);
void event_emit_lifecycle(Domain *domain, int event, int detail);

/* QEMU's own events by name, with their data as JSON text (NULL if none), for qemu-monitor-event.
 */
typedef void (*MonitorEventFunc)(Domain *domain, const char *name, int64_t seconds, unsigned micros,
                                 const char *data_json, void *data);
void event_set_monitor_handler(MonitorEventFunc fn, void *data); /* one, or NULL */
void event_emit_monitor(Domain *domain, const char *name, int64_t seconds, unsigned micros,
                        const char *data_json);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EventSubscription, event_unsubscribe)
