/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The owner's word: the file ID.owner, two preallocated slots of 512 bytes used in turn, each with a sequence number,
 * a word, a wish, the boot id and a checksum (docs/handover, section 3).  A torn slot was not written.  Writing is one
 * pwrite and survives the daemon; it survives the power once owner_record_sync has returned. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/enum.h"
#include "base/uuid.h"

typedef enum {
    WORD_NONE,
    WORD_OFFERED,  /* source: a destination may be getting ready; I own the guest and decide alone */
    WORD_GO,       /* source: I have told the destination that it may run */
    WORD_KEPT,     /* source: it stays here */
    WORD_GONE,     /* source: the destination has it for good */
    WORD_CRASHED,  /* source: the image is lost, the guest is shut off here */
    WORD_PREPARED, /* destination: I may get it */
    WORD_TOLD,     /* destination of a stock source: I have answered that I take it; the answer may not have arrived */
    WORD_TAKEN,    /* destination: it is mine */
    WORD_REFUSED,  /* destination: it never ran here and never will */
    WORD_LOST,     /* destination: I no longer have it and cannot prove that it never ran; it never will */
} OwnerWord;

extern const EnumName owner_word_names[];

/* KEPT, GONE, CRASHED, TAKEN, REFUSED, LOST: nothing more is decided. */
gboolean owner_word_is_final(OwnerWord word);

typedef enum { WISH_RUN, WISH_PAUSED } OwnerWish;

#define OWNER_SLOT_SIZE 512

typedef struct {
    uint64_t sequence; /* 0: never written */
    OwnerWord word;
    OwnerWish wish;
    Uuid boot;
} OwnerSlot;

typedef enum {
    SLOT_TORN,  /* or empty, or foreign: it was not written */
    SLOT_READ,
    SLOT_NEWER, /* of a newer ferryd: whole, and only its sequence can be read */
} OwnerSlotState;

/* Pure.  Whatever a later version adds, three lines stay: the first, "ferry-owner VERSION", the second, with the sequence, and the last,
 * the sum over all before it.  So an older ferryd tells a word that it does not know from one that was not written. */
void owner_slot_encode(const OwnerSlot *slot, char bytes[OWNER_SLOT_SIZE]);
OwnerSlotState owner_slot_decode(const char bytes[OWNER_SLOT_SIZE], OwnerSlot *ret_slot);

typedef struct OwnerRecord OwnerRecord;

/* Both block (fsync): off the floor.  create makes the file exclusively, durably, with its first word. */
OwnerRecord *owner_record_create(const char *path, OwnerWord word, OwnerWish wish, GError **error);
/* ERROR_CONFIG_UNSUPPORTED: its newest word is of a newer ferryd. */
OwnerRecord *owner_record_open(const char *path, GError **error);
/* For a file that holds no word that this daemon can rely on: the most cautious one that may have stood there, as of an older boot. */
OwnerRecord *owner_record_guess(const char *path, OwnerWord word, OwnerWish wish, GError **error);
void owner_record_free(OwnerRecord *record);

OwnerWord owner_record_word(const OwnerRecord *record);
OwnerWish owner_record_wish(const OwnerRecord *record);
/* Wall clock; 0: not known. */
int64_t owner_record_written_ms(const OwnerRecord *record);
/* false: an older boot wrote the newest slot, so a later word may be missing. */
gboolean owner_record_is_this_boot(const OwnerRecord *record);

/* Writes the next slot.  Preallocated, so it cannot fail for space; a failure is a broken disk. */
gboolean owner_record_write(OwnerRecord *record, OwnerWord word, OwnerWish wish, GError **error);
gboolean owner_record_sync(OwnerRecord *record, GError **error); /* blocks */

/* The newest word has been synced by this process. */
gboolean owner_record_is_durable(const OwnerRecord *record);

/* The kernel's boot id. */
const Uuid *boot_id(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(OwnerRecord, owner_record_free)
