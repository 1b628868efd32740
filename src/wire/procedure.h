/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Procedures: the rows of protocol/{remote,qemu,keepalive,ferry}.tsv. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "wire/type.h"

typedef enum { WIRE_CALL, WIRE_EVENT } WireProcedureKind;
typedef enum { WIRE_LOW, WIRE_HIGH } WirePriority;
typedef enum {
    WIRE_STREAM_NONE,
    WIRE_STREAM_DOWN = 1, /* from the server */
    WIRE_STREAM_UP = 2,
    WIRE_STREAM_BOTH = 3,
    WIRE_STREAM_HOLES = 4, /* may be sparse: STREAM_HOLE frames are allowed if flags ask for it */
} WireStream;
typedef enum { WIRE_FDS_NONE, WIRE_FDS_CALL = 1, WIRE_FDS_REPLY = 2 } WireFds;
/* On a read-only connection.  FLAG: only some flag bits are refused, the service looks at them. */
typedef enum { WIRE_READONLY_NO, WIRE_READONLY_YES, WIRE_READONLY_FLAG } WireReadonly;

typedef struct {
    const char *name;     /* for logs: "domain_suspend" */
    const char *acl;      /* "domain:suspend"; "" if none */
    const WireType *args; /* NULL: no body.  Of events: the payload */
    const WireType *ret;  /* NULL: no body */
    uint32_t program;
    int32_t number;
    uint8_t kind;     /* WireProcedureKind */
    uint8_t priority; /* WirePriority */
    uint8_t stream;   /* WireStream bits */
    uint8_t fds;      /* WireFds bits */
    uint8_t readonly; /* WireReadonly */
} WireProcedure;

typedef struct {
    const char *name; /* "remote" */
    uint32_t number;
    uint32_t version;
    const WireProcedure *procedures; /* sorted by number */
    size_t procedure_count;
} WireProgram;

/* All programs of the tables; ends with a row whose name is NULL. */
extern const WireProgram wire_programs[];

const WireProgram *wire_program_find(uint32_t number);
const WireProcedure *wire_procedure_find(uint32_t program, int32_t number);
/* For numbers that our own code names: never NULL. */
const WireProcedure *wire_procedure_get(uint32_t program, int32_t number);
