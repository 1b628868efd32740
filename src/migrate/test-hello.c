/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/hello.h"

#include <string.h>

static const HelloTerms terms = {
    .attempt = "0123456789abcde",
    .token = "a token of thirty-two bytes, ok",
    .guest = {{1}},
    .source_host = {{2}},
    .destination_host = {{3}},
};
static const uint8_t nonce_a[HELLO_NONCE_BYTES] = "nonce of the one who dials";
static const uint8_t nonce_b[HELLO_NONCE_BYTES] = "nonce of the one who answers";

typedef struct {
    Hello dialer, answerer;
    GByteArray *to_answerer, *to_dialer; /* all that ever went over */
    size_t flip; /* this bit of all bytes is turned over on the way; SIZE_MAX: none */
    size_t moved;
} Pair;

static void pair_init(Pair *pair, const HelloTerms *of_dialer, OwnerSide dialer_side)
{
    OwnerSide other = dialer_side == SIDE_SOURCE ? SIDE_DESTINATION : SIDE_SOURCE;

    *pair = (Pair){.to_answerer = g_byte_array_new(), .to_dialer = g_byte_array_new(), .flip = SIZE_MAX};
    hello_init(&pair->dialer, of_dialer, dialer_side, TRUE, (LaneName){LANE_MULTIFD, 7}, nonce_a);
    hello_init(&pair->answerer, &terms, other, FALSE, (LaneName){0}, nonce_b);
}

static void pair_clear(Pair *pair)
{
    g_byte_array_unref(pair->to_answerer);
    g_byte_array_unref(pair->to_dialer);
}

/* One byte, if there is one to move. */
static gboolean move_byte(Pair *pair, Hello *from, Hello *to, GByteArray *record)
{
    size_t len;
    const uint8_t *bytes = hello_output(from, &len);
    uint8_t byte;

    if (len == 0 || hello_wanted(to) == 0)
        return FALSE;
    byte = bytes[0];
    if (pair->moved == pair->flip / 8)
        byte ^= (uint8_t)(1u << pair->flip % 8);
    pair->moved++;
    g_byte_array_append(record, &byte, 1);
    hello_written(from, 1);
    hello_feed(to, &byte, 1);
    return TRUE;
}

static void pair_run(Pair *pair)
{
    while (move_byte(pair, &pair->dialer, &pair->answerer, pair->to_answerer) ||
           move_byte(pair, &pair->answerer, &pair->dialer, pair->to_dialer))
        ;
}

static gboolean both_proven(const Pair *pair)
{
    return pair->dialer.verdict == HELLO_PROVEN && pair->answerer.verdict == HELLO_PROVEN;
}

static void test_both_directions(void)
{
    static const OwnerSide sides[] = {SIDE_SOURCE, SIDE_DESTINATION};

    for (size_t i = 0; i < G_N_ELEMENTS(sides); i++) {
        Pair pair;

        pair_init(&pair, &terms, sides[i]);
        pair_run(&pair);
        g_assert_true(both_proven(&pair));
        g_assert_cmpint(pair.answerer.lane.purpose, ==, LANE_MULTIFD);
        g_assert_cmpuint(pair.answerer.lane.number, ==, 7);
        g_assert_cmpuint(hello_wanted(&pair.dialer) + hello_wanted(&pair.answerer), ==, 0);
        pair_clear(&pair);
    }
}

/* The destination proves itself before the source has said more than a nonce. */
static void test_destination_first(void)
{
    Pair pair;

    pair_init(&pair, &terms, SIDE_SOURCE);
    while (move_byte(&pair, &pair.dialer, &pair.answerer, pair.to_answerer))
        ;
    g_assert_cmpuint(pair.to_answerer->len, ==, HELLO_OPENING_BYTES);
    pair_clear(&pair);

    pair_init(&pair, &terms, SIDE_DESTINATION);
    while (pair.dialer.verdict == HELLO_GOES_ON && pair.to_answerer->len < HELLO_OPENING_BYTES + HELLO_MAC_BYTES)
        g_assert_true(move_byte(&pair, &pair.dialer, &pair.answerer, pair.to_answerer) ||
                      move_byte(&pair, &pair.answerer, &pair.dialer, pair.to_dialer));
    g_assert_cmpuint(pair.to_dialer->len, ==, HELLO_ANSWER_BYTES); /* of the source: a nonce only */
    pair_clear(&pair);
}

