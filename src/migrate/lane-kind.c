/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of lanes. */
#include "migrate/lane-kind.h"

#include "phase/flags.h"

typedef enum {
    BY_DESCRIPTOR,
    JOINED,
    AS_THE_STREAM, /* by descriptor; joined as soon as the stream has a second connection: QEMU opens all of them at one place */
} Carriage;

static unsigned count_memory(unsigned flags, const Params *params)
{
    return flags & MIGRATE_TUNNELLED ? 0 : 1;
}

static unsigned count_channels(unsigned flags, const Params *params)
{
    return flags & MIGRATE_PARALLEL
               ? (unsigned)params_get_int(params, MIGRATE_PARAM_CONNECTIONS, LANE_CHANNELS_DEFAULT)
               : 0;
}

/* Not served yet: neither postcopy nor copying of disks asks for any. */
static unsigned count_none(unsigned flags, const Params *params)
{
    return 0;
}

/* clang-format off */
static const struct {
    LanePurpose purpose;
    unsigned (*count)(unsigned flags, const Params *params);
    Carriage carriage[2]; /* by OwnerSide */
    gboolean is_of_the_stream;
} kinds[] = {
    /*                 how many         source         destination     a connection of the memory stream */
    { LANE_MEMORY,  count_memory,   { [SIDE_SOURCE] = AS_THE_STREAM, [SIDE_DESTINATION] = AS_THE_STREAM }, TRUE  },
    { LANE_MULTIFD, count_channels, { [SIDE_SOURCE] = JOINED,        [SIDE_DESTINATION] = JOINED },        TRUE  },
    { LANE_PREEMPT, count_none,     { [SIDE_SOURCE] = JOINED,        [SIDE_DESTINATION] = JOINED },        TRUE  },
    { LANE_NBD,     count_none,     { [SIDE_SOURCE] = BY_DESCRIPTOR, [SIDE_DESTINATION] = JOINED },        FALSE },
};
/* clang-format on */

unsigned lane_count(LanePurpose purpose, unsigned flags, const Params *params)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (kinds[i].purpose == purpose)
            return kinds[i].count(flags, params);
    return 0;
}

static gboolean stream_has_several(unsigned flags)
{
    unsigned count = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        count += kinds[i].is_of_the_stream ? kinds[i].count(flags, NULL) : 0;
    return count > 1;
}

gboolean lane_is_joined(LanePurpose purpose, OwnerSide side, unsigned flags)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (kinds[i].purpose == purpose)
            return kinds[i].carriage[side] == JOINED ||
                   (kinds[i].carriage[side] == AS_THE_STREAM && stream_has_several(flags));
    return FALSE;
}

gboolean lane_any_is_joined(OwnerSide side, unsigned flags)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (kinds[i].count(flags, NULL) > 0 && lane_is_joined(kinds[i].purpose, side, flags))
            return TRUE;
    return FALSE;
}

char *lane_name_format(LaneName name)
{
    const char *purpose = enum_name(lane_purpose_names, name.purpose);

    return name.purpose == LANE_PACT || name.purpose == LANE_MEMORY ? g_strdup(purpose)
                                                                     : g_strdup_printf("%s %u", purpose, name.number);
}
