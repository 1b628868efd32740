/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "migrate/peer-book.h"

static Uuid number(unsigned n)
{
    Uuid uuid = {.bytes = {0xc0, 0xff, 0xee}};

    uuid.bytes[14] = (uint8_t)(n >> 8);
    uuid.bytes[15] = (uint8_t)(n + 1);
    return uuid;
}

static void assert_found(const PeerBook *book, const Uuid *uuid, const char *name, const char *expected)
{
    g_auto(GStrv) found = peer_book_find(book, uuid, name);
    g_autofree char *text = g_strjoinv(" ", found);

    g_assert_cmpstr(text, ==, expected);
}

static void the_address_met_last_is_the_first_to_be_tried(void)
{
    g_autoptr(PeerBook) book = peer_book_new();
    Uuid two = number(2), three = number(3);

    g_assert_true(peer_book_learn(book, &two, "fedora2", "192.0.2.2"));
    g_assert_true(peer_book_learn(book, &two, "fedora2", "2001:db8::2"));
    assert_found(book, &two, "fedora2", "2001:db8::2 192.0.2.2");
    g_assert_true(peer_book_learn(book, &two, "fedora2", "192.0.2.2"));
    g_assert_false(peer_book_learn(book, &two, "fedora2", "::ffff:192.0.2.2"));
    assert_found(book, &two, "fedora2", "192.0.2.2 2001:db8::2");
    assert_found(book, &three, "fedora2", "");
    assert_found(book, NULL, "fedora2", "");
}

static void what_leads_to_oneself_is_not_learned(void)
{
    static const char *const bad[] = {"127.0.0.1", "127.0.1.1", "::1", "0.0.0.0", "::", "fedora2", "", "::ffff:127.0.0.1"};
    g_autoptr(PeerBook) book = peer_book_new();
    Uuid two = number(2), nobody = {0};

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(peer_book_learn(book, &two, "fedora2", bad[i]));
    g_assert_false(peer_book_learn(book, &two, "fedora2", NULL));
    g_assert_false(peer_book_learn(book, &nobody, "fedora2", "192.0.2.2"));
    assert_found(book, &two, "fedora2", "");
}

static void it_holds_so_many_and_forgets_the_oldest(void)
{
    g_autoptr(PeerBook) book = peer_book_new();
    Uuid first = number(0), second = number(1), last = number(PEER_BOOK_HOSTS_MAX);

    for (unsigned n = 0; n <= PEER_BOOK_HOSTS_MAX; n++) {
        Uuid uuid = number(n);

        g_assert_true(peer_book_learn(book, &uuid, "host", "192.0.2.2"));
    }
    assert_found(book, &first, NULL, "");
    assert_found(book, &second, NULL, "192.0.2.2");
    for (unsigned n = 0; n <= PEER_BOOK_ADDRESSES_MAX; n++) {
        g_autofree char *address = g_strdup_printf("192.0.2.%u", n + 1);

        peer_book_learn(book, &last, "host", address);
    }
    assert_found(book, &last, NULL,
                 "192.0.2.9 192.0.2.8 192.0.2.7 192.0.2.6 192.0.2.5 192.0.2.4 192.0.2.3 192.0.2.2");
}

static void what_is_written_is_read_again(void)
{
    g_autoptr(PeerBook) book = peer_book_new();
    g_autoptr(PeerBook) again = peer_book_new();
    Uuid two = number(2), three = number(3);
    g_autofree char *text = NULL;
    g_autofree char *second = NULL;

    peer_book_learn(book, &two, "fedora2", "192.0.2.2");
    peer_book_learn(book, &two, "fedora2", "2001:db8::2");
    peer_book_learn(book, &three, "a name\nwith 192.0.2.9", "192.0.2.3");
    text = peer_book_format(book);
    g_assert_cmpstr(text, ==,
                    "c0ffee00-0000-0000-0000-000000000003 fedora2 192.0.2.2 2001:db8::2\n"
                    "c0ffee00-0000-0000-0000-000000000004 - 192.0.2.3\n");
    peer_book_read(again, text);
    second = peer_book_format(again);
    g_assert_cmpstr(second, ==, text);
}

static void nonsense_in_the_file_is_passed_over(void)
{
    static const char text[] = "c0ffee00-0000-0000-0000-000000000003 fedora2 192.0.2.2\nrubbish\n\n"
                               "c0ffee00-0000-0000-0000-000000000004\nnone fedora3 192.0.2.3\n"
                               "c0ffee00-0000-0000-0000-000000000005 x 300.1.1.1 192.0.2.5 127.0.0.1\n";
    Uuid two = number(2), four = number(4);

    for (size_t len = 0; len <= strlen(text); len++) { /* cut anywhere */
        g_autoptr(PeerBook) book = peer_book_new();
        g_autofree char *cut = g_strndup(text, len);

        peer_book_read(book, cut);
        if (len < strlen(text))
            continue;
        assert_found(book, &two, NULL, "192.0.2.2");
        assert_found(book, &four, NULL, "192.0.2.5");
    }
}

static void what_the_administrator_wrote_comes_first(void)
{
    g_autoptr(PeerBook) book = peer_book_new();
    g_autoptr(GError) error = NULL;
    Uuid two = number(2), three = number(3);

    g_assert_true(peer_book_configure(book, "fedora2 192.0.2.7, 2001:db8::7", &error));
    g_assert_true(peer_book_configure(book, "c0ffee00-0000-0000-0000-000000000004 192.0.2.8", &error));
    peer_book_learn(book, &two, "fedora2", "192.0.2.2");
    peer_book_learn(book, &two, "fedora2", "192.0.2.7");
    assert_found(book, &two, "Fedora2", "192.0.2.7 2001:db8::7 192.0.2.2");
    assert_found(book, &three, "whatever", "192.0.2.8");
    assert_found(book, NULL, "fedora2", "192.0.2.7 2001:db8::7");
}

static void rows_that_say_nothing_are_refused(void)
{
    static const char *const bad[] = {"", " ", "fedora2", "fedora2 fedora2.example", "fedora2 127.0.0.1", "fedora2 0.0.0.0"};

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(PeerBook) book = peer_book_new();
        g_autoptr(GError) error = NULL;

        g_assert_false(peer_book_configure(book, bad[i], &error));
        g_assert_true(error_is(error, ERROR_CONF_SYNTAX));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate/peer-book/the-address-met-last-is-the-first-to-be-tried",
                    the_address_met_last_is_the_first_to_be_tried);
    g_test_add_func("/migrate/peer-book/what-leads-to-oneself-is-not-learned", what_leads_to_oneself_is_not_learned);
    g_test_add_func("/migrate/peer-book/it-holds-so-many-and-forgets-the-oldest", it_holds_so_many_and_forgets_the_oldest);
    g_test_add_func("/migrate/peer-book/what-is-written-is-read-again", what_is_written_is_read_again);
    g_test_add_func("/migrate/peer-book/nonsense-in-the-file-is-passed-over", nonsense_in_the_file_is_passed_over);
    g_test_add_func("/migrate/peer-book/what-the-administrator-wrote-comes-first", what_the_administrator_wrote_comes_first);
    g_test_add_func("/migrate/peer-book/rows-that-say-nothing-are-refused", rows_that_say_nothing_are_refused);
    return g_test_run();
}
