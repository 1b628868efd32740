/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which procedure is served by which function, and whether it may await. */
#pragma once

#include "service/service.h"

/* Hands all rows to the server; the migration's come from service/migrate.c. */
void service_register(void);
