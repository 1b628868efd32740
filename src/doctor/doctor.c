/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor/doctor.h"

#include <sys/stat.h>
#include <time.h>

#include "doctor/process.h"
#include "domain/registry.h"

/* In the order in which they are told within a kind. */
static AWAITS void (*const looks[])(Doctor *doctor) = {
    look_guests, look_processes, look_journals, look_definitions, look_folders,
    look_taps,   look_ports,     look_memory,   look_nonces,      look_images,
};

gboolean doctor_is_fresh(const char *path, int seconds)
{
    struct stat status;

    return stat(path, &status) < 0 || time(NULL) - status.st_mtime < seconds;
}

AWAITS GPtrArray *doctor_examine(gboolean wants_used)
{
    Doctor doctor = {.findings = findings_new(), .wants_used = wants_used};
    const char *run_dir = registry_settings()->qemu->run_dir;

    /* Before anything is compared with it: a process that is found here and unknown afterwards is not just being started. */
    off_floor {
        doctor.processes = process_list("/proc", run_dir);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(looks); i++)
        looks[i](&doctor);
    g_ptr_array_unref(doctor.processes);
    findings_sort(doctor.findings);
    if (doctor.findings->len > FINDINGS_MAX)
        g_ptr_array_set_size(doctor.findings, FINDINGS_MAX);
    return doctor.findings;
}
