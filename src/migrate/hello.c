/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hello.
 *
 *     dialer                                          answerer
 *     opening: magic, side, purpose, number,
 *              attempt, nonce                 ──▶
 *                                             ◀──     answer: magic, nonce
 *     then, whoever dialled:
 *     destination's proof, the source's proof
 *
 * A destination that answers sends its proof right behind the answer, so that it costs no round trip more. */
#include "migrate/hello.h"

#include <string.h>

#define KEY_LABEL "ferry lane key"
#define LABEL_BYTES 32

const EnumName lane_purpose_names[] = {
    {"pact", LANE_PACT},       {"memory", LANE_MEMORY}, {"multifd", LANE_MULTIFD},
    {"preempt", LANE_PREEMPT}, {"nbd", LANE_NBD},       {"probe", LANE_PROBE}, {NULL},
};

/* What this end is waiting for. */
enum { STAGE_OPENING, STAGE_ANSWER, STAGE_PROOF, STAGE_DONE };

static HelloVerdict fail(Hello *hello, const char *reason)
{
    hello->stage = STAGE_DONE;
    hello->in_wanted = hello->in_len = 0;
    hello->out_len = hello->out_sent = 0;
    hello->reason = reason;
    return hello->verdict = HELLO_FAILED;
}

static void note(Hello *hello, const void *bytes, size_t len)
{
    g_assert(hello->said_len + len <= sizeof hello->said);
    memcpy(hello->said + hello->said_len, bytes, len);
    hello->said_len += len;
}

static void say(Hello *hello, const void *bytes, size_t len)
{
    g_assert(hello->out_len + len <= sizeof hello->out);
    memcpy(hello->out + hello->out_len, bytes, len);
    hello->out_len += len;
    note(hello, bytes, len);
}

void hello_hmac(const uint8_t *key, size_t key_len, const void *text, size_t text_len, uint8_t ret_mac[HELLO_MAC_BYTES])
{
    g_autoptr(GHmac) made = g_hmac_new(G_CHECKSUM_SHA256, key, key_len);
    gsize len = HELLO_MAC_BYTES;

    g_hmac_update(made, text, (gssize)text_len);
    g_hmac_get_digest(made, ret_mac, &len);
}

/* Under a key made of the token, over the direction, the guest, both hosts and every byte so far. */
static void prove(const Hello *hello, OwnerSide side, uint8_t ret_mac[HELLO_MAC_BYTES])
{
    static const char *const labels[] = {[SIDE_SOURCE] = "ferry lane: source", [SIDE_DESTINATION] = "ferry lane: destination"};
    const HelloTerms *terms = &hello->terms;
    uint8_t key[HELLO_MAC_BYTES];
    uint8_t text[LABEL_BYTES + 3 * sizeof(Uuid) + sizeof hello->said] = {0};
    uint8_t *end = text + LABEL_BYTES;

    g_strlcpy((char *)text, labels[side], LABEL_BYTES);
    end = mempcpy(end, &terms->guest, sizeof(Uuid));
    end = mempcpy(end, &terms->source_host, sizeof(Uuid));
    end = mempcpy(end, &terms->destination_host, sizeof(Uuid));
    end = mempcpy(end, hello->said, hello->said_len);
    hello_hmac(terms->token, sizeof terms->token, KEY_LABEL, strlen(KEY_LABEL), key);
    hello_hmac(key, sizeof key, text, (size_t)(end - text), ret_mac);
    explicit_bzero(key, sizeof key);
}

gboolean hello_is_same(const uint8_t *a, const uint8_t *b, size_t len)
{
    volatile uint8_t difference = 0;

    while (len-- > 0)
        difference |= a[len] ^ b[len];
    return difference == 0;
}

static void say_proof(Hello *hello)
{
    uint8_t mac[HELLO_MAC_BYTES];

    prove(hello, hello->side, mac);
    say(hello, mac, sizeof mac);
}

static void wait_for(Hello *hello, unsigned stage, size_t bytes)
{
    hello->stage = stage;
    hello->in_len = 0;
    hello->in_wanted = bytes;
}

static void say_opening(Hello *hello)
{
    uint8_t opening[HELLO_OPENING_BYTES] = HELLO_MAGIC;

    opening[8] = hello->side == SIDE_SOURCE ? 'S' : 'D';
    opening[9] = (uint8_t)hello->lane.purpose;
    opening[10] = (uint8_t)(hello->lane.number >> 8);
    opening[11] = (uint8_t)hello->lane.number;
    memcpy(opening + 16, hello->terms.attempt, HELLO_ATTEMPT_BYTES); /* 12 … 15 are zero */
    memcpy(opening + 32, hello->nonce, HELLO_NONCE_BYTES);
    say(hello, opening, sizeof opening);
}

