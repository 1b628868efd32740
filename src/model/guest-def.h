/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest is: the whole definition, from XML and back.  Pure data; it owns all that it points
 * to. The rule: what is not understood is refused by name, and what was once filled in stays. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/uuid.h"
#include "model/balloon.h"
#include "model/clock.h"
#include "model/controller.h"
#include "model/cpu.h"
#include "model/disk.h"
#include "model/input.h"
#include "model/interface.h"
#include "model/rng.h"
#include "model/serial.h"

#define GUEST_NAME_MAX  255 /* bytes */
#define GUEST_VCPUS_MAX 288
#define GUEST_BOOT_MAX  4

typedef enum { GUEST_VIRT_QEMU, GUEST_VIRT_KVM } GuestVirt;
typedef enum { GUEST_BOOT_FD, GUEST_BOOT_HD, GUEST_BOOT_CDROM, GUEST_BOOT_NETWORK } GuestBoot;
typedef enum {
    GUEST_ACTION_UNSET, /* only before the defaults are filled in */
    GUEST_ACTION_DESTROY,
    GUEST_ACTION_RESTART,
    GUEST_ACTION_PRESERVE,
} GuestAction;

typedef struct {
    char *arch;    /* x86_64 */
    char *machine; /* as written until the defaults are filled in; then a versioned name */
    char *kernel;
    char *initrd;
    char *cmdline;
    GuestBoot boot[GUEST_BOOT_MAX];
    unsigned boot_count;
} GuestOs;

typedef struct {
    gboolean has_acpi;
    gboolean has_apic;
    gboolean has_pae;
    Switch vmport; /* -machine vmport= */
    Switch smm;    /* -machine smm= */
    Switch pmu;    /* -cpu …,pmu= */
} GuestFeatures;

typedef struct {
    char *type;  /* dynamic or none */
    char *model; /* NULL: any */
    Switch relabel;
} GuestSeclabel;

typedef struct GuestDef {
    GuestVirt virt;
    int id; /* live; -1 when not running */
    char *name;
    Uuid uuid; /* all zero only before the defaults are filled in */
    char *title;
    char *description;
    char *metadata; /* what stands between <metadata> and </metadata>, to the byte; NULL: none */
    uint64_t memory_kib;
    uint64_t current_memory_kib; /* 0 only before the defaults are filled in */
    unsigned vcpus;              /* the most it can have */
    unsigned current_vcpus;      /* all of them unless the XML says less */
    char *partition;             /* <resource><partition> */
    GuestOs os;
    GuestFeatures features;
    GuestCpu cpu;
    GuestClock clock;
    GuestAction on_poweroff;
    GuestAction on_reboot;
    GuestAction on_crash;
    Switch suspend_to_mem; /* <pm> */
    Switch suspend_to_disk;
    char *emulator;
    GPtrArray *disks;       /* of GuestDisk * */
    GPtrArray *controllers; /* of GuestController * */
    GPtrArray *interfaces;  /* of GuestInterface * */
    GPtrArray *serials;     /* of GuestSerial *; the first is the console */
    GPtrArray *inputs;      /* of GuestInput * */
    GPtrArray *rngs;        /* of GuestRng * */
    GuestBalloon balloon;
    gboolean has_audio;   /* <audio id='1' type='none'/>; QEMU gets -audiodev none in any case */
    GPtrArray *seclabels; /* of GuestSeclabel * */
} GuestDef;

typedef enum {
    GUEST_PARSE_INACTIVE =
        0, /* id, aliases, pty paths and whatever else only a running guest has are left out */
    GUEST_PARSE_LIVE = 1 << 0, /* they are kept: the status file */
} GuestParseFlags;

typedef enum {
    GUEST_FORMAT_LIVE = 0,          /* with id, aliases, pty paths, node numbers */
    GUEST_FORMAT_INACTIVE = 1 << 0, /* without them */
    GUEST_FORMAT_SECURE = 1 << 1,   /* with secrets; there are none yet */
    GUEST_FORMAT_MIGRATABLE =
        1 << 2, /* what Begin hands to a destination, also to an older stock one */
} GuestFormatFlags;

