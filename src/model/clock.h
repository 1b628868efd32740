/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's clock and timers. */
#pragma once

#include <stdint.h>

#include "xml/field.h"
#include "xml/writer.h"

typedef enum { GUEST_CLOCK_UNSET, GUEST_CLOCK_UTC, GUEST_CLOCK_LOCALTIME } GuestClockOffset;
typedef enum {
    GUEST_TIMER_RTC,
    GUEST_TIMER_PIT,
    GUEST_TIMER_HPET,
    GUEST_TIMER_KVMCLOCK,
    GUEST_TIMER_TSC
} GuestTimerName;
typedef enum {
    GUEST_TICK_DEFAULT,
    GUEST_TICK_DELAY,
    GUEST_TICK_CATCHUP,
    GUEST_TICK_DISCARD
} GuestTickPolicy;
typedef enum { GUEST_TRACK_DEFAULT, GUEST_TRACK_GUEST, GUEST_TRACK_WALL } GuestTimerTrack;

typedef struct {
    GuestTimerName name;
    Switch present;
    GuestTickPolicy tick_policy; /* rtc: delay, catchup; pit: delay, discard */
    GuestTimerTrack track;       /* rtc: clock=vm or clock=host */
    uint64_t frequency_hz;       /* tsc; 0: none said */
} GuestTimer;

typedef struct {
    GuestClockOffset offset;
    GPtrArray *timers; /* of GuestTimer * */
} GuestClock;

extern const EnumName guest_timer_names[];

/* NULL if the XML names no such timer. */
const GuestTimer *guest_clock_find_timer(const GuestClock *clock, GuestTimerName name);

void guest_clock_init(GuestClock *clock);
void guest_clock_clear(GuestClock *clock);
gboolean guest_clock_read(GuestClock *clock, XmlNode *node, GError **error);
void guest_clock_write(const GuestClock *clock, XmlWriter *writer);
void guest_clock_copy_into(GuestClock *into,
                           const GuestClock *clock); /* into: initialised and empty */
/* "Target timer X does not match source Y" */
gboolean guest_clock_compare_abi(const GuestClock *source, const GuestClock *target,
                                 GError **error);
