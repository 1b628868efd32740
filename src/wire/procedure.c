/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Procedures: looking up rows. */
#include "wire/procedure.h"

const WireProgram *wire_program_find(uint32_t number)
{
    for (const WireProgram *program = wire_programs; program->name; program++) {
        if (program->number == number)
            return program;
    }
    return NULL;
}

const WireProcedure *wire_procedure_find(uint32_t program_number, int32_t number)
{
    const WireProgram *program = wire_program_find(program_number);
    size_t low = 0, high = program ? program->procedure_count : 0;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (program->procedures[middle].number == number)
            return &program->procedures[middle];
        if (program->procedures[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const WireProcedure *wire_procedure_get(uint32_t program, int32_t number)
{
    const WireProcedure *procedure = wire_procedure_find(program, number);

    g_assert(procedure);
    return procedure;
}
