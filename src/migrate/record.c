/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The owner's word on disk.  The slots are text, padded with newlines: at 3 a.m. `cat` is enough to read them. */
#include "migrate/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/number.h"

#define SUM_BYTES 32
#define SLOT_MAGIC "ferry-owner "

const EnumName owner_word_names[] = {
    {"NONE", WORD_NONE},       {"OFFERED", WORD_OFFERED}, {"GO", WORD_GO},
    {"KEPT", WORD_KEPT},       {"GONE", WORD_GONE},       {"CRASHED", WORD_CRASHED},
    {"PREPARED", WORD_PREPARED}, {"TAKEN", WORD_TAKEN},   {"REFUSED", WORD_REFUSED},
    {"LOST", WORD_LOST},       {"TOLD", WORD_TOLD},     {NULL},
};

static const EnumName wish_names[] = {{"run", WISH_RUN}, {"paused", WISH_PAUSED}, {NULL}};

struct OwnerRecord {
    int fd;
    char *path;
    OwnerSlot newest;
    uint64_t unread; /* sequence of the newest slot that a newer ferryd has written; 0: none */
    /* Sequences of the newest slot, and of the newest that is known to be durable: a sync runs on a worker meanwhile. */
    atomic_uint_least64_t written, synced;
};

gboolean owner_word_is_final(OwnerWord word)
{
    return word == WORD_KEPT || word == WORD_GONE || word == WORD_CRASHED || word == WORD_TAKEN ||
           word == WORD_REFUSED || word == WORD_LOST;
}

static Uuid this_boot;
static gboolean has_this_boot;

const Uuid *boot_id(void)
{
    if (!has_this_boot) {
        g_autofree char *text = file_read("/proc/sys/kernel/random/boot_id", 64, NULL, NULL);

        g_assert(uuid_parse(text, &this_boot));
        has_this_boot = TRUE;
    }
    return &this_boot;
}

static void checksum(const char *text, size_t len, char ret_hex[2 * SUM_BYTES + 1])
{
    g_autofree char *hex =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, (gssize)len);

    memcpy(ret_hex, hex, 2 * SUM_BYTES + 1);
}

void owner_slot_encode(const OwnerSlot *slot, char bytes[OWNER_SLOT_SIZE])
{
    char boot[UUID_TEXT_SIZE];
    char sum[2 * SUM_BYTES + 1];
    int len;

    memset(bytes, '\n', OWNER_SLOT_SIZE);
    len = snprintf(bytes, OWNER_SLOT_SIZE, SLOT_MAGIC "1\nsequence %" PRIu64 "\nword %s\nwish %s\nboot %s\n",
                   slot->sequence, enum_name(owner_word_names, slot->word),
                   enum_name(wish_names, slot->wish), uuid_format(&slot->boot, boot));
    checksum(bytes, (size_t)len, sum);
    len += snprintf(bytes + len, OWNER_SLOT_SIZE - (size_t)len, "sum %s\n", sum);
    bytes[len] = '\n'; /* snprintf's NUL */
}

/* How much of it the sum at its end speaks for; 0: the sum is not there, or not right. */
static size_t summed_len(const char *text)
{
    const char *line = strstr(text, "\nsum ");
    const size_t len = line ? (size_t)(line + 1 - text) : 0;
    char sum[2 * SUM_BYTES + 2], real[2 * SUM_BYTES + 1];

    if (!line || !g_str_has_prefix(text, SLOT_MAGIC) || sscanf(line, "\nsum %65[0-9a-f]\n", sum) != 1)
        return 0;
    checksum(text, len, real);
    return g_str_equal(sum, real) ? len : 0;
}

static gboolean read_version_1(const char *text, size_t len, OwnerSlot *slot)
{
    char word[16], wish[16], boot[40];
    int read = 0, word_value, wish_value;

    if (sscanf(text, SLOT_MAGIC "1\nsequence %" SCNu64 "\nword %15s\nwish %15s\nboot %39s\n%n", &slot->sequence, word, wish, boot,
               &read) != 4 ||
        (size_t)read != len || !enum_find(owner_word_names, word, &word_value) || !enum_find(wish_names, wish, &wish_value) ||
        !uuid_parse(boot, &slot->boot))
        return FALSE;
    slot->word = (OwnerWord)word_value;
    slot->wish = (OwnerWish)wish_value;
    return TRUE;
}

OwnerSlotState owner_slot_decode(const char bytes[OWNER_SLOT_SIZE], OwnerSlot *ret_slot)
{
    char text[OWNER_SLOT_SIZE + 1];
    OwnerSlot slot = {0};
    size_t len;

    memcpy(text, bytes, OWNER_SLOT_SIZE);
    text[OWNER_SLOT_SIZE] = '\0';
    len = summed_len(text);
    if (len == 0 || sscanf(text, SLOT_MAGIC "%*[^\n]\nsequence %" SCNu64 "\n", &slot.sequence) != 1 || slot.sequence == 0)
        return SLOT_TORN;
    text[len] = '\0';
    if (!read_version_1(text, len, &slot)) {
        *ret_slot = (OwnerSlot){.sequence = slot.sequence};
        return SLOT_NEWER;
    }
    *ret_slot = slot;
    return SLOT_READ;
}