/* ERROR_XML_ERROR for what is malformed (with the line), ERROR_CONFIG_UNSUPPORTED for what this
 * host does not do (with element, attribute, line). */
GuestDef *guest_def_parse(const char *xml, size_t len, GuestParseFlags flags, GError **error);
/* The caller frees it. */
char *guest_def_format(const GuestDef *def, GuestFormatFlags flags);
GuestDef *guest_def_copy(const GuestDef *def);
void guest_def_free(GuestDef *def);

/* What define needs to know of this host. */
typedef struct {
    const char *alias;   /* q35 */
    const char *machine; /* pc-q35-7.2 */
} GuestMachineAlias;

typedef struct {
    const char *emulator;                     /* for a definition that names none */
    const char *machine;                      /* likewise; NULL: "pc" */
    const GuestMachineAlias *machine_aliases; /* ends with { NULL } */
    const char *const
        *machines; /* versioned names the emulator has, ends with NULL; NULL: not asked */
    /* Random bytes for uuid and mac; NULL: the system's. */
    void (*random_bytes)(void *data, void *buffer, size_t len);
    void *random_data;
} GuestFacts;

/* What define fills in and what then stays: uuid, mac, versioned machine, controllers, addresses,
 * balloon, … Filling twice changes nothing.  Fails on addresses that collide or name no bus. */
gboolean guest_def_fill_defaults(GuestDef *def, const GuestFacts *facts, GError **error);
/* At a start: gives every device its alias (user aliases stay) and every image its node number. */
void guest_def_assign_aliases(GuestDef *def);
/* Forgets id, aliases, pty paths, vnetN names, node numbers. */
void guest_def_clear_live(GuestDef *def);

/* Would a guest notice that target is not source?  Error: "Target domain X does not match source
 * Y". */
gboolean guest_def_compare_abi(const GuestDef *source, const GuestDef *target, GError **error);

/* A name this host refuses: empty, longer than GUEST_NAME_MAX bytes, with '/' or control bytes, not
 * UTF-8, "." or "..". */
gboolean guest_name_check(const char *name, GError **error);
gboolean guest_def_rename(GuestDef *def, const char *name, GError **error);

/* Typed access: guest_def_disk(def, i) for i < def->disks->len. */
static inline GuestDisk *guest_def_disk(const GuestDef *def, unsigned i)
{
    return (GuestDisk *)g_ptr_array_index(def->disks, i);
}
static inline GuestController *guest_def_controller(const GuestDef *def, unsigned i)
{
    return (GuestController *)g_ptr_array_index(def->controllers, i);
}
static inline GuestInterface *guest_def_interface(const GuestDef *def, unsigned i)
{
    return (GuestInterface *)g_ptr_array_index(def->interfaces, i);
}
static inline GuestSerial *guest_def_serial(const GuestDef *def, unsigned i)
{
    return (GuestSerial *)g_ptr_array_index(def->serials, i);
}
static inline GuestRng *guest_def_rng(const GuestDef *def, unsigned i)
{
    return (GuestRng *)g_ptr_array_index(def->rngs, i);
}

/* NULL if there is none. */
GuestDisk *guest_def_find_disk(const GuestDef *def, const char *target);
GuestController *guest_def_find_controller(const GuestDef *def, GuestControllerType type,
                                           int index);
GuestSerial *guest_def_find_console(const GuestDef *def);
/* By alias or console alias; a device name as the console call takes it; NULL: the first. */
GuestSerial *guest_def_find_serial(const GuestDef *def, const char *alias);

/* The bootindex of a device: its own boot order, else from <os><boot dev=>; 0: none. */
unsigned guest_def_disk_boot_index(const GuestDef *def, const GuestDisk *disk);
unsigned guest_def_interface_boot_index(const GuestDef *def, const GuestInterface *interface);

gboolean guest_def_is_q35(const GuestDef *def);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestDef, guest_def_free)
