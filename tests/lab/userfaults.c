/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded into QEMU where vm.unprivileged_userfaultfd is 0, as it is one setting for the whole machine: faults of user mode
 * alone, which is what the kernel grants to everybody, do for guests whose memory only their vCPUs touch. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#define USER_MODE_ONLY 1

long syscall(long number, ...)
{
    static long (*next)(long, ...);
    long arguments[6];
    va_list list;

    va_start(list, number);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(list, long);
    va_end(list);
    if (!next)
        next = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    if (number == SYS_userfaultfd)
        arguments[0] |= USER_MODE_ONLY;
    return next(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}
