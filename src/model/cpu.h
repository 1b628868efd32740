/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's processor. */
#pragma once

#include "xml/field.h"
#include "xml/writer.h"

typedef enum {
    GUEST_CPU_DEFAULT, /* no model said: QEMU's default of the machine */
    GUEST_CPU_CUSTOM,
    GUEST_CPU_HOST_PASSTHROUGH,
    GUEST_CPU_MAXIMUM,
} GuestCpuMode;

typedef enum {
    GUEST_CPU_MATCH_DEFAULT,
    GUEST_CPU_MATCH_EXACT
} GuestCpuMatch; /* minimum and strict are refused */
typedef enum {
    GUEST_CPU_CHECK_DEFAULT,
    GUEST_CPU_CHECK_NONE,
    GUEST_CPU_CHECK_PARTIAL,
    GUEST_CPU_CHECK_FULL
} GuestCpuCheck;
typedef enum {
    GUEST_CPU_FALLBACK_DEFAULT,
    GUEST_CPU_FALLBACK_ALLOW,
    GUEST_CPU_FALLBACK_FORBID
} GuestCpuFallback;
typedef enum {
    GUEST_CPU_FEATURE_FORCE,
    GUEST_CPU_FEATURE_REQUIRE,
    GUEST_CPU_FEATURE_OPTIONAL,
    GUEST_CPU_FEATURE_DISABLE,
    GUEST_CPU_FEATURE_FORBID,
} GuestCpuPolicy;

typedef struct {
    char *name;
    GuestCpuPolicy policy;
} GuestCpuFeature;

typedef struct {
    GuestCpuMode mode;
    GuestCpuMatch match;
    GuestCpuCheck check;
    Switch migratable; /* host-passthrough, maximum */
    char *model;       /* custom */
    GuestCpuFallback fallback;
    char *vendor;                           /* kept and compared, never given to QEMU */
    unsigned sockets, dies, cores, threads; /* all 0: no topology said */
    GPtrArray *features;                    /* of GuestCpuFeature *, in the XML's order */
} GuestCpu;

extern const EnumName guest_cpu_mode_names[];
extern const EnumName guest_cpu_policy_names[];

/* One <cpu> element, as the migration cookie carries it. */
void guest_cpu_format(const GuestCpu *cpu, XmlWriter *writer);
/* Adds it or changes its policy. */
void guest_cpu_set_feature(GuestCpu *cpu, const char *name, GuestCpuPolicy policy);

/* The definition's own, embedded one. */
void guest_cpu_init(GuestCpu *cpu);
void guest_cpu_clear(GuestCpu *cpu);
gboolean guest_cpu_read(GuestCpu *cpu, XmlNode *node, GError **error);
void guest_cpu_copy_into(GuestCpu *into, const GuestCpu *cpu); /* into: initialised and empty */
/* "Target CPU X does not match source Y" */
gboolean guest_cpu_compare_abi(const GuestCpu *source, const GuestCpu *target, GError **error);
