/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Flags and parameters of a migration. */
#include "phase/flags.h"

#include <string.h>

#include "base/error.h"
#include "phase/uri.h"

const EnumName migrate_flag_names[] = {
    {"LIVE", MIGRATE_LIVE},
    {"PEER2PEER", MIGRATE_PEER2PEER},
    {"TUNNELLED", MIGRATE_TUNNELLED},
    {"PERSIST_DEST", MIGRATE_PERSIST_DEST},
    {"UNDEFINE_SOURCE", MIGRATE_UNDEFINE_SOURCE},
    {"PAUSED", MIGRATE_PAUSED},
    {"NON_SHARED_DISK", MIGRATE_NON_SHARED_DISK},
    {"NON_SHARED_INC", MIGRATE_NON_SHARED_INC},
    {"CHANGE_PROTECTION", MIGRATE_CHANGE_PROTECTION},
    {"UNSAFE", MIGRATE_UNSAFE},
    {"OFFLINE", MIGRATE_OFFLINE},
    {"COMPRESSED", MIGRATE_COMPRESSED},
    {"ABORT_ON_ERROR", MIGRATE_ABORT_ON_ERROR},
    {"AUTO_CONVERGE", MIGRATE_AUTO_CONVERGE},
    {"RDMA_PIN_ALL", MIGRATE_RDMA_PIN_ALL},
    {"POSTCOPY", MIGRATE_POSTCOPY},
    {"TLS", MIGRATE_TLS},
    {"PARALLEL", MIGRATE_PARALLEL},
    {"NON_SHARED_SYNCHRONOUS_WRITES", MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES},
    {"POSTCOPY_RESUME", MIGRATE_POSTCOPY_RESUME},
    {"ZEROCOPY", MIGRATE_ZEROCOPY},
    {NULL},
};

/* clang-format off */
static const struct {
    uint32_t has;   /* all of these … */
    uint32_t other; /* … and any of these, or, if wants_other, none of these: */
    gboolean wants_other;
    ErrorCode code;
    const char *text;
} conflicts[] = {
    { MIGRATE_NON_SHARED_DISK, MIGRATE_NON_SHARED_INC, FALSE, ERROR_INVALID_ARG,
      "Flags 'VIR_MIGRATE_NON_SHARED_DISK' and 'VIR_MIGRATE_NON_SHARED_INC' are mutually exclusive" },
    { MIGRATE_TUNNELLED, MIGRATE_PARALLEL, FALSE, ERROR_INVALID_ARG,
      "Flags 'VIR_MIGRATE_TUNNELLED' and 'VIR_MIGRATE_PARALLEL' are mutually exclusive" },
    { MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES, MIGRATE_NON_SHARED_DISK | MIGRATE_NON_SHARED_INC, TRUE,
      ERROR_INVALID_ARG,
      "'VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES' requires one of 'VIR_MIGRATE_NON_SHARED_DISK', "
      "'VIR_MIGRATE_NON_SHARED_INC'" },
    { MIGRATE_TUNNELLED, MIGRATE_PEER2PEER, TRUE, ERROR_INVALID_ARG,
      "cannot perform tunnelled migration without using peer2peer flag" },
    { MIGRATE_POSTCOPY, MIGRATE_PAUSED, FALSE, ERROR_ARGUMENT_UNSUPPORTED,
      "argument unsupported: post-copy migration is not supported with non-live or paused "
      "migration" },
    { MIGRATE_POSTCOPY, MIGRATE_LIVE, TRUE, ERROR_ARGUMENT_UNSUPPORTED,
      "argument unsupported: post-copy migration is not supported with non-live or paused "
      "migration" },
    { MIGRATE_POSTCOPY, MIGRATE_TUNNELLED, FALSE, ERROR_ARGUMENT_UNSUPPORTED,
      "argument unsupported: post-copy is not supported with tunnelled migration" },
    { MIGRATE_OFFLINE, MIGRATE_NON_SHARED_DISK | MIGRATE_NON_SHARED_INC, FALSE,
      ERROR_OPERATION_INVALID,
      "Requested operation is not valid: offline migration cannot handle non-shared storage" },
    { MIGRATE_OFFLINE, MIGRATE_PERSIST_DEST, TRUE, ERROR_OPERATION_INVALID,
      "Requested operation is not valid: offline migration must be specified with the persistent "
      "flag set" },
    { MIGRATE_OFFLINE, MIGRATE_TUNNELLED, FALSE, ERROR_OPERATION_INVALID,
      "Requested operation is not valid: tunnelled offline migration does not make sense" },
    { MIGRATE_ZEROCOPY, MIGRATE_PARALLEL, TRUE, ERROR_OPERATION_INVALID,
      "Requested operation is not valid: zero-copy is only available for parallel migration" },
};

