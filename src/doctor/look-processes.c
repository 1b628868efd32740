/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU processes, and what only processes can hold: taps and ports. */
#include <linux/if_link.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "doctor/process.h"
#include "domain/domain.h"
#include "domain/registry.h"
#include "host/netlink.h"
#include "loop/child.h"
#include "migrate/migration.h"
#include "model/guest-def.h"
#include "model/interface.h"
#include "qemu/guest.h"

#define PROC       "/proc"
#define TAP_PREFIX "vnet"

/* --- processes --- */

static gboolean is_managed(const OwnProcess *process)
{
    const Domain *domain = process->has_guest ? registry_peek_uuid(&process->uuid) : NULL;

    if (!process->has_guest)
        return process->parent == getpid(); /* we are asking it */
    return domain && (domain->is_starting || (domain->guest && qemu_guest_pid(domain->guest) == process->pid));
}

static void add_process(Doctor *doctor, const OwnProcess *process)
{
    char uuid[UUID_TEXT_SIZE];
    g_autofree char *what = g_strdup_printf("QEMU process %d", (int)process->pid);
    g_autofree char *pid = g_strdup_printf("%d", (int)process->pid);
    Finding *finding;

    if (process_start_time(process->pid) != process->start_time)
        return; /* it has ended meanwhile */
    if (is_managed(process)) {
        if (doctor->wants_used)
            findings_add(doctor->findings, FINDING_USED, what, process->has_guest ? "runs a guest of this host" : "is being asked what it can do")
                ->guest = g_strdup(process->name);
        return;
    }
    if (!process->has_guest) {
        finding = findings_add(doctor->findings, FINDING_LEFTOVER, what,
                               "was asked by a daemon that has ended what it can do; no guest is in it");
        finding->command = finding_command("kill -9", pid, NULL);
        return;
    }
    finding = findings_add(doctor->findings, FINDING_PERSON, what,
                           "was started for guest '%s' (%s), and this daemon does not manage it: its guest may be running "
                           "there; look whether it is needed before you end it",
                           process->name ?: "?", uuid_format(&process->uuid, uuid));
    finding->guest = g_strdup(process->name);
    finding->command = finding_command("kill", pid, NULL);
}

AWAITS void look_processes(Doctor *doctor)
{
    for (unsigned i = 0; i < doctor->processes->len; i++)
        add_process(doctor, doctor->processes->pdata[i]);
}

/* --- taps --- */

static void take_tap(const struct nlmsghdr *answer, void *data)
{
    g_autofree char *name = netlink_text(netlink_find(answer, sizeof(struct ifinfomsg), IFLA_IFNAME));
    g_autofree char *kind = netlink_text(
        netlink_find_inside(netlink_find(answer, sizeof(struct ifinfomsg), IFLA_LINKINFO), IFLA_INFO_KIND));

    if (name && g_str_has_prefix(name, TAP_PREFIX) && g_strcmp0(kind, "tun") == 0)
        g_ptr_array_add(data, g_steal_pointer(&name));
}

/* Name of the tap to name of the guest. */
static GHashTable *used_taps(void)
{
    GHashTable *used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GPtrArray) all = registry_list(0);

    for (unsigned i = 0; i < all->len; i++) {
        const Domain *domain = all->pdata[i];

        for (unsigned n = 0; domain->guest && domain->live && n < domain->live->interfaces->len; n++) {
            const char *tap = guest_def_interface(domain->live, n)->target_dev;

            if (tap)
                g_hash_table_insert(used, g_strdup(tap), g_strdup(domain->name));
        }
    }
    return used;
}

static gboolean is_any_starting(void)
{
    g_autoptr(GPtrArray) all = registry_list(0);

    for (unsigned i = 0; i < all->len; i++)
        if (((const Domain *)all->pdata[i])->is_starting)
            return TRUE;
    return FALSE;
}

/* Who holds what: each tap (by name) or socket (by inode) of a process of ours, to its OwnProcess.  Off the floor. */
static GHashTable *tap_holders(const GPtrArray *processes)
{
    GHashTable *holders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (unsigned i = 0; i < processes->len; i++) {
        OwnProcess *process = processes->pdata[i];
        g_autoptr(GHashTable) taps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        GHashTableIter iter;
        gpointer tap;

        process_holds(PROC, process->pid, taps, NULL);
        g_hash_table_iter_init(&iter, taps);
        while (g_hash_table_iter_next(&iter, &tap, NULL))
            g_hash_table_insert(holders, g_strdup(tap), process);
    }
    return holders;
}

