/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For unit tests: a loop of their own around one function that runs as a task. */
#pragma once

#include "loop/loop.h"
#include "loop/task.h"

static inline void loop_test_quit(void *data)
{
    loop_quit(0);
}

/* What has been posted until now still runs: it may hold the last reference to something. */
static inline void loop_test_ended(void *data)
{
    loop_post(loop_test_quit, NULL);
}

/* Runs fn(data) on a task, in a fresh loop, until it returns. */
static inline void loop_test_run(TaskFunc fn, void *data)
{
    loop_init();
    task_spawn("test", fn, data, loop_test_ended);
    g_assert_cmpint(loop_run(), ==, 0);
    loop_clear();
}
