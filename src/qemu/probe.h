/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an emulator can do: asked once of the program itself, without a guest, as QEMU's user and
 * with a time limit; kept in memory and on disk by path, inode and time of change. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "loop/task.h"
#include "qemu/env.h"

typedef struct {
    char *name;  /* "pc-q35-7.2" */
    char *alias; /* "q35" or NULL */
    unsigned max_cpus;
    gboolean is_default, is_deprecated;
    char *default_cpu; /* a model's name, "qemu64" */
    char *default_ram; /* RAM block id, "pc.ram" */
} ProbeMachine;

typedef struct {
    char *name;          /* "Westmere" */
    gboolean is_variant; /* "Westmere-v1", "host", "max": understood, but not what hosts list as
                            models */
    gboolean is_deprecated;
    gboolean is_usable_tcg, is_usable_kvm; /* this host can give all of it; kvm false without KVM */
    char **blockers_tcg, **blockers_kvm;   /* features that are missing, or NULL */
} ProbeCpu;

typedef struct Probe {
    char *emulator;   /* path */
    char *arch;       /* "x86_64" */
    unsigned version; /* 7002022 */
    char *package;    /* "Debian 1:7.2+dfsg-7" */
    gboolean has_kvm; /* QEMU itself could open KVM (whether it works, kvm_works says) */
    ProbeMachine *machines;
    unsigned machine_count;
    ProbeCpu *cpus;
    unsigned cpu_count;
    GHashTable *devices;           /* set of char *: device types */
    GHashTable *commands;          /* set of char *: QMP commands */
    char **migration_capabilities; /* as query-migrate-capabilities lists them */
} Probe;

/* Cached answers are kept in cache_dir (may be NULL: memory only). */
ProbeCache *probe_cache_new(const QemuEnv *env, const char *cache_dir);
void probe_cache_free(ProbeCache *cache);
/* Ends emulators that were being asked when this daemon, or one before it, ended: at start-up and
 * at the very end. */
void probe_end_leftovers(const QemuEnv *env);
/* Starts asking every qemu-system-* of emulator_dirs, on a task of its own. */
void probe_prefill(ProbeCache *cache);
/* Files that could be emulators for this host's architecture; the caller frees with g_strfreev. */
char **probe_list_emulators(const QemuEnv *env);

/* The answer for that emulator, asking it if need be; several callers share one asking.  The result
 * is borrowed and lives as long as the cache (an emulator that changed on disk gets a new one; old
 * ones stay valid). */
AWAITS const Probe *probe_get(ProbeCache *cache, const char *emulator, GError **error);
/* Only what is known already (and still true of the file); NULL if nothing is. */
const Probe *probe_peek(ProbeCache *cache, const char *emulator);
/* The emulator for a guest that names none: emulator_dirs/qemu-system-ARCH.  The caller frees; NULL
 * with an error. */
char *probe_default_emulator(const QemuEnv *env, const char *arch, GError **error);
/* ERROR_CONFIG_UNSUPPORTED with the remedy unless it is a root-owned executable file in
 * emulator_dirs. */
gboolean probe_check_emulator(const QemuEnv *env, const char *emulator, GError **error);

/* By name or alias; NULL if unknown. */
const ProbeMachine *probe_find_machine(const Probe *probe, const char *name);
const ProbeCpu *probe_find_cpu(const Probe *probe, const char *name);
gboolean probe_has_device(const Probe *probe, const char *type);
gboolean probe_has_migration_capability(const Probe *probe, const char *capability);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ProbeCache, probe_cache_free)
