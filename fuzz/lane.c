/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What strangers may send to a migration's port, and what a proven peer may say: hello and pact words.  The first byte
 * chooses the end: bit 0 the side, bit 1 who dials, bit 2 pact words instead of a hello. */
#include <stdint.h>
#include <string.h>

#include "migrate/hello.h"
#include "migrate/pact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_words(const uint8_t *data, size_t size)
{
    unsigned kind;
    size_t len;

    while (pact_parse(data, size, &len, &kind) && len > 0) {
        LaneName name;

        g_assert(len >= PACT_HEAD_BYTES && len <= size && kind > 0);
        if (kind == PACT_DIAL && pact_parse_lane(data + PACT_HEAD_BYTES, len - PACT_HEAD_BYTES, &name))
            g_assert(enum_name(lane_purpose_names, (int)name.purpose) && name.number <= HELLO_LANE_NUMBER_MAX);
        data += len;
        size -= len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const HelloTerms terms = {.attempt = "an attempt", .token = "a token"};
    static const uint8_t nonce[HELLO_NONCE_BYTES] = "a nonce";
    unsigned end = size > 0 ? data[0] : 0;
    Hello hello;

    if (size == 0)
        return 0;
    data++, size--;
    if (end & 4) {
        read_words(data, size);
        return 0;
    }
    hello_init(&hello, &terms, end & 1 ? SIDE_SOURCE : SIDE_DESTINATION, (end & 2) != 0, (LaneName){LANE_PACT, 0}, nonce);
    while (size > 0 && hello_wanted(&hello) > 0) {
        size_t len = MIN(size, hello_wanted(&hello));
        size_t out;

        hello_feed(&hello, data, len);
        hello_output(&hello, &out);
        hello_written(&hello, out);
        data += len;
        size -= len;
    }
    g_assert(hello.verdict != HELLO_PROVEN); /* nobody guesses a proof */
    return 0;
}
