/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The name of a command is looked at as it is after parsing: in JSON a name may be written with escapes, and people's monitor
 * takes any white space before it. */
#include "qemu/monitor-text.h"

#include <string.h>

#include "qmp/lines.h"

#define HMP_BLANKS " \t\n\v\f\r"

static const char *const gated_commands[] = {
    "cont", "system_reset", "system_wakeup", "x-exit-preconfig", "quit", "set_link", "loadvm", "snapshot-load", "xen-load-devices-state",
    "migrate", "migrate-incoming", "migrate-continue", "migrate_cancel", "migrate-recover", "migrate-pause", "migrate-start-postcopy",
    "x-colo-lost-heartbeat", "yank", "replay-seek", NULL,
};

static const char *const gated_lines[] = {
    "cont", "c", "system_reset", "system_wakeup", "exit_preconfig", "quit", "q", "set_link", "loadvm",
    "migrate", "migrate_incoming", "migrate_continue", "migrate_cancel", "migrate_recover", "migrate_pause", "migrate_start_postcopy",
    "x_colo_lost_heartbeat", "replay_seek", "gdbserver" /* a debugger runs it */, NULL,
};

/* A slash after the name begins a format. */
static gboolean is_line_gated(const char *line)
{
    const char *name = line + strspn(line, HMP_BLANKS);
    g_autofree char *copy = g_strndup(name, strcspn(name, HMP_BLANKS "/"));

    return g_strv_contains(gated_lines, copy);
}

static const char *text_of(json_object *object, const char *name)
{
    json_object *member = NULL;

    return json_object_object_get_ex(object, name, &member) && json_object_is_type(member, json_type_string)
               ? json_object_get_string(member)
               : "";
}

static gboolean is_command_gated(json_object *message, const char *name)
{
    json_object *arguments = NULL;

    if (!g_str_equal(name, "human-monitor-command"))
        return g_strv_contains(gated_commands, name);
    return json_object_object_get_ex(message, "arguments", &arguments) && is_line_gated(text_of(arguments, "command-line"));
}

gboolean monitor_text_is_gated(const char *text, gboolean is_hmp)
{
    g_autoptr(json_object) message = is_hmp ? NULL : qmp_object_parse(text, NULL);

    if (is_hmp)
        return is_line_gated(text);
    return message && (is_command_gated(message, text_of(message, "execute")) || is_command_gated(message, text_of(message, "exec-oob")));
}
