/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clocks. */
#include "base/clock.h"

#include <stdatomic.h>

static _Atomic int64_t frozen_us = -1;

int64_t clock_now_us(void)
{
    int64_t frozen = frozen_us;

    return frozen >= 0 ? frozen : g_get_monotonic_time();
}

int64_t clock_now_ms(void)
{
    return clock_now_us() / 1000;
}

int64_t clock_wall_ms(void)
{
    return g_get_real_time() / 1000;
}

void clock_freeze(int64_t now_ms)
{
    frozen_us = now_ms * 1000;
}

void clock_advance(int64_t by_ms)
{
    g_assert(frozen_us >= 0);
    frozen_us += by_ms * 1000;
}
