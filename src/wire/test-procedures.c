/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every procedure of the tables, with bytes from a seeded dice. */
#include <string.h>

#include "base/error.h"
#include "wire/frame.h"
#include "wire/procedures.h"
#include "wire/writer.h"

#define ROUNDS 60

/* Words that are often small, so that counts and lengths fit and decoding gets somewhere. */
static GByteArray *dice(GRand *random)
{
    GByteArray *bytes = g_byte_array_new();
    int words = g_rand_int_range(random, 0, 80);

    for (int i = 0; i < words; i++)
        wire_write_u32(bytes, g_rand_int(random) >> g_rand_int_range(random, 0, 33) % 32);
    return bytes;
}

/* What was decoded encodes to bytes that decode and encode to the same bytes.  Answers whether it
 * could be decoded. */
static gboolean check(const WireType *type, const GByteArray *bytes)
{
    g_autofree guint8 *exact = g_memdup2(bytes->data, bytes->len);
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(GByteArray) once = g_byte_array_new();
    g_autoptr(GByteArray) twice = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    const void *value = wire_decode(type, exact, bytes->len, arena, &error);

    if (!value) {
        g_assert_error(error, error_quark(FROM_RPC), ERROR_RPC);
        return FALSE;
    }
    text = wire_format(type, value);
    g_assert_true(g_utf8_validate(text, -1, NULL));
    g_assert_true(wire_encode(type, value, once, &error));
    value = wire_decode(type, once->data, once->len, arena, &error);
    g_assert_no_error(error);
    g_assert_true(wire_encode(type, value, twice, &error));
    g_assert_cmpmem(once->data, once->len, twice->data, twice->len);
    g_assert_cmpuint(once->len, >=, type->min_bytes);
    return TRUE;
}

static void test_every_type(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(20);
    unsigned decoded = 0;

    for (const WireProgram *program = wire_programs; program->name; program++) {
        for (size_t i = 0; i < program->procedure_count; i++) {
            const WireProcedure *procedure = &program->procedures[i];

            for (int round = 0; round < ROUNDS; round++) {
                g_autoptr(GByteArray) bytes = dice(random);

                if (procedure->args)
                    decoded += check(procedure->args, bytes);
                if (procedure->ret)
                    decoded += check(procedure->ret, bytes);
            }
        }
    }
    g_assert_cmpuint(decoded, >, 1000); /* or the dice says nothing */
}

static void test_rows(void)
{
    for (const WireProgram *program = wire_programs; program->name; program++) {
        g_assert_true(wire_program_find(program->number) == program);
        for (size_t i = 0; i < program->procedure_count; i++) {
            const WireProcedure *procedure = &program->procedures[i];

            g_assert_cmpuint(procedure->program, ==, program->number);
            g_assert_true(wire_procedure_find(program->number, procedure->number) == procedure);
            g_assert_true(procedure->kind == WIRE_CALL || !procedure->ret);
        }
    }
    g_assert_null(wire_procedure_find(REMOTE_PROGRAM, 0));
    g_assert_null(wire_procedure_find(REMOTE_PROGRAM, -1));
    g_assert_null(wire_procedure_find(REMOTE_PROGRAM, 100000));
    g_assert_null(wire_procedure_find(1, 1));
}

static void test_columns(void)
{
    const WireProcedure *row = wire_procedure_get(REMOTE_PROGRAM, REMOTE_STORAGE_VOL_UPLOAD);

    g_assert_cmpstr(row->name, ==, "storage_vol_upload");
    g_assert_cmpint(row->stream, ==, WIRE_STREAM_UP | WIRE_STREAM_HOLES);
    g_assert_cmpint(row->readonly, ==, WIRE_READONLY_NO);
    row = wire_procedure_get(REMOTE_PROGRAM, REMOTE_CONNECT_OPEN);
    g_assert_cmpint(row->priority, ==, WIRE_HIGH);
    g_assert_cmpint(row->readonly, ==, WIRE_READONLY_YES);
    g_assert_cmpstr(row->acl, ==, "connect:getattr");
    row = wire_procedure_get(QEMU_PROGRAM, QEMU_DOMAIN_MONITOR_COMMAND_WITH_FILES);
    g_assert_cmpint(row->fds, ==, WIRE_FDS_CALL | WIRE_FDS_REPLY);
    row = wire_procedure_get(REMOTE_PROGRAM, REMOTE_DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS);
    g_assert_cmpint(row->stream, ==, WIRE_STREAM_UP);
    row = wire_procedure_get(REMOTE_PROGRAM, REMOTE_DOMAIN_EVENT_LIFECYCLE);
    g_assert_cmpint(row->kind, ==, WIRE_EVENT);
}

static void test_secrets(void)
{
    static char data[] = "open sesame";
    const RemoteAuthSaslStepArgs sasl = {.data = data, .data_count = 11};
    const RemoteDomainSetUserPasswordArgs password = {
        .dom = {.name = data}, .user = (char *)"root", .password = data};
    g_autofree char *text =
        wire_format(wire_procedure_get(REMOTE_PROGRAM, REMOTE_AUTH_SASL_STEP)->args, &sasl);
    g_autofree char *second = wire_format(
        wire_procedure_get(REMOTE_PROGRAM, REMOTE_DOMAIN_SET_USER_PASSWORD)->args, &password);

    g_assert_cmpstr(text, ==, "nil=0 data=<11 bytes>");
    g_assert_nonnull(strstr(second, "user=\"root\" password=<11 bytes> flags=0"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/procedures/any-bytes-decode-to-what-encodes-the-same", test_every_type);
    g_test_add_func("/wire/procedures/every-row-is-found", test_rows);
    g_test_add_func("/wire/procedures/columns-arrive", test_columns);
    g_test_add_func("/wire/procedures/secrets-show-their-size-only", test_secrets);
    return g_test_run();
}
