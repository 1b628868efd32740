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
        g_assert_true(owner_slot_decode(bytes, &back));
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

        memcpy(torn, bytes, cut);
        memcpy(torn + cut, old + cut, sizeof torn - cut);
        /* once readable (only padding is missing) it stays so */
        if (owner_slot_decode(torn, &back)) {
            g_assert_cmpmem(torn, sizeof torn, bytes, sizeof bytes);
            is_readable = TRUE;
        } else {
            g_assert_false(is_readable);
        }
    }
    bytes[20] ^= 1;
    g_assert_false(owner_slot_decode(bytes, &back));
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate/record/slot-comes-back", slot_comes_back);
    g_test_add_func("/migrate/record/torn-slot-was-not-written", torn_slot_was_not_written);
    g_test_add_func("/migrate/record/newest-word-wins-and-a-torn-one-falls-back", newest_word_wins_and_a_torn_one_falls_back);
    return g_test_run();
}