/* What stock 9.0.0 knows and what is our own, what a source daemon passes on to Prepare, what ferryd serves. */
static const struct {
    ParamRule rule;
    gboolean goes_to_prepare;
    gboolean is_served;
} params_table[] = {
    /* name                          type           repeats     to prepare  served */
    { { MIGRATE_PARAM_URI,            PARAM_STRING, FALSE },    TRUE,       TRUE  },
    { { MIGRATE_PARAM_DEST_NAME,      PARAM_STRING, FALSE },    TRUE,       TRUE  },
    { { MIGRATE_PARAM_DEST_XML,       PARAM_STRING, FALSE },    TRUE,       TRUE  },
    { { MIGRATE_PARAM_PERSIST_XML,    PARAM_STRING, FALSE },    FALSE,      TRUE  },
    { { MIGRATE_PARAM_BANDWIDTH,      PARAM_ULLONG, FALSE },    TRUE,       TRUE  },
    { { MIGRATE_PARAM_LISTEN_ADDRESS, PARAM_STRING, FALSE },    TRUE,       TRUE  },
    { { MIGRATE_PARAM_POSTCOPY_SPEED, PARAM_ULLONG, FALSE },    TRUE,       TRUE  },
    { { "graphics_uri",               PARAM_STRING, FALSE },    TRUE,       FALSE },
    { { "migrate_disks",              PARAM_STRING, TRUE  },    TRUE,       FALSE },
    { { "disks_port",                 PARAM_INT,    FALSE },    TRUE,       FALSE },
    { { "disks_uri",                  PARAM_STRING, FALSE },    TRUE,       FALSE },
    { { "compression",                PARAM_STRING, TRUE  },    TRUE,       FALSE },
    { { "compression.mt.level",       PARAM_INT,    FALSE },    TRUE,       FALSE },
    { { "compression.mt.threads",     PARAM_INT,    FALSE },    TRUE,       FALSE },
    { { "compression.mt.dthreads",    PARAM_INT,    FALSE },    TRUE,       FALSE },
    { { "compression.xbzrle.cache",   PARAM_ULLONG, FALSE },    TRUE,       FALSE },
    { { "auto_converge.initial",      PARAM_INT,    FALSE },    FALSE,      FALSE },
    { { "auto_converge.increment",    PARAM_INT,    FALSE },    FALSE,      FALSE },
    { { MIGRATE_PARAM_CONNECTIONS,    PARAM_INT,    FALSE },    TRUE,       TRUE  },
    { { "tls.destination",            PARAM_STRING, FALSE },    FALSE,      FALSE },
    { { MIGRATE_PARAM_DEST_ADDRESS,   PARAM_STRING, FALSE },    FALSE,      TRUE  },
    { { MIGRATE_PARAM_FALLBACK,       PARAM_STRING, FALSE },    FALSE,      TRUE  },
};
/* clang-format on */

/* The speed in bytes has to fit a signed 64-bit number. */
#define BANDWIDTH_MAX_MIB (INT64_MAX >> 20)

const ParamRule *migrate_param_rules(void)
{
    static ParamRule rules[G_N_ELEMENTS(params_table) + 1];

    for (size_t i = 0; i < G_N_ELEMENTS(params_table); i++)
        rules[i] = params_table[i].rule;
    return rules;
}

gboolean migrate_flags_check_known(uint64_t flags, const char *function, GError **error)
{
    if (flags & ~(uint64_t)MIGRATE_FLAGS_KNOWN)
        return error_set(error, ERROR_INVALID_ARG,
                         "unsupported flags (0x%" G_GINT64_MODIFIER "x) in function %s",
                         flags & ~(uint64_t)MIGRATE_FLAGS_KNOWN, function);
    for (size_t i = 0; i < G_N_ELEMENTS(conflicts); i++)
        if ((flags & conflicts[i].has) == conflicts[i].has &&
            ((flags & conflicts[i].other) == 0) == conflicts[i].wants_other)
            return error_set(error, conflicts[i].code, "%s", conflicts[i].text);
    return TRUE;
}

