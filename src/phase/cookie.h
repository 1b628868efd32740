/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cookies: what the two sides tell each other through whoever drives the migration.  C1 Begin →
 * Prepare, C2 Prepare → Perform, C3 Perform → Finish, C4 Finish → Confirm.  XML with a NUL behind
 * it, the same as stock hosts write and read; our own section <ferry> they skip.  Pure: a struct
 * comes out, a struct goes in. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/enum.h"
#include "base/uuid.h"
#include "phase/stats.h"

#define COOKIE_BYTES_MAX     (4 * 1024 * 1024) /* on the wire, with the NUL */
#define COOKIE_ATTEMPT_SIZE  33                /* 32 hexadecimal digits and NUL */
#define COOKIE_TOKEN_BYTES   32
#define COOKIE_ADDRESSES_MAX 32 /* the best ones: the sender has ranked them */
#define COOKIE_LITERAL_MAX   64 /* bytes; an IPv6 address with a scope */
#define COOKIE_ORIGIN_MAX    128

typedef enum { /* what the reader must know, or refuse the cookie */
               COOKIE_GRAPHICS = 1 << 0,
               COOKIE_LOCKSTATE = 1 << 1,
               COOKIE_PERSISTENT = 1 << 2,
               COOKIE_NETWORK = 1 << 3,
               COOKIE_NBD = 1 << 4,
               COOKIE_STATISTICS = 1 << 5,
               COOKIE_MEMORY_HOTPLUG = 1 << 6,
               COOKIE_CPU_HOTPLUG = 1 << 7,
               COOKIE_CPU = 1 << 8,
               COOKIE_ALLOW_REBOOT = 1 << 9,
               COOKIE_CAPABILITIES = 1 << 10,
               COOKIE_DIRTY_BITMAPS = 1 << 11,
               COOKIE_STORAGE_PROOF = 1 << 12, /* ours: whoever cannot read the proofs refuses */
} CookieFeature;

extern const EnumName cookie_feature_names[];

/* Features that may come as mandatory in the cookie that this phase reads; the rest is refused. */
typedef enum {
    COOKIE_FOR_PREPARE,
    COOKIE_FOR_PERFORM,
    COOKIE_FOR_FINISH,
    COOKIE_FOR_CONFIRM
} CookieReader;

typedef struct {
    char *name;
    gboolean is_auto; /* this side always switches it on */
} CookieCapability;

typedef struct {
    char *target;
    uint64_t capacity_bytes;
} CookieDisk;

typedef struct {
    char *target, *bitmap, *alias;
} CookieBitmap;

#define COOKIE_PROOF_ID_BYTES     16
#define COOKIE_PROOF_SECRET_BYTES 32
#define COOKIE_PROOFS_MAX         256

/* What shows the destination that an image is the same file there: what the source has written
 * beside it, or the serial number of a device. */
typedef struct {
    char *target;   /* vda */
    unsigned layer; /* 0: the image itself, 1: what it is based on, … */
    char *id;       /* hexadecimal, part of a file's name */
    char *secret;   /* hexadecimal, the content of that file */
    uint64_t inode;
    char *serial; /* a device's; NULL: a file */
} CookieProof;

typedef struct {
    unsigned index;
    char *vport_type;
    char *port_data; /* NULL: none */
} CookieInterface;

/* Words of the hand-over as they travel. */
typedef enum {
    COOKIE_WORD_NONE,
    COOKIE_WORD_OFFERED,
    COOKIE_WORD_PREPARED,
    COOKIE_WORD_GO,
    COOKIE_WORD_TAKEN,
    COOKIE_WORD_REFUSED,
    COOKIE_WORD_LOST,
} CookieWord;

extern const EnumName cookie_word_names[]; /* "OFFERED", … */

/* Where the sender says that it can be reached. */
typedef struct {
    char *literal; /* "192.0.2.1", "fe80::1%eth0"; a word without blanks, not checked further */
    char *origin;  /* how the sender knows it, for people: "interface eth0" */
} CookieAddress;

/* <ferry>: its presence says that the sender is a ferryd. */
typedef struct {
    char attempt[COOKIE_ATTEMPT_SIZE];
    Uuid uuid; /* the guest's */
    uint64_t epoch;
    gboolean has_token;
    uint8_t token[COOKIE_TOKEN_BYTES]; /* secret */
    CookieWord word;
    gboolean wants_paused; /* its user left it paused */
    char *definition;      /* C1: what is to be defined at the destination; NULL: nothing */
    uint16_t port;         /* where the sender listens for this migration; 0: nowhere */
    GPtrArray *addresses;  /* CookieAddress, best first; never NULL */
} CookieFerry;

