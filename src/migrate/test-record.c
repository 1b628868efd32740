/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "migrate/record.h"

static void slot_comes_back(void)
{
    for (int word = WORD_NONE; word <= WORD_LOST; word++) {
        OwnerSlot slot = {.sequence = 77, .word = (OwnerWord)word, .wish = WISH_PAUSED, .boot = *boot_id()};
        char bytes[OWNER_SLOT_SIZE];
        OwnerSlot back;

        owner_slot_encode(&slot, bytes);
        g_assert_cmpint(owner_slot_decode(bytes, &back), ==, SLOT_READ);
        g_assert_cmpuint(back.sequence, ==, 77);
        g_assert_cmpint(back.word, ==, word);
        g_assert_cmpint(back.wish, ==, WISH_PAUSED);
        g_assert_true(uuid_equal(&back.boot, boot_id()));
    }
}

static void torn_slot_was_not_written(void)
{
    OwnerSlot slot = {.sequence = 3, .word = WORD_GO, .boot = *boot_id()}, back;
    char bytes[OWNER_SLOT_SIZE], old[OWNER_SLOT_SIZE];
    gboolean is_readable = FALSE;

    memset(old, '\n', sizeof old);
    owner_slot_encode(&slot, bytes);
    for (size_t cut = 0; cut < OWNER_SLOT_SIZE; cut++) {
        char torn[OWNER_SLOT_SIZE];
        OwnerSlotState state;

        memcpy(torn, bytes, cut);
        memcpy(torn + cut, old + cut, sizeof torn - cut);
        state = owner_slot_decode(torn, &back);
        g_assert_cmpint(state, !=, SLOT_NEWER);
        /* once readable (only padding is missing) it stays so */
        if (state == SLOT_READ) {
            g_assert_cmpmem(torn, sizeof torn, bytes, sizeof bytes);
            is_readable = TRUE;
        } else {
            g_assert_false(is_readable);
        }
    }
    bytes[20] ^= 1;
    g_assert_cmpint(owner_slot_decode(bytes, &back), ==, SLOT_TORN);
}