/* Whatever either side knows differently, neither lets the other in. */
static void test_other_terms(void)
{
    HelloTerms others[5];

    for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
        others[i] = terms;
    others[0].attempt[15] ^= 1;
    others[1].token[31] ^= 1;
    others[2].guest.bytes[0] ^= 1;
    others[3].source_host.bytes[15] ^= 1;
    others[4].destination_host.bytes[7] ^= 1;
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
        for (OwnerSide side = SIDE_SOURCE; side <= SIDE_DESTINATION; side++) {
            Pair pair;

            pair_init(&pair, &others[i], side);
            pair_run(&pair);
            g_assert_cmpint(pair.dialer.verdict, !=, HELLO_PROVEN);
            g_assert_cmpint(pair.answerer.verdict, !=, HELLO_PROVEN);
            pair_clear(&pair);
        }
}

/* Every bit of the conversation counts: with any one turned over, not both believe. */
static void test_every_bit_counts(void)
{
    size_t total = HELLO_OPENING_BYTES + HELLO_ANSWER_BYTES + 2 * HELLO_MAC_BYTES;

    for (OwnerSide side = SIDE_SOURCE; side <= SIDE_DESTINATION; side++)
        for (size_t bit = 0; bit < total * 8; bit++) {
            Pair pair;

            pair_init(&pair, &terms, side);
            pair.flip = bit;
            pair_run(&pair);
            g_assert_false(both_proven(&pair));
            pair_clear(&pair);
        }
}

/* What was said once proves nothing the next time. */
static void test_replay(void)
{
    static const uint8_t fresh[HELLO_NONCE_BYTES] = "another nonce";
    Pair pair;
    Hello later;

    pair_init(&pair, &terms, SIDE_SOURCE);
    pair_run(&pair);
    hello_init(&later, &terms, SIDE_DESTINATION, FALSE, (LaneName){0}, fresh);
    hello_feed(&later, pair.to_answerer->data, HELLO_OPENING_BYTES);
    g_assert_cmpint(hello_feed(&later, pair.to_answerer->data + HELLO_OPENING_BYTES, HELLO_MAC_BYTES), ==, HELLO_FAILED);
    hello_init(&later, &terms, SIDE_SOURCE, TRUE, (LaneName){LANE_MULTIFD, 7}, fresh);
    g_assert_cmpint(hello_feed(&later, pair.to_dialer->data, pair.to_dialer->len), ==, HELLO_FAILED);
    pair_clear(&pair);
}

/* A side does not take its own words for the other's. */
static void test_mirror(void)
{
    Hello hello;
    size_t len;
    const uint8_t *out;

    hello_init(&hello, &terms, SIDE_SOURCE, TRUE, (LaneName){LANE_PACT, 0}, nonce_a);
    out = hello_output(&hello, &len);
    g_assert_cmpint(hello_feed(&hello, out, MIN(len, hello_wanted(&hello))), !=, HELLO_PROVEN);
}

static void test_stranger_is_known_at_once(void)
{
    Hello hello;

    hello_init(&hello, &terms, SIDE_DESTINATION, FALSE, (LaneName){0}, nonce_b);
    g_assert_cmpint(hello_feed(&hello, "G", 1), ==, HELLO_FAILED);
    g_assert_nonnull(hello.reason);
    g_assert_cmpuint(hello_wanted(&hello), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate/hello/both-prove-themselves-whoever-dials", test_both_directions);
    g_test_add_func("/migrate/hello/the-destination-proves-itself-first", test_destination_first);
    g_test_add_func("/migrate/hello/other-terms-are-refused", test_other_terms);
    g_test_add_func("/migrate/hello/every-bit-counts", test_every_bit_counts);
    g_test_add_func("/migrate/hello/a-replay-proves-nothing", test_replay);
    g_test_add_func("/migrate/hello/a-mirror-proves-nothing", test_mirror);
    g_test_add_func("/migrate/hello/a-stranger-is-known-by-its-first-byte", test_stranger_is_known_at_once);
    return g_test_run();
}