gboolean migrate_flags_check(uint64_t flags, const char *function, GError **error)
{
    if (!migrate_flags_check_known(flags, function, error))
        return FALSE;
    for (const EnumName *row = migrate_flag_names; row->name; row++)
        if (flags & (uint32_t)row->value & ~MIGRATE_FLAGS_SERVED)
            return error_set(error, ERROR_ARGUMENT_UNSUPPORTED,
                             "argument unsupported: migration flag VIR_MIGRATE_%s is not served by "
                             "this host yet",
                             row->name);
    if ((flags & MIGRATE_POSTCOPY) && (flags & MIGRATE_PARALLEL))
        return error_set(error, ERROR_ARGUMENT_UNSUPPORTED,
                         "argument unsupported: post-copy migration is not supported with parallel "
                         "connections: QEMU takes the pages that are missing from one stream; leave out "
                         "--parallel or --postcopy");
    return TRUE;
}

static gboolean check_served(const Params *params, GError **error)
{
    for (size_t i = 0; i < params->count; i++)
        for (size_t row = 0; row < G_N_ELEMENTS(params_table); row++)
            if (g_str_equal(params->items[i].name, params_table[row].rule.name) &&
                !params_table[row].is_served)
                return error_set(
                    error, ERROR_ARGUMENT_UNSUPPORTED,
                    "argument unsupported: migration parameter '%s' is not served by this host yet",
                    params->items[i].name);
    return TRUE;
}

/* Stock lets QEMU refuse the number when a destination runs already; the words are QEMU's. */
static gboolean check_connections(const Params *params, uint64_t flags, GError **error)
{
    int32_t count = params_get_int(params, MIGRATE_PARAM_CONNECTIONS, 1);

    if (params_find(params, MIGRATE_PARAM_CONNECTIONS) && !(flags & MIGRATE_PARALLEL))
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: Turn parallel migration on to tune it");
    return (count >= 1 && count <= MIGRATE_CONNECTIONS_MAX) ||
           error_set(error, ERROR_INTERNAL_ERROR,
                     "internal error: unable to execute QEMU command 'migrate-set-parameters': "
                     "Parameter 'multifd_channels' expects a value between 1 and %d",
                     MIGRATE_CONNECTIONS_MAX);
}

gboolean migrate_params_check(const Params *params, uint64_t flags, GError **error)
{
    const char *uri = params_get_string(params, MIGRATE_PARAM_URI);
    g_autoptr(MigrationUri) parsed = NULL;

    if (!params)
        return TRUE;
    if (params->count > MIGRATE_PARAMS_MAX)
        return error_set(error, ERROR_INVALID_ARG, "more than %d migration parameters",
                         MIGRATE_PARAMS_MAX);
    if (!params_check(params, migrate_param_rules(), error) || !check_served(params, error))
        return FALSE;
    if (!check_connections(params, flags, error))
        return FALSE;
    if (params_get_ullong(params, MIGRATE_PARAM_BANDWIDTH, 0) > BANDWIDTH_MAX_MIB)
        return error_set(error, ERROR_OVERFLOW,
                         "numerical overflow: bandwidth must be less than %" G_GINT64_FORMAT,
                         (gint64)BANDWIDTH_MAX_MIB + 1);
    if ((flags & MIGRATE_TUNNELLED) && uri)
        return error_set(
            error, ERROR_ARGUMENT_UNSUPPORTED,
            "argument unsupported: migration URI is not supported by tunnelled migration");
    if ((flags & MIGRATE_TUNNELLED) && params_find(params, MIGRATE_PARAM_LISTEN_ADDRESS))
        return error_set(
            error, ERROR_ARGUMENT_UNSUPPORTED,
            "argument unsupported: listen address is not supported by tunnelled migration");
    parsed = uri ? migration_uri_parse(uri, error) : NULL;
    return !uri || parsed;
}

uint64_t migrate_flags_for_destination(uint64_t flags)
{
    return flags &
           ~(uint64_t)(MIGRATE_CHANGE_PROTECTION | MIGRATE_ABORT_ON_ERROR | MIGRATE_AUTO_CONVERGE);
}

/* The part of the user's list that the driver sends to the destination. */
static Params *params_for_destination(const Params *user, MigrateDriver driver)
{
    Params *params = user ? params_copy(user) : params_new();

    for (size_t row = 0; driver == MIGRATE_BY_SOURCE && row < G_N_ELEMENTS(params_table); row++)
        if (!params_table[row].goes_to_prepare)
            params_remove(params, params_table[row].rule.name);
    params_remove(params, MIGRATE_PARAM_DEST_XML);
    return params;
}

static void params_set_string(Params *params, const char *name, const char *value)
{
    params_remove(params, name);
    if (value)
        params_add_string(params, name, value);
}

Params *migrate_params_for_prepare(const Params *user, MigrateDriver driver, const char *xml)
{
    Params *params = params_for_destination(user, driver);

    params_set_string(params, MIGRATE_PARAM_DEST_XML, xml);
    return params;
}