static void newest_word_wins_and_a_torn_one_falls_back(void)
{
    g_autofree char *dir = g_dir_make_tmp("ferry-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "x.owner", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(OwnerRecord) record = owner_record_create(path, WORD_OFFERED, WISH_RUN, &error);
    g_autoptr(OwnerRecord) again = NULL;
    int fd;

    g_assert_no_error(error);
    g_assert_null(owner_record_create(path, WORD_OFFERED, WISH_RUN, NULL));
    g_assert_true(owner_record_write(record, WORD_GO, WISH_PAUSED, &error));
    again = owner_record_open(path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(owner_record_word(again), ==, WORD_GO);
    g_assert_cmpint(owner_record_wish(again), ==, WISH_PAUSED);
    g_assert_true(owner_record_is_this_boot(again));

    fd = open(path, O_RDWR); /* the second write went to slot 0 */
    g_assert_cmpint(pwrite(fd, "x", 1, 30), ==, 1);
    close(fd);
    g_clear_pointer(&again, owner_record_free);
    again = owner_record_open(path, &error);
    g_assert_cmpint(owner_record_word(again), ==, WORD_OFFERED);
    g_unlink(path);
    g_rmdir(dir);
}

/* A slot as some ferryd may write it: text with the sum that it asks for. */
static void slot_of(const char *text, char bytes[OWNER_SLOT_SIZE])
{
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
    g_autofree char *whole = g_strdup_printf("%ssum %s\n", text, sum);

    memset(bytes, '\n', OWNER_SLOT_SIZE);
    memcpy(bytes, whole, strlen(whole));
}

#define TAIL "wish run\nboot 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0\n"
static const char *const newer_slots[] = {
    "ferry-owner 2\nsequence 2\nword GO\n" TAIL,                       "ferry-owner 1\nsequence 2\nword SHARED\n" TAIL,
    "ferry-owner 1\nsequence 2\nword GO\n" TAIL "with fedora2\n",      "ferry-owner 1\nsequence 2\nword GO\nwish perhaps\nboot here\n",
    "ferry-owner 1.1\nsequence 2\nword GO\n" TAIL,                     "ferry-owner 10\nsequence 2\n",
};

static void word_of_a_newer_ferryd_is_no_torn_one(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(newer_slots); i++) {
        char bytes[OWNER_SLOT_SIZE], torn[OWNER_SLOT_SIZE];
        OwnerSlot slot;

        slot_of(newer_slots[i], bytes);
        g_assert_cmpint(owner_slot_decode(bytes, &slot), ==, SLOT_NEWER);
        g_assert_cmpuint(slot.sequence, ==, 2);
        for (size_t cut = 0; cut < strlen(newer_slots[i]) + 68; cut++) { /* up to the last digit of the sum */
            memset(torn, '\n', sizeof torn);
            memcpy(torn, bytes, cut);
            g_assert_cmpint(owner_slot_decode(torn, &slot), ==, SLOT_TORN);
        }
        bytes[30] ^= 1;
        g_assert_cmpint(owner_slot_decode(bytes, &slot), ==, SLOT_TORN);
    }
}

static void overwrite(const char *path, unsigned slot, const char *text)
{
    char bytes[OWNER_SLOT_SIZE];
    int fd = open(path, O_RDWR);

    slot_of(text, bytes);
    g_assert_cmpint(pwrite(fd, bytes, sizeof bytes, slot * OWNER_SLOT_SIZE), ==, sizeof bytes);
    close(fd);
}

/* Neither the older slot's word nor any other is taken for it, and a forced one stands after it. */
static void newest_word_of_a_newer_ferryd_is_refused(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(newer_slots); i++) {
        g_autofree char *dir = g_dir_make_tmp("ferry-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(dir, "x.owner", NULL);
        g_autofree char *before = NULL, *after = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(OwnerRecord) record = owner_record_create(path, WORD_OFFERED, WISH_RUN, NULL);
        g_autoptr(OwnerRecord) forced = NULL;
        gsize len;

        overwrite(path, 0, newer_slots[i]);
        g_assert_null(owner_record_open(path, &error));
        g_assert_true(error_is(error, ERROR_CONFIG_UNSUPPORTED));
        g_assert_nonnull(strstr(error->message, "a newer ferryd has written it"));
        g_assert_true(g_file_get_contents(path, &before, &len, NULL));
        forced = owner_record_guess(path, WORD_GO, WISH_RUN, NULL);
        g_assert_true(g_file_get_contents(path, &after, NULL, NULL));
        g_assert_cmpmem(before, len, after, len);
        g_assert_true(owner_record_write(forced, WORD_KEPT, WISH_RUN, NULL));
        g_clear_pointer(&record, owner_record_free);
        record = owner_record_open(path, NULL);
        g_assert_cmpint(owner_record_word(record), ==, WORD_KEPT);
        g_unlink(path);
        g_rmdir(dir);
    }
}

/* It went on by words that this one knows. */
static void older_word_of_a_newer_ferryd_decides_nothing(void)
{
    g_autofree char *dir = g_dir_make_tmp("ferry-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "x.owner", NULL);
    g_autoptr(OwnerRecord) record = owner_record_create(path, WORD_OFFERED, WISH_RUN, NULL);
    g_autoptr(OwnerRecord) again = NULL;

    g_assert_true(owner_record_write(record, WORD_GO, WISH_RUN, NULL));
    g_assert_true(owner_record_write(record, WORD_KEPT, WISH_RUN, NULL));
    overwrite(path, 0, newer_slots[1]);
    again = owner_record_open(path, NULL);
    g_assert_cmpint(owner_record_word(again), ==, WORD_KEPT);
    g_unlink(path);
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate/record/slot-comes-back", slot_comes_back);
    g_test_add_func("/migrate/record/torn-slot-was-not-written", torn_slot_was_not_written);
    g_test_add_func("/migrate/record/newest-word-wins-and-a-torn-one-falls-back", newest_word_wins_and_a_torn_one_falls_back);
    g_test_add_func("/migrate/record/word-of-a-newer-ferryd-is-no-torn-one", word_of_a_newer_ferryd_is_no_torn_one);
    g_test_add_func("/migrate/record/newest-word-of-a-newer-ferryd-is-refused", newest_word_of_a_newer_ferryd_is_refused);
    g_test_add_func("/migrate/record/older-word-of-a-newer-ferryd-decides-nothing", older_word_of_a_newer_ferryd_decides_nothing);
    return g_test_run();
}
