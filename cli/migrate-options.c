/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options of `migrate`. */
#include "migrate-options.h"

/* clang-format off */
typedef enum { PARAM_TEXT, PARAM_LIST, PARAM_FILE, PARAM_INT32, PARAM_UINT64 } Shape;

static const struct {
    const char *option;
    const char *param;
    Shape shape;
} params_table[] = {
    { "migrateuri",              "migrate_uri",              PARAM_TEXT },
    { "graphicsuri",             "graphics_uri",             PARAM_TEXT },
    { "listen-address",          "listen_address",           PARAM_TEXT },
    { "dname",                   "destination_name",         PARAM_TEXT },
    { "xml",                     "destination_xml",          PARAM_FILE },
    { "persistent-xml",          "persistent_xml",           PARAM_FILE },
    { "migrate-disks",           "migrate_disks",            PARAM_LIST },
    { "disks-port",              "disks_port",               PARAM_INT32 },
    { "disks-uri",               "disks_uri",                PARAM_TEXT },
    { "comp-methods",            "compression",              PARAM_LIST },
    { "comp-mt-level",           "compression.mt.level",     PARAM_INT32 },
    { "comp-mt-threads",         "compression.mt.threads",   PARAM_INT32 },
    { "comp-mt-dthreads",        "compression.mt.dthreads",  PARAM_INT32 },
    { "comp-xbzrle-cache",       "compression.xbzrle.cache", PARAM_UINT64 },
    { "auto-converge-initial",   "auto_converge.initial",    PARAM_INT32 },
    { "auto-converge-increment", "auto_converge.increment",  PARAM_INT32 },
    { "postcopy-bandwidth",      "bandwidth.postcopy",       PARAM_UINT64 },
    { "parallel-connections",    "parallel.connections",     PARAM_INT32 },
    { "bandwidth",               "bandwidth",                PARAM_UINT64 },
    { "tls-destination",         "tls.destination",          PARAM_TEXT },
};

static const struct {
    const char *option, *needs;
} needs_table[] = {
    { "postcopy-after-precopy", "postcopy" },
    { "timeout-postcopy",       "postcopy" },
    { "postcopy-resume",        "postcopy" },
    { "persistent-xml",         "persistent" },
    { "tls-destination",        "tls" },
};
/* clang-format on */

