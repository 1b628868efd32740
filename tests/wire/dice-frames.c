/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints one frame of every body of every procedure, filled by a seeded dice, as text2pcap reads
 * them; for a dissector that somebody else wrote. */
#include <stdio.h>

#include "wire/frame.h"
#include "wire/writer.h"

#define TRIES 20000

/* What some dice decode to; NULL: the dice did not fall that way. */
static const void *thrown(GRand *random, const WireType *type, Arena *arena)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    int words = g_rand_int_range(random, 0, 60);

    for (int i = 0; i < words; i++)
        wire_write_u32(bytes, g_rand_int(random) >> g_rand_int_range(random, 20, 32));
    return wire_decode(type, bytes->data, bytes->len, arena, NULL);
}

static void print_frame(GRand *random, const WireProcedure *procedure, const WireType *body,
                        int32_t type)
{
    const WireFrameHeader header = {.prog = procedure->program,
                                    .vers = wire_program_find(procedure->program)->version,
                                    .proc = procedure->number,
                                    .type = type,
                                    .serial = 1};
    g_autoptr(GByteArray) frame = g_byte_array_new();
    g_autoptr(Arena) arena = arena_new();
    size_t start = wire_frame_begin(frame, &header);
    const void *value = NULL;

    for (int i = 0; body && !value && i < TRIES; i++)
        value = thrown(random, body, arena);
    if (body && !(value && wire_encode(body, value, frame, NULL)))
        g_error("no dice for %s", procedure->name);
    if (!wire_frame_end(frame, start, NULL))
        g_error("%s is too long", procedure->name);
    printf("000000");
    for (guint i = 0; i < frame->len; i++)
        printf(" %02x", frame->data[i]);
    printf("\n");
}

int main(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(3);

    for (const WireProgram *program = wire_programs; program->name; program++) {
        for (size_t i = 0; i < program->procedure_count && program->number != FERRY_PROGRAM; i++) {
            const WireProcedure *procedure = &program->procedures[i];

            if (procedure->kind == WIRE_CALL) {
                print_frame(random, procedure, procedure->args, WIRE_FRAME_TYPE_CALL);
                print_frame(random, procedure, procedure->ret, WIRE_FRAME_TYPE_REPLY);
            } else {
                print_frame(random, procedure, procedure->args, WIRE_FRAME_TYPE_MESSAGE);
            }
        }
    }
    return 0;
}
