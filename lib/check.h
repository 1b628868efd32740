/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside libferry: one pre-flight under way. */
#pragma once

#include "connection.h"
#include "phase/check.h"

typedef struct {
    FerryDomain *domain;   /* at the source */
    FerryConnection *dest; /* NULL: it does not answer */
    const FerryMigration *wanted;
    const Params *params;
    GPtrArray *rows;    /* of CheckRow */
    Params *facts;      /* of the source; empty: it is no ferryd */
    Params *dest_facts; /* likewise */
    char *xml;          /* what the destination would start */
    char *source_name, *dest_name;
    gboolean is_source_ferry, is_dest_ferry;
    int64_t facts_ms; /* when the source's facts were true, clock_now_ms */
} Preflight;

/* lib/check-stock.c: what a stock host can be asked, and rows of unknown for the rest. */
void check_stock_source(Preflight *flight);
void check_stock_destination(Preflight *flight);
