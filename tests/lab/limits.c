/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded into sanlock where a container may not raise limits: it insists on doing so at its start, for locked memory and
 * real-time priority, neither of which the lab asks it for. */
#define _GNU_SOURCE
#include <sys/resource.h>

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    (void)resource, (void)limit;
    return 0;
}

int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
    (void)resource, (void)limit;
    return 0;
}