void hello_init(Hello *hello, const HelloTerms *terms, OwnerSide side, gboolean is_dialer, LaneName lane,
                const uint8_t *nonce)
{
    *hello = (Hello){.terms = *terms, .side = side, .lane = lane};
    memcpy(hello->nonce, nonce, sizeof hello->nonce);
    if (!is_dialer) {
        wait_for(hello, STAGE_OPENING, HELLO_OPENING_BYTES);
        return;
    }
    say_opening(hello);
    wait_for(hello, STAGE_ANSWER, HELLO_ANSWER_BYTES + (side == SIDE_SOURCE ? HELLO_MAC_BYTES : 0));
}

size_t hello_wanted(const Hello *hello)
{
    return hello->in_wanted - hello->in_len;
}

const uint8_t *hello_output(const Hello *hello, size_t *ret_len)
{
    *ret_len = hello->out_len - hello->out_sent;
    return hello->out + hello->out_sent;
}

void hello_written(Hello *hello, size_t len)
{
    hello->out_sent += len;
    if (hello->out_sent == hello->out_len)
        hello->out_sent = hello->out_len = 0;
}

void hello_clear(Hello *hello)
{
    explicit_bzero(hello, sizeof *hello);
}

/* Is this the proof of the other side? */
static HelloVerdict check_proof(Hello *hello, const uint8_t *mac)
{
    OwnerSide other = hello->side == SIDE_SOURCE ? SIDE_DESTINATION : SIDE_SOURCE;
    uint8_t expected[HELLO_MAC_BYTES];

    prove(hello, other, expected);
    if (!hello_is_same(mac, expected, sizeof expected))
        return fail(hello, "it is another host, or serves another migration");
    note(hello, mac, HELLO_MAC_BYTES);
    if (hello->side == SIDE_SOURCE)
        say_proof(hello); /* the destination has proven itself first */
    hello->stage = STAGE_DONE;
    hello->in_wanted = hello->in_len = 0;
    return hello->verdict = HELLO_PROVEN;
}

static gboolean is_purpose(unsigned value)
{
    return value >= LANE_PACT && value <= LANE_PROBE;
}

static HelloVerdict read_opening(Hello *hello)
{
    const uint8_t *in = hello->in;
    uint8_t answer[HELLO_ANSWER_BYTES] = HELLO_MAGIC;

    if (memcmp(in, HELLO_MAGIC, strlen(HELLO_MAGIC)) != 0)
        return fail(hello, "it does not begin as a lane of a migration does");
    if (in[8] != (hello->side == SIDE_SOURCE ? 'D' : 'S') || !is_purpose(in[9]) || memcmp(in + 12, "\0\0\0\0", 4) != 0)
        return fail(hello, "its hello cannot be read");
    hello->lane.purpose = (LanePurpose)in[9];
    hello->lane.number = (unsigned)in[10] << 8 | in[11];
    if (hello->lane.number > HELLO_LANE_NUMBER_MAX)
        return fail(hello, "its hello cannot be read");
    if (memcmp(in + 16, hello->terms.attempt, HELLO_ATTEMPT_BYTES) != 0)
        return fail(hello, "it speaks of another migration");
    note(hello, in, HELLO_OPENING_BYTES);
    memcpy(answer + 8, hello->nonce, HELLO_NONCE_BYTES);
    say(hello, answer, sizeof answer);
    if (hello->side == SIDE_DESTINATION)
        say_proof(hello);
    wait_for(hello, STAGE_PROOF, HELLO_MAC_BYTES);
    return HELLO_GOES_ON;
}

static HelloVerdict read_answer(Hello *hello)
{
    const uint8_t *in = hello->in;

    if (memcmp(in, HELLO_MAGIC, strlen(HELLO_MAGIC)) != 0)
        return fail(hello, "what answers there is no ferryd");
    note(hello, in, HELLO_ANSWER_BYTES);
    if (hello->side == SIDE_SOURCE)
        return check_proof(hello, in + HELLO_ANSWER_BYTES);
    say_proof(hello);
    wait_for(hello, STAGE_PROOF, HELLO_MAC_BYTES);
    return HELLO_GOES_ON;
}

HelloVerdict hello_feed(Hello *hello, const void *bytes, size_t len)
{
    g_assert(len <= hello_wanted(hello));
    memcpy(hello->in + hello->in_len, bytes, len);
    hello->in_len += len;
    /* A stranger's first bytes are enough: it need not be waited for. */
    if (hello->stage != STAGE_PROOF && memcmp(hello->in, HELLO_MAGIC, MIN(hello->in_len, strlen(HELLO_MAGIC))) != 0)
        return fail(hello, hello->stage == STAGE_OPENING ? "it does not begin as a lane of a migration does"
                                                         : "what answers there is no ferryd");
    if (hello->in_len < hello->in_wanted)
        return hello->verdict;
    switch (hello->stage) {
    case STAGE_OPENING:
        return read_opening(hello);
    case STAGE_ANSWER:
        return read_answer(hello);
    case STAGE_PROOF:
        return check_proof(hello, hello->in);
    default:
        return hello->verdict;
    }
}
