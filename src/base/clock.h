/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clocks: one that only moves forward and one for people; tests may freeze the first. */
#pragma once

#include <glib.h>
#include <stdint.h>

int64_t clock_now_ms(void);  /* monotonic */
int64_t clock_now_us(void);  /* monotonic */
int64_t clock_wall_ms(void); /* since the epoch */

/* From here on clock_now_* stands still and moves only by clock_advance. */
void clock_freeze(int64_t now_ms);
void clock_advance(int64_t by_ms);