const Option migrate_options[] = {
    DOMAIN_OPTION,
    {"desturi", OPTION_TEXT, OPTION_REQUIRED,
     "the other host's daemon, as seen from here (with --p2p: from the source): "
     "qemu+ssh://HOST/system, …"},
    {"live", OPTION_FLAG, 0, "let the guest run while its memory is copied",
     .bit = FERRY_MIGRATE_LIVE},
    {"offline", OPTION_FLAG, 0, "move the definition only", .bit = FERRY_MIGRATE_OFFLINE},
    {"p2p", OPTION_FLAG, 0, "the source's daemon leads, not this command",
     .bit = FERRY_MIGRATE_PEER2PEER},
    {"direct", OPTION_FLAG, 0, "without a daemon there (QEMU guests cannot)"},
    {"tunnelled", OPTION_FLAG, 0, "memory through the connection of the daemons; needs --p2p",
     .bit = FERRY_MIGRATE_TUNNELLED},
    {"tunneled", OPTION_FLAG, OPTION_HIDDEN, "", "tunnelled"},
    {"no-fallback", OPTION_FLAG, 0,
     "if its memory finds no way of its own, do not try the daemons' connection or this command's"},
    {"persistent", OPTION_FLAG, 0, "keep its definition there", .bit = FERRY_MIGRATE_PERSIST_DEST},
    {"undefinesource", OPTION_FLAG, 0, "forget its definition here",
     .bit = FERRY_MIGRATE_UNDEFINE_SOURCE},
    {"suspend", OPTION_FLAG, 0, "leave it paused there", .bit = FERRY_MIGRATE_PAUSED},
    {"copy-storage-all", OPTION_FLAG, 0, "copy its disks, too",
     .bit = FERRY_MIGRATE_NON_SHARED_DISK},
    {"copy-storage-inc", OPTION_FLAG, 0, "copy only the top layer of its disks",
     .bit = FERRY_MIGRATE_NON_SHARED_INC},
    {"copy-storage-synchronous-writes", OPTION_FLAG, 0, "guest's writes go to both disks at once",
     .bit = FERRY_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES},
    {"change-protection", OPTION_FLAG, 0,
     "refuse if its definition cannot be kept from changing meanwhile",
     .bit = FERRY_MIGRATE_CHANGE_PROTECTION},
    {"unsafe", OPTION_FLAG, 0, "do not insist on shared storage", .bit = FERRY_MIGRATE_UNSAFE},
    {"check", OPTION_FLAG, 0,
     "change nothing: only say whether it can work, and what stands against it"},
    {"verbose", OPTION_FLAG, 0, "show progress even if this is no terminal"},
    {"compressed", OPTION_FLAG, 0, "compress pages that are sent again",
     .bit = FERRY_MIGRATE_COMPRESSED},
    {"auto-converge", OPTION_FLAG, 0, "slow the guest down if it writes faster than can be copied",
     .bit = FERRY_MIGRATE_AUTO_CONVERGE},
    {"rdma-pin-all", OPTION_FLAG, 0, "pin all memory first", .bit = FERRY_MIGRATE_RDMA_PIN_ALL},
    {"abort-on-error", OPTION_FLAG, 0, "end it if a disk of the guest fails meanwhile",
     .bit = FERRY_MIGRATE_ABORT_ON_ERROR},
    {"postcopy", OPTION_FLAG, 0, "allow switching over before all memory is there",
     .bit = FERRY_MIGRATE_POSTCOPY},
    {"postcopy-after-precopy", OPTION_FLAG, 0, "switch over after the first pass"},
    {"postcopy-resume", OPTION_FLAG, 0, "go on with one that broke after switching over",
     .bit = FERRY_MIGRATE_POSTCOPY_RESUME},
    {"zerocopy", OPTION_FLAG, 0, "send pages without copying them first",
     .bit = FERRY_MIGRATE_ZEROCOPY},
    {"migrateuri", OPTION_TEXT, 0,
     "where the memory goes, tcp://ADDRESS[:PORT]; else the destination says"},
    {"graphicsuri", OPTION_TEXT, 0, "where SPICE clients go"},
    {"listen-address", OPTION_TEXT, 0, "on which of its addresses the destination listens"},
    {"dname", OPTION_TEXT, 0, "its name there"},
    {"timeout", OPTION_NUMBER, 0,
     "seconds after which the guest is paused, so that the copy can end"},
    {"timeout-suspend", OPTION_FLAG, 0, "with --timeout: pause (this is the default)"},
    {"timeout-postcopy", OPTION_FLAG, 0, "with --timeout: switch over instead"},
    {"xml", OPTION_TEXT, OPTION_FILE, "file with the definition to use there"},
    {"migrate-disks", OPTION_TEXT, 0, "which disks to copy, with commas"},
    {"disks-port", OPTION_NUMBER, 0, "port for disks"},
    {"disks-uri", OPTION_TEXT, 0, "where the disks go"},
    {"comp-methods", OPTION_TEXT, 0, "how to compress, with commas"},
    {"comp-mt-level", OPTION_NUMBER, 0, "how hard"},
    {"comp-mt-threads", OPTION_NUMBER, 0, "by how many threads"},
    {"comp-mt-dthreads", OPTION_NUMBER, 0, "and there by how many"},
    {"comp-xbzrle-cache", OPTION_NUMBER, 0, "cache for it, bytes"},
    {"auto-converge-initial", OPTION_NUMBER, 0, "percent to slow down at first"},
    {"auto-converge-increment", OPTION_NUMBER, 0, "and each time more"},
    {"persistent-xml", OPTION_TEXT, OPTION_FILE, "file with the definition to keep there"},
    {"tls", OPTION_FLAG, 0, "encrypt with certificates", .bit = FERRY_MIGRATE_TLS},
    {"postcopy-bandwidth", OPTION_NUMBER, 0, "MiB/s after switching over"},
    {"parallel", OPTION_FLAG, 0, "memory over several connections",
     .bit = FERRY_MIGRATE_PARALLEL},
    {"parallel-connections", OPTION_NUMBER, 0, "so many (2 if not given)"},
    {"bandwidth", OPTION_NUMBER, 0, "at most so many MiB/s"},
    {"tls-destination", OPTION_TEXT, 0, "the name to expect in the certificate"},
    {"relay-bandwidth", OPTION_NUMBER, 0, "at most so many MiB/s through this command, if it relays"},
    JSON_OPTION,
    {NULL},
};
/* clang-format on */

