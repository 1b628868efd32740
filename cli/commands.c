/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All commands, in the order in which help lists them. */
#include "commands.h"

const Command *const commands[] = {
    &command_define,
    &command_undefine,
    &command_create,
    &command_start,
    &command_shutdown,
    &command_reboot,
    &command_reset,
    &command_destroy,
    &command_suspend,
    &command_resume,
    &command_autostart,
    &command_console,
    &command_migrate,
    &command_migration,
    &command_migrate_setspeed,
    &command_migrate_getspeed,
    &command_migrate_postcopy,
    &command_domjobinfo,
    &command_domjobabort,
    &command_list,
    &command_dominfo,
    &command_domstate,
    &command_domid,
    &command_domuuid,
    &command_domname,
    &command_domstats,
    &command_dumpxml,
    &command_event,
    &command_capabilities,
    &command_domcapabilities,
    &command_doctor,
    &command_nodeinfo,
    &command_hostname,
    &command_version,
    &command_uri,
    &command_qemu_monitor_command,
    &command_help,
    &command_complete,
    NULL,
};

const Command *command_find(const char *name)
{
    for (const Command *const *command = commands; *command; command++)
        if (g_str_equal((*command)->name, name))
            return *command;
    return NULL;
}
