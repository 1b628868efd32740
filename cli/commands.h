/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All commands, and the headings under which help lists them. */
#pragma once

#include "command.h"

#define GROUP_GUEST     "Guests"
#define GROUP_MIGRATION "Moving guests"
#define GROUP_LOOK      "Looking at guests"
#define GROUP_HOST      "Hosts"
#define GROUP_EXPERT    "For experts"
#define GROUP_HELP      "Help"

extern const Command command_define;
extern const Command command_undefine;
extern const Command command_create;
extern const Command command_start;
extern const Command command_shutdown;
extern const Command command_reboot;
extern const Command command_reset;
extern const Command command_destroy;
extern const Command command_suspend;
extern const Command command_resume;
extern const Command command_autostart;
extern const Command command_console;
extern const Command command_migrate;
extern const Command command_migration;
extern const Command command_migrate_setspeed;
extern const Command command_migrate_getspeed;
extern const Command command_domjobinfo;
extern const Command command_domjobabort;
extern const Command command_migrate_postcopy;
extern const Command command_doctor;
extern const Command command_list;
extern const Command command_dominfo;
extern const Command command_domstate;
extern const Command command_domid;
extern const Command command_domuuid;
extern const Command command_domname;
extern const Command command_domstats;
extern const Command command_dumpxml;
extern const Command command_event;
extern const Command command_capabilities;
extern const Command command_domcapabilities;
extern const Command command_nodeinfo;
extern const Command command_hostname;
extern const Command command_version;
extern const Command command_uri;
extern const Command command_qemu_monitor_command;
extern const Command command_help;
extern const Command command_complete;
