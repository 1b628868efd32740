/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ctrl-C as a wish. */
#include "interrupt.h"

#include <signal.h>

static volatile sig_atomic_t came;

static void on_signal(int number)
{
    came = 1;
}

/* No SA_RESTART: a wait has to end, so that the wish is heard at once.  Who ignored it for us
 * (nohup) meant it. */
void interrupt_catch(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before;

    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
}

gboolean interrupt_came(void)
{
    return came != 0;
}