Params *migrate_params_for_perform(const Params *user, const char *uri)
{
    Params *params = user ? params_copy(user) : params_new();

    params_set_string(params, MIGRATE_PARAM_URI, uri);
    return params;
}

Params *migrate_params_for_finish(const Params *user, MigrateDriver driver, const char *name,
                                  const char *uri)
{
    Params *params = params_for_destination(user, driver);

    params_set_string(params, MIGRATE_PARAM_URI, uri);
    if (!params_get_string(params, MIGRATE_PARAM_DEST_NAME))
        params_set_string(params, MIGRATE_PARAM_DEST_NAME, name);
    return params;
}

/* Of a user, and may name passwords. */
static gboolean is_secret(const char *name)
{
    return g_str_equal(name, MIGRATE_PARAM_DEST_XML) || g_str_equal(name, MIGRATE_PARAM_PERSIST_XML);
}

static char *value_text(const Param *param)
{
    switch (param->type) {
    case PARAM_INT:
        return g_strdup_printf("%" G_GINT32_FORMAT, param->value.i);
    case PARAM_ULLONG:
        return g_strdup_printf("%" G_GUINT64_FORMAT, param->value.ul);
    case PARAM_STRING:
        return g_uri_escape_string(param->value.s, NULL, FALSE);
    default:
        return NULL; /* no rule has such a type */
    }
}

char *migrate_params_remember(const Params *user)
{
    g_autoptr(GString) line = g_string_new(NULL);

    for (size_t i = 0; user && i < user->count; i++) {
        g_autofree char *value = is_secret(user->items[i].name) ? NULL : value_text(&user->items[i]);

        if (!value)
            return NULL;
        g_string_append_printf(line, "%s%s=%s", line->len ? " " : "", user->items[i].name, value);
    }
    return g_strdup(line->str);
}

static gboolean recall_one(Params *params, const char *name, const char *text)
{
    const ParamRule *rule = migrate_param_rules();
    g_autofree char *value = NULL;
    guint64 number = 0;
    gint64 small = 0;

    while (rule->name && !g_str_equal(rule->name, name))
        rule++;
    if (!rule->name)
        return FALSE;
    if (rule->type == PARAM_STRING && (value = g_uri_unescape_string(text, NULL)))
        params_add_string(params, name, value);
    else if (rule->type == PARAM_ULLONG && g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &number, NULL))
        params_add_ullong(params, name, number);
    else if (rule->type == PARAM_INT && g_ascii_string_to_signed(text, 10, G_MININT32, G_MAXINT32, &small, NULL))
        params_add_int(params, name, (int32_t)small);
    else
        return FALSE;
    return TRUE;
}

Params *migrate_params_recall(const char *line)
{
    g_autoptr(Params) params = params_new();
    g_auto(GStrv) entries = g_strsplit(line, " ", -1);

    for (char **entry = entries; *entry; entry++) {
        char *value = strchr(*entry, '=');

        if (!**entry)
            continue;
        if (!value)
            return NULL;
        *value++ = '\0';
        if (!recall_one(params, *entry, value))
            return NULL;
    }
    return g_steal_pointer(&params);
}

#define NON_SHARED                                                                                 \
    (MIGRATE_NON_SHARED_DISK | MIGRATE_NON_SHARED_INC | MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES)

uint64_t migrate_flags_for_tunnel(uint64_t flags)
{
    flags &= ~(uint64_t)(MIGRATE_PARALLEL | MIGRATE_ZEROCOPY | MIGRATE_POSTCOPY);
    return flags | MIGRATE_PEER2PEER | MIGRATE_TUNNELLED;
}

Params *migrate_params_for_tunnel(const Params *user)
{
    static const char *const unfit[] = {MIGRATE_PARAM_URI, MIGRATE_PARAM_LISTEN_ADDRESS,
                                        MIGRATE_PARAM_POSTCOPY_SPEED, "parallel.connections"};
    Params *params = user ? params_copy(user) : params_new();

    for (size_t i = 0; i < G_N_ELEMENTS(unfit); i++)
        params_remove(params, unfit[i]);
    return params;
}

const char *migrate_tunnel_refusal(uint64_t flags)
{
    if (flags & NON_SHARED)
        return "disks are to be copied too, and they need a connection of their own";
    if (flags & MIGRATE_TLS)
        return "TLS was asked for, and another connection would not be protected by it";
    return flags & MIGRATE_OFFLINE ? "no memory is to be sent" : NULL;
}
