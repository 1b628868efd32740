/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lies in our own folders: run folders of guests, notes of emulators that were asked, definitions. */
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "doctor/doctor.h"
#include "doctor/process.h"
#include "domain/domain.h"
#include "domain/registry.h"
#include "loop/child.h"
#include "migrate/migration.h"
#include "qemu/note.h"

#define FRESH_S 5 /* what is younger may be in the making, or on its way out */

/* --- run folders --- */

static gboolean is_in_use(const Domain *domain)
{
    return domain && (domain->guest || domain->is_starting || domain_is_active(domain) || domain->is_status_saving);
}

static void add_run_folder(Doctor *doctor, const char *path, const Uuid *uuid)
{
    const Domain *domain = registry_peek_uuid(uuid);
    const OwnProcess *process = process_find_guest(doctor->processes, uuid);
    g_autofree char *status = g_build_filename(path, "status", NULL);
    gboolean is_alive;
    Finding *finding;

    if (is_in_use(domain)) {
        if (doctor->wants_used) {
            finding = findings_add(doctor->findings, FINDING_USED, "run folder", "is that of a running guest");
            finding->where = g_strdup(path);
            finding->guest = g_strdup(domain->name);
        }
        return;
    }
    if (doctor_is_fresh(path, FRESH_S))
        return;
    is_alive = process && process_start_time(process->pid) == process->start_time;
    if (is_alive)
        finding = findings_add(doctor->findings, FINDING_PERSON, "run folder",
                               "is that of QEMU process %d, which this daemon does not manage%s; see there first", (int)process->pid,
                               g_file_test(status, G_FILE_TEST_EXISTS) ? ": its status cannot be read, the log says why"
                                                                       : "");
    else
        finding = findings_add(doctor->findings, FINDING_LEFTOVER, "run folder", "is that of a guest that does not run");
    finding->where = g_strdup(path);
    finding->guest = g_strdup(domain ? domain->name : process ? process->name : NULL);
    finding->command = is_alive ? NULL : finding_command("rm -r", path, NULL);
}

static void add_note(Doctor *doctor, const char *path)
{
    Finding *finding;

    if (doctor_is_fresh(path, FRESH_S) || note_is_true(path))
        return;
    finding = findings_add(doctor->findings, FINDING_LEFTOVER, "note", "speaks of an emulator that was asked and has ended");
    finding->where = g_strdup(path);
    finding->command = finding_command("rm", path, NULL);
}

AWAITS void look_folders(Doctor *doctor)
{
    const char *run_dir = registry_settings()->qemu->run_dir;
    g_autoptr(GDir) dir = g_dir_open(run_dir, 0, NULL);
    Uuid uuid;

    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(run_dir, name, NULL);

        if (uuid_parse(name, &uuid))
            add_run_folder(doctor, path, &uuid);
        else if (g_str_has_prefix(name, NOTE_ASKING))
            add_note(doctor, path);
    }
}

/* --- definitions --- */

/* A name that was too long for a file name cannot be told from the file; those are few. */
static void add_definition(Doctor *doctor, const char *path, const char *stem)
{
    g_autofree char *name = name_decode(stem);
    Finding *finding;

    if (!name || registry_peek_name(name) || doctor_is_fresh(path, FRESH_S))
        return;
    finding = findings_add(doctor->findings, FINDING_PERSON, "definition",
                           "was left out at the start of the daemon, its guest is not listed: the log says why");
    finding->where = g_strdup(path);
    finding->guest = g_steal_pointer(&name);
}

static void add_marker(Doctor *doctor, const char *path, const char *stem)
{
    g_autofree char *name = name_decode(stem);
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *definition = g_strdup_printf("%s/%s.xml", dir, stem);
    Finding *finding;

    if (!name || g_file_test(definition, G_FILE_TEST_EXISTS) || doctor_is_fresh(path, FRESH_S))
        return;
    finding = findings_add(doctor->findings, FINDING_LEFTOVER, "autostart marker",
                           "has no definition: a guest that gets this name later would start by itself");
    finding->where = g_strdup(path);
    finding->guest = g_steal_pointer(&name);
    finding->command = finding_command("rm", path, NULL);
}

AWAITS void look_definitions(Doctor *doctor)
{
    static const struct {
        const char *suffix;
        void (*add)(Doctor *doctor, const char *path, const char *stem);
    } kinds[] = {{".xml", add_definition}, {".autostart", add_marker}};
    g_autofree char *domains = migrate_domains_dir();
    g_autoptr(GDir) dir = g_dir_open(domains, 0, NULL);

    for (const char *name; dir && (name = g_dir_read_name(dir));)
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
            g_autofree char *path = g_build_filename(domains, name, NULL);
            g_autofree char *stem = g_str_has_suffix(name, kinds[i].suffix)
                                        ? g_strndup(name, strlen(name) - strlen(kinds[i].suffix))
                                        : NULL;

            if (stem && *stem != '.')
                kinds[i].add(doctor, path, stem);
        }
}
