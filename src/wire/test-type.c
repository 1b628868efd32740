/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "wire/procedures.h"

/* The bytes of hexadecimal text with blanks. */
static GByteArray *bytes_of(const char *hex)
{
    g_autoptr(GString) digits = g_string_new(NULL);
    GByteArray *bytes = g_byte_array_new();

    for (; *hex; hex++) {
        if (*hex != ' ')
            g_string_append_c(digits, *hex);
    }
    g_byte_array_set_size(bytes, (guint)digits->len / 2);
    g_assert_true(hex_parse(digits->str, bytes->data, bytes->len));
    return bytes;
}

#define UUID_HEX "00112233445566778899aabbccddeeff"

typedef struct {
    uint32_t program;
    int32_t procedure;
    gboolean is_ret;
    const char *hex;
    const char *text; /* as wire_format shows it */
} Case;

static const Case cases[] = {
    /* clang-format off */
    {REMOTE_PROGRAM, REMOTE_CONNECT_GET_HOSTNAME, TRUE, "00000007 6665646f726131 00", "hostname=\"fedora1\""},
    {REMOTE_PROGRAM, REMOTE_CONNECT_OPEN, FALSE, "00000001 0000000e 71656d753a2f2f2f73797374656d 0000 00000001",
     "name=\"qemu:///system\" flags=1"},
    {REMOTE_PROGRAM, REMOTE_CONNECT_OPEN, FALSE, "00000000 00000006", "name=- flags=6"},
    {REMOTE_PROGRAM, REMOTE_AUTH_LIST, TRUE, "00000001 00000000", "types=[0]"},
    {REMOTE_PROGRAM, REMOTE_DOMAIN_SUSPEND, FALSE, "00000003 766d31 00" UUID_HEX "ffffffff",
     "dom={name=\"vm1\" uuid=00112233-4455-6677-8899-aabbccddeeff id=-1}"},
    {REMOTE_PROGRAM, REMOTE_AUTH_SASL_STEP, FALSE, "00000000 00000003 0000007f ffffff80 00000000", "nil=0 data=<3 bytes>"},
    {REMOTE_PROGRAM, REMOTE_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, FALSE,
     "00000000 00000001 00000003 766d31 00" UUID_HEX "00000002",
     "event_id=0 dom={name=\"vm1\" uuid=00112233-4455-6677-8899-aabbccddeeff id=2}"},
    {REMOTE_PROGRAM, REMOTE_DOMAIN_GET_JOB_STATS, TRUE,
     "00000002 00000007"
     "00000001 61 000000 00000001 ffffffff" "00000001 62 000000 00000002 ffffffff"
     "00000001 63 000000 00000003 ffffffffffffffff" "00000001 64 000000 00000004 ffffffffffffffff"
     "00000001 65 000000 00000005 3ff8000000000000" "00000001 66 000000 00000006 00000001"
     "00000001 67 000000 00000007 00000005 74657874 32 000000",
     "type=2 params=[{field=\"a\" value={int32=-1}} {field=\"b\" value={uint32=4294967295}} {field=\"c\" value={int64=-1}} "
     "{field=\"d\" value={uint64=18446744073709551615}} {field=\"e\" value={f64=1.5}} {field=\"f\" value={int32=1}} "
     "{field=\"g\" value={str=\"text2\"}}]"},
    {REMOTE_PROGRAM, REMOTE_DOMAIN_GET_INFO, TRUE,
     "00000001 0000000000080000 0000000000080000 00000002 000000000000000a",
     "state=1 max_mem=524288 memory=524288 nr_virt_cpu=2 cpu_time=10"},
    {REMOTE_PROGRAM, REMOTE_DOMAIN_EVENT_CALLBACK_LIFECYCLE, FALSE,
     "00000000 00000003 766d31 00" UUID_HEX "00000001 00000002 00000000",
     "callback_id=0 msg={dom={name=\"vm1\" uuid=00112233-4455-6677-8899-aabbccddeeff id=1} event=2 detail=0}"},
    {FERRY_PROGRAM, FERRY_MIGRATION_RESOLVE, FALSE,
     "00000003 766d31 00" UUID_HEX "00000001 00000004 68657265 00000000 00000000",
     "dom={name=\"vm1\" uuid=00112233-4455-6677-8899-aabbccddeeff id=1} outcome=\"here\" confirm=\"\" flags=0"},
    /* clang-format on */
};

static const WireType *case_type(const Case *c)
{
    const WireProcedure *procedure = wire_procedure_get(c->program, c->procedure);

    return c->is_ret ? procedure->ret : procedure->args;
}

static void test_bytes(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) bytes = bytes_of(cases[i].hex);
        g_autoptr(GByteArray) again = g_byte_array_new();
        g_autoptr(Arena) arena = arena_new();
        g_autoptr(GError) error = NULL;
        const void *value =
            wire_decode(case_type(&cases[i]), bytes->data, bytes->len, arena, &error);
        g_autofree char *text = NULL;

        g_assert_no_error(error);
        text = wire_format(case_type(&cases[i]), value);
        g_assert_cmpstr(text, ==, cases[i].text);
        g_assert_true(wire_encode(case_type(&cases[i]), value, again, &error));
        g_assert_no_error(error);
        g_assert_cmpmem(again->data, again->len, bytes->data, bytes->len);
    }
}

static void test_cut(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) bytes = bytes_of(cases[i].hex);

        for (guint len = 0; len < bytes->len; len++) {
            g_autofree guint8 *exact =
                g_memdup2(bytes->data, len); /* so that a read behind the end is seen */
            g_autoptr(Arena) arena = arena_new();
            g_autoptr(GError) error = NULL;

            g_assert_null(wire_decode(case_type(&cases[i]), exact, len, arena, &error));
            g_assert_error(error, error_quark(FROM_RPC), ERROR_RPC);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/type/same-bytes-again", test_bytes);
    g_test_add_func("/wire/type/cut-anywhere-is-a-clean-error", test_cut);
    return g_test_run();
}
