/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/thread.h"

#include <signal.h>

int thread_start(pthread_t *ret_thread, size_t stack_bytes, void *(*run)(void *), void *data)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    pthread_attr_t attributes;
    sigset_t signals;
    pthread_t thread;
    int failure;

    sigfillset(&signals);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        sigdelset(&signals, own[i]);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_attr_setdetachstate(&attributes, ret_thread ? PTHREAD_CREATE_JOINABLE : PTHREAD_CREATE_DETACHED);
    pthread_attr_setsigmask_np(&attributes, &signals);
    failure = pthread_create(ret_thread ? ret_thread : &thread, &attributes, run, data);
    pthread_attr_destroy(&attributes);
    return failure;
}