void owner_record_free(OwnerRecord *record)
{
    if (!record)
        return;
    fd_clear(&record->fd);
    g_free(record->path);
    g_free(record);
}

gboolean owner_record_write(OwnerRecord *record, OwnerWord word, OwnerWish wish, GError **error)
{
    OwnerSlot next = {.sequence = record->newest.sequence + 1, .word = word, .wish = wish, .boot = *boot_id()};
    char bytes[OWNER_SLOT_SIZE];

    owner_slot_encode(&next, bytes);
    if (pwrite(record->fd, bytes, sizeof bytes, (off_t)(next.sequence % 2) * OWNER_SLOT_SIZE) != sizeof bytes)
        return error_errno(error, "cannot write '%s' to '%s'", enum_name(owner_word_names, word), record->path);
    record->newest = next;
    atomic_store(&record->written, next.sequence);
    return TRUE;
}

gboolean owner_record_sync(OwnerRecord *record, GError **error)
{
    const uint_least64_t sequence = atomic_load(&record->written); /* a word that is written meanwhile may not be among it */
    uint_least64_t known = atomic_load(&record->synced);

    if (fdatasync(record->fd) < 0)
        return error_errno(error, "cannot sync '%s'", record->path);
    while (known < sequence && !atomic_compare_exchange_weak(&record->synced, &known, sequence))
        ;
    return TRUE;
}

OwnerRecord *owner_record_create(const char *path, OwnerWord word, OwnerWish wish, GError **error)
{
    g_autoptr(OwnerRecord) record = g_new0(OwnerRecord, 1);
    char blank[2 * OWNER_SLOT_SIZE];

    record->path = g_strdup(path);
    record->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (record->fd < 0) {
        error_errno(error, "cannot create '%s'", path);
        return NULL;
    }
    memset(blank, '\n', sizeof blank);
    if (pwrite(record->fd, blank, sizeof blank, 0) != sizeof blank) {
        error_errno(error, "cannot preallocate '%s'", path);
        unlink(path);
        return NULL;
    }
    if (!owner_record_write(record, word, wish, error) || !owner_record_sync(record, error) ||
        !file_sync_dir_of(path, error)) {
        unlink(path);
        return NULL;
    }
    return g_steal_pointer(&record);
}

/* Its newest slot that can be read stays all zero if there is none. */
static gboolean read_slots(OwnerRecord *record, GError **error)
{
    char bytes[2 * OWNER_SLOT_SIZE] = {0};

    if (record->fd < 0 || pread(record->fd, bytes, sizeof bytes, 0) < 0)
        return error_errno(error, "cannot read '%s'", record->path);
    for (int i = 0; i < 2; i++) {
        OwnerSlot slot;
        const OwnerSlotState state = owner_slot_decode(bytes + i * OWNER_SLOT_SIZE, &slot);

        if (state == SLOT_READ && slot.sequence > record->newest.sequence)
            record->newest = slot;
        if (state == SLOT_NEWER)
            record->unread = MAX(record->unread, slot.sequence);
    }
    atomic_store(&record->written, record->newest.sequence);
    return TRUE;
}

OwnerRecord *owner_record_open(const char *path, GError **error)
{
    g_autoptr(OwnerRecord) record = g_new0(OwnerRecord, 1);

    record->path = g_strdup(path);
    record->fd = open(path, O_RDWR | O_CLOEXEC);
    if (!read_slots(record, error))
        return NULL;
    if (record->unread > record->newest.sequence) {
        error_set(error, ERROR_CONFIG_UNSUPPORTED,
                  "'%s': a newer ferryd has written it: this one cannot read its newest word; start the newer one again", path);
        return NULL;
    }
    if (record->newest.sequence == 0) {
        error_set(error, ERROR_INTERNAL_ERROR, "'%s' holds no readable word", path);
        return NULL;
    }
    return g_steal_pointer(&record);
}

OwnerRecord *owner_record_guess(const char *path, OwnerWord word, OwnerWish wish, GError **error)
{
    g_autoptr(OwnerRecord) record = g_new0(OwnerRecord, 1);

    record->path = g_strdup(path);
    record->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (!read_slots(record, error))
        return NULL;
    record->newest = (OwnerSlot){.sequence = MAX(MAX(record->newest.sequence, record->unread), 1), .word = word, .wish = wish};
    atomic_store(&record->written, record->newest.sequence);
    return g_steal_pointer(&record);
}

OwnerWord owner_record_word(const OwnerRecord *record)
{
    return record->newest.word;
}

OwnerWish owner_record_wish(const OwnerRecord *record)
{
    return record->newest.wish;
}

/* The file has its place already, so nothing but a word touches it. */
int64_t owner_record_written_ms(const OwnerRecord *record)
{
    struct stat status;

    return fstat(record->fd, &status) == 0 ? (int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1000000 : 0;
}

gboolean owner_record_is_this_boot(const OwnerRecord *record)
{
    return uuid_equal(&record->newest.boot, boot_id());
}

gboolean owner_record_is_durable(const OwnerRecord *record)
{
    return atomic_load(&record->synced) == record->newest.sequence;
}