static gboolean no(const char *text)
{
    complain("%s", text);
    return FALSE;
}

static gboolean check(const Arguments *arguments)
{
    gboolean has_action =
        arguments_has(arguments, "timeout-suspend") || arguments_has(arguments, "timeout-postcopy");

    if (arguments_has(arguments, "live") && arguments_has(arguments, "offline"))
        return no("Options --live and --offline are mutually exclusive");
    if (arguments_has(arguments, "timeout-suspend") && arguments_has(arguments, "timeout-postcopy"))
        return no("Options --timeout-suspend and --timeout-postcopy are mutually exclusive");
    for (size_t i = 0; i < G_N_ELEMENTS(needs_table); i++)
        if (arguments_has(arguments, needs_table[i].option) &&
            !arguments_has(arguments, needs_table[i].needs)) {
            complain("Option --%s is required by option --%s", needs_table[i].needs,
                     needs_table[i].option);
            return FALSE;
        }
    if (arguments_has(arguments, "copy-storage-synchronous-writes") &&
        !arguments_has(arguments, "copy-storage-all") &&
        !arguments_has(arguments, "copy-storage-inc"))
        return no("'--copy-storage-synchronous-writes' requires one of '--copy-storage-all', "
                  "'copy-storage-inc'");
    if (arguments_has(arguments, "timeout") && !arguments_has(arguments, "live"))
        return no("migrate: Unexpected timeout for offline migration");
    if (has_action && !arguments_has(arguments, "timeout"))
        return no("migrate: Unexpected --timeout-* option without --timeout");
    if (arguments_has(arguments, "direct"))
        return no("argument unsupported: direct migration is not supported by the source host");
    return TRUE;
}

static gboolean add_param(FerryParams *params, const char *option, const char *param, Shape shape,
                          const Arguments *arguments)
{
    const char *text = arguments_text(arguments, option);
    guint64 number = arguments_number(arguments, option, 0);
    g_autofree char *content = NULL;
    g_auto(GStrv) words = NULL;

    switch (shape) {
    case PARAM_TEXT:
        ferry_params_add_string(params, param, text);
        return TRUE;
    case PARAM_LIST:
        words = g_strsplit(text, ",", -1);
        for (char **word = words; *word; word++)
            ferry_params_add_string(params, param, *word);
        return TRUE;
    case PARAM_FILE:
        content = read_file(text);
        if (content)
            ferry_params_add_string(params, param, content);
        return content != NULL;
    case PARAM_INT32:
        if (number > G_MAXINT32) {
            complain("Numeric value '%s' for <%s> option is malformed or out of range", text,
                     option);
            return FALSE;
        }
        ferry_params_add_int(params, param, (int32_t)number);
        return TRUE;
    case PARAM_UINT64:
        ferry_params_add_ullong(params, param, number);
        return TRUE;
    }
    return FALSE;
}

gboolean migrate_options_read(const Arguments *arguments, unsigned *ret_flags, FerryParams *params)
{
    if (!check(arguments))
        return FALSE;
    for (size_t i = 0; i < G_N_ELEMENTS(params_table); i++)
        if (arguments_has(arguments, params_table[i].option) &&
            !add_param(params, params_table[i].option, params_table[i].param, params_table[i].shape,
                       arguments))
            return FALSE;
    *ret_flags = arguments_bits(arguments);
    return TRUE;
}