static GHashTable *socket_holders(const GPtrArray *processes)
{
    GHashTable *holders = g_hash_table_new(NULL, NULL);

    for (unsigned i = 0; i < processes->len; i++) {
        OwnProcess *process = processes->pdata[i];
        g_autoptr(GHashTable) inodes = g_hash_table_new(NULL, NULL);
        GHashTableIter iter;
        gpointer inode;

        process_holds(PROC, process->pid, NULL, inodes);
        g_hash_table_iter_init(&iter, inodes);
        while (g_hash_table_iter_next(&iter, &inode, NULL))
            g_hash_table_insert(holders, inode, process);
    }
    return holders;
}

/* By a process that may run a guest: it is to be looked at first, as its own finding says. */
static void add_held(Doctor *doctor, const char *what, const OwnProcess *holder)
{
    g_autofree char *pid = g_strdup_printf("%d", (int)holder->pid);
    Finding *finding = findings_add(doctor->findings, holder->has_guest ? FINDING_PERSON : FINDING_LEFTOVER, what,
                                    "is held by QEMU process %s, and goes with it", pid);

    finding->guest = g_strdup(holder->name);
    finding->command = finding_command("kill", pid, NULL);
}

/* all: what any program of this host holds, read when it is first needed. */
static AWAITS void add_tap(Doctor *doctor, const char *tap, const char *guest, gboolean is_held_by_us, const OwnProcess *holder,
                           GHashTable **all)
{
    g_autofree char *what = g_strdup_printf("tap %s", tap);
    Finding *finding;

    if (guest) {
        if (doctor->wants_used)
            findings_add(doctor->findings, FINDING_USED, what, "is an interface of a running guest")->guest = g_strdup(guest);
    } else if (is_held_by_us) {
        finding = findings_add(doctor->findings, FINDING_LEFTOVER, what, "is held open by ferryd itself, for no guest");
        finding->command = g_strdup("systemctl restart ferryd");
    } else if (holder) {
        add_held(doctor, what, holder);
    } else {
        if (!*all) {
            off_floor {
                *all = process_all_taps(PROC);
            }
        }
        if (g_hash_table_contains(*all, tap)) /* by another program: libvirtd names its taps so as well */
            return;
        finding = findings_add(doctor->findings, FINDING_PERSON, what,
                               "is there without a process that holds it: somebody made it to stay; ferryd makes none of that kind");
        finding->command = finding_command("ip link delete", tap, NULL);
    }
}

AWAITS void look_taps(Doctor *doctor)
{
    g_autoptr(GPtrArray) taps = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) ours = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) holders = NULL;
    g_autoptr(GHashTable) used = NULL;
    g_autoptr(GHashTable) all = NULL;

    off_floor {
        netlink_dump_links(take_tap, taps);
        process_holds(PROC, 0, ours, NULL);
        holders = tap_holders(doctor->processes);
    }
    if (is_any_starting()) /* its taps are ours until QEMU has them, and are named when it has */
        return;
    used = used_taps();
    for (unsigned i = 0; i < taps->len; i++)
        add_tap(doctor, taps->pdata[i], g_hash_table_lookup(used, taps->pdata[i]), g_hash_table_contains(ours, taps->pdata[i]),
                g_hash_table_lookup(holders, taps->pdata[i]), &all);
}

/* --- ports --- */

static void add_port(Doctor *doctor, unsigned port, const OwnProcess *holder)
{
    g_autofree char *what = g_strdup_printf("port %u", port);

    if (!holder || is_managed(holder)) {
        if (doctor->wants_used)
            findings_add(doctor->findings, FINDING_USED, what, "%s", holder ? "is listened on by a guest's QEMU" : "waits for a migration");
        return;
    }
    add_held(doctor, what, holder);
}

/* A port is reserved by nothing but the socket that listens: what has ended holds none.  Left are processes. */
AWAITS void look_ports(Doctor *doctor)
{
    const PortRange range = migrate_settings()->ports;
    g_autoptr(GHashTable) listening = NULL;
    g_autoptr(GHashTable) ours = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) holders = NULL;
    unsigned busy = 0;

    off_floor {
        listening = process_listening(PROC);
        process_holds(PROC, 0, NULL, ours);
        holders = socket_holders(doctor->processes);
    }
    for (unsigned port = range.first; port <= range.last; port++) {
        const void *inode = g_hash_table_lookup(listening, GUINT_TO_POINTER(port));
        const OwnProcess *holder = inode ? g_hash_table_lookup(holders, inode) : NULL;

        busy += inode != NULL;
        if (inode && (holder || g_hash_table_contains(ours, inode)))
            add_port(doctor, port, holder);
    }
    if (busy == (unsigned)(range.last - range.first) + 1)
        findings_add(doctor->findings, FINDING_PERSON, "migration ports",
                     "all ports from %u to %u are in use: no further guest can come here; widen migration_port_min/max in "
                     "ferryd.conf, or wait",
                     range.first, range.last);
}
