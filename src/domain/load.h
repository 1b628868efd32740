/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Start-up: definitions read, running guests found again, open migrations settled, autostart. */
#pragma once

#include "loop/task.h"

typedef struct Domain Domain;

/* Before any client is served.  What cannot be read is logged and left alone; an error means no
 * folder to read from. */
AWAITS gboolean load_domains(GError **error);
/* Once per boot of the host: the first daemon leaves a marker in run_dir. */
AWAITS void load_autostart(void);
/* The owner of a guest is known now: if its autostart had to wait for that, it has its turn. */
void load_autostart_again(Domain *domain);