typedef struct {
    char *name; /* of the guest, before any renaming */
    Uuid uuid;
    char *hostname;    /* the sender's, for people */
    Uuid host_uuid;    /* the sender's */
    unsigned features; /* mandatory ones, CookieFeature */

    gboolean has_graphics;
    char *graphics_type;
    unsigned graphics_port;
    char *graphics_listen;
    int graphics_tls_port; /* -1: none */
    char *graphics_subject;

    char *lock_driver; /* NULL: no <lockstate> element */
    char *lock_leases;

    char *domain_xml; /* persistent definition, <domain>…</domain>; NULL: none */

    GArray *interfaces; /* CookieInterface; never NULL */

    gboolean has_nbd;
    unsigned nbd_port; /* 0: none */
    GArray *nbd_disks; /* CookieDisk; never NULL */

    gboolean has_stats;
    MigrationStats stats;

    char *cpu_xml; /* <cpu>…</cpu>; NULL: none */

    gboolean has_capabilities; /* the element, even if the list is empty */
    GArray *capabilities;      /* CookieCapability; never NULL */
    GArray *bitmaps;           /* CookieBitmap; never NULL */
    GArray *proofs;            /* CookieProof; never NULL */

    CookieFerry *ferry; /* NULL: the sender is a stock host */
} MigrationCookie;      /* owns all */

MigrationCookie *cookie_new(const char *name, const Uuid *uuid, const char *hostname,
                            const Uuid *host_uuid);
void cookie_free(MigrationCookie *cookie);
void cookie_add_capability(MigrationCookie *cookie, const char *name, gboolean is_auto);
void cookie_add_disk(MigrationCookie *cookie, const char *target, uint64_t capacity_bytes);
GArray *cookie_proofs_new(void); /* of CookieProof, whose contents it owns */
void cookie_proof_copy(const CookieProof *proof, CookieProof *ret_copy);
void cookie_proof_clear(CookieProof *proof);
/* Is it complete, and are id and secret what they have to be? */
gboolean cookie_proof_check(const CookieProof *proof);
/* One line, and back: for answers outside of cookies. */
char *cookie_proof_format(const CookieProof *proof);
gboolean cookie_proof_parse(const char *text, CookieProof *ret_proof);
/* A stock destination refuses proofs as an unknown feature, whose name says what it means.  Makes a
 * refusal as unsafe of it, as a source would have said it. */
void cookie_explain_refusal(GError **error);
/* The cookie's own, made if it was not there. */
CookieFerry *cookie_ferry(MigrationCookie *cookie);
/* At the end.  Too many of them, or a text that a reader would refuse: FALSE, and it is left out.
 */
gboolean cookie_add_address(CookieFerry *ferry, const char *literal, const char *origin);
/* Would a reader take it?  Text that stands in tables and logs has no control characters. */
gboolean cookie_address_is_fit(const char *literal, const char *origin);

/* With the final NUL counted.  ERROR_INTERNAL_ERROR if it would be over COOKIE_BYTES_MAX. */
GBytes *cookie_format(const MigrationCookie *cookie, GError **error);

/* NULL and no NUL, not XML, an element missing, a mandatory feature that is unknown or that the
 * reader does not expect: an error in stock's words.  What is merely unknown is skipped. */
MigrationCookie *cookie_parse(const void *bytes, size_t len, CookieReader reader, GError **error);

/* The guest is the one meant, and the sender is another host.  name: what the guest is called here
 * before renaming. */
gboolean cookie_check(const MigrationCookie *cookie, const char *name, const Uuid *uuid,
                      const Uuid *own_host, GError **error);
/* lock_driver: this host's, "none" or NULL if it has none. */
gboolean cookie_check_lock(const MigrationCookie *cookie, const char *lock_driver, GError **error);

/* For Confirm: the destination's answer to Finish, when it came as an error instead of a C4.  c2 is
 * what Prepare gave; NULL if that is not from a ferryd. */
GBytes *cookie_hand_on(GBytes *c2, CookieWord word);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrationCookie, cookie_free)
