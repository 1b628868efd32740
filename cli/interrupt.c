/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ctrl-C as a wish. */
#include "interrupt.h"

#include <signal.h>

static volatile sig_atomic_t came;

static void on_signal(int number)
{
    came = 1;
}

/* No SA_RESTART: a wait has to end, so that the wish is heard at once. */
void interrupt_catch(void)
{
    const struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

gboolean interrupt_came(void)
{
    return came != 0;
}
