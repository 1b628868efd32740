/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's clock and timers. */
#include "model/clock.h"

#include <string.h>

#include "base/error.h"

/* clang-format off */
static const EnumName offset_names[] = {{"utc", GUEST_CLOCK_UTC}, {"localtime", GUEST_CLOCK_LOCALTIME}, {NULL}};

const EnumName guest_timer_names[] = {
    {"rtc", GUEST_TIMER_RTC}, {"pit", GUEST_TIMER_PIT}, {"hpet", GUEST_TIMER_HPET},
    {"kvmclock", GUEST_TIMER_KVMCLOCK}, {"tsc", GUEST_TIMER_TSC}, {NULL},
};
static const EnumName tick_names[] = {
    {"delay", GUEST_TICK_DELAY}, {"catchup", GUEST_TICK_CATCHUP}, {"discard", GUEST_TICK_DISCARD}, {NULL},
};
static const EnumName track_names[] = {{"guest", GUEST_TRACK_GUEST}, {"wall", GUEST_TRACK_WALL}, {NULL}};

static const Field clock_rows[] = {
    {"@offset", FIELD_ENUM, offsetof(GuestClock, offset), FIELD_GUEST, offset_names, .label = "offset"},
    {NULL},
};

#define IN(field) offsetof(GuestTimer, field)

static const Field timer_rows[] = {
    /* path          type           field             flags         more */
    {"@name",        FIELD_ENUM,    IN(name),         FIELD_GUEST | FIELD_REQUIRED, guest_timer_names, .label = "name"},
    {"@present",     FIELD_YES_NO,  IN(present),      FIELD_GUEST,  .label = "presence"},
    {"@tickpolicy",  FIELD_ENUM,    IN(tick_policy),  FIELD_GUEST,  tick_names, .label = "tick policy"},
    {"@track",       FIELD_ENUM,    IN(track),        0,            track_names},
    {"@frequency",   FIELD_U64,     IN(frequency_hz), FIELD_GUEST,  .label = "frequency"},
    {NULL},
};
/* clang-format on */

void guest_clock_init(GuestClock *clock)
{
    memset(clock, 0, sizeof *clock);
    clock->timers = g_ptr_array_new_with_free_func(g_free);
}

void guest_clock_clear(GuestClock *clock)
{
    g_clear_pointer(&clock->timers, g_ptr_array_unref);
}

const GuestTimer *guest_clock_find_timer(const GuestClock *clock, GuestTimerName name)
{
    for (unsigned i = 0; i < clock->timers->len; i++) {
        const GuestTimer *timer = g_ptr_array_index(clock->timers, i);

        if (timer->name == name)
            return timer;
    }
    return NULL;
}

/* What each timer can be told. */
static gboolean check_timer(const GuestTimer *timer, XmlNode *node, GError **error)
{
    gboolean is_rtc = timer->name == GUEST_TIMER_RTC, is_pit = timer->name == GUEST_TIMER_PIT;
    gboolean is_policy_known = timer->tick_policy == GUEST_TICK_DEFAULT ||
                               (timer->tick_policy == GUEST_TICK_DELAY && (is_rtc || is_pit)) ||
                               (timer->tick_policy == GUEST_TICK_CATCHUP && is_rtc) ||
                               (timer->tick_policy == GUEST_TICK_DISCARD && is_pit);

    if (!is_policy_known)
        return xml_unsupported(node, "tickpolicy", error);
    if (timer->track != GUEST_TRACK_DEFAULT && !is_rtc)
        return xml_unsupported(node, "track", error);
    if (timer->frequency_hz && timer->name != GUEST_TIMER_TSC)
        return xml_unsupported(node, "frequency", error);
    if (timer->present == SWITCH_OFF && (is_rtc || is_pit))
        return xml_unsupported_value(node, "present", "no", error);
    return TRUE;
}

gboolean guest_clock_read(GuestClock *clock, XmlNode *node, GError **error)
{
    if (!fields_read(clock_rows, node, clock, error))
        return FALSE;
    for (XmlNode *child = xml_child(node, "timer"); child; child = xml_next(child, "timer")) {
        GuestTimer timer = {0};

        if (!fields_read(timer_rows, child, &timer, error) || !check_timer(&timer, child, error))
            return FALSE;
        if (guest_clock_find_timer(clock, timer.name))
            return xml_error(child, error, "the timer '%s' is named twice",
                             enum_name(guest_timer_names, timer.name));
        g_ptr_array_add(clock->timers, g_memdup2(&timer, sizeof timer));
    }
    return TRUE;
}

void guest_clock_write(const GuestClock *clock, XmlWriter *writer)
{
    if (clock->offset == GUEST_CLOCK_UNSET && clock->timers->len == 0)
        return;
    xml_write_open(writer, "clock");
    fields_write(clock_rows, writer, clock);
    for (unsigned i = 0; i < clock->timers->len; i++) {
        xml_write_open(writer, "timer");
        fields_write(timer_rows, writer, g_ptr_array_index(clock->timers, i));
        xml_write_close(writer);
    }
    xml_write_close(writer);
}

void guest_clock_copy_into(GuestClock *into, const GuestClock *clock)
{
    into->offset = clock->offset;
    for (unsigned i = 0; i < clock->timers->len; i++)
        g_ptr_array_add(into->timers,
                        g_memdup2(g_ptr_array_index(clock->timers, i), sizeof(GuestTimer)));
}

static gboolean mismatch(const char *what, const Field *row, const void *source, const void *target,
                         GError **error)
{
    g_autofree char *in_source = field_text(row, source), *in_target = field_text(row, target);

    return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                     "unsupported configuration: Target %s %s '%s' does not match source '%s'",
                     what, row->label, in_target, in_source);
}

gboolean guest_clock_compare_abi(const GuestClock *source, const GuestClock *target, GError **error)
{
    const Field *row = fields_find_difference(clock_rows, source, target);

    if (row)
        return mismatch("clock", row, source, target, error);
    if (source->timers->len != target->timers->len)
        return error_set(
            error, ERROR_CONFIG_UNSUPPORTED,
            "unsupported configuration: Target domain timer count %u does not match source %u",
            target->timers->len, source->timers->len);
    for (const EnumName *name = guest_timer_names; name->name; name++) {
        static const GuestTimer absent = {0};
        const GuestTimer *in_source = guest_clock_find_timer(source, (GuestTimerName)name->value);
        const GuestTimer *in_target = guest_clock_find_timer(target, (GuestTimerName)name->value);

        if (!in_source != !in_target)
            return error_set(
                error, ERROR_CONFIG_UNSUPPORTED,
                "unsupported configuration: Target timer %s '%s' does not match source '%s'",
                name->name, in_target ? "named" : "absent", in_source ? "named" : "absent");
        row = fields_find_difference(timer_rows, in_source ?: &absent, in_target ?: &absent);
        if (row)
            return mismatch(name->name, row, in_source, in_target, error);
    }
    return TRUE;
}
