/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads beside the main one.  Signals stay with that: open here are only those that a fault of the thread's own raises, and
 * SIGPIPE, which splice raises, is nobody's. */
#pragma once

#include <pthread.h>
#include <stddef.h>

/* ret_thread: to be joined; NULL: detached.  Returns 0, or an errno. */
int thread_start(pthread_t *ret_thread, size_t stack_bytes, void *(*run)(void *), void *data);
