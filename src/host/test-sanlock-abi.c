/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Built only where sanlock's headers are: that it compiles is most of the test. */
#include "host/sanlock-abi.h"

#include <glib.h>
#include <sanlock.h>
#include <sanlock_admin.h>
#include <sanlock_resource.h>
#include <sanlock_rv.h>
#include <stddef.h>

#define SAME(ours, our_field, theirs, their_field)                                                 \
    G_STATIC_ASSERT(offsetof(ours, our_field) == offsetof(struct theirs, their_field))

G_STATIC_ASSERT(sizeof(SanlockDisk) == sizeof(struct sanlk_disk));
G_STATIC_ASSERT(sizeof(SanlockResource) ==
                sizeof(struct sanlk_resource) + sizeof(struct sanlk_disk));
G_STATIC_ASSERT(sizeof(SanlockLockspace) == sizeof(struct sanlk_lockspace));
G_STATIC_ASSERT(sizeof(SanlockHost) == sizeof(struct sanlk_host));
SAME(SanlockDisk, offset, sanlk_disk, offset);
SAME(SanlockResource, name, sanlk_resource, name);
SAME(SanlockResource, flags, sanlk_resource, flags);
SAME(SanlockResource, disk_count, sanlk_resource, num_disks);
SAME(SanlockResource, disk, sanlk_resource, disks);
SAME(SanlockLockspace, host_id, sanlk_lockspace, host_id);
SAME(SanlockLockspace, disk, sanlk_lockspace, host_id_disk);
SAME(SanlockHost, generation, sanlk_host, generation);
SAME(SanlockHost, flags, sanlk_host, flags);

static void test_numbers(void)
{
    static const int pairs[][2] = {
        {SANLOCK_ACQUIRE_LVB, SANLK_ACQUIRE_LVB},
        {SANLOCK_ACQUIRE_NOWAIT, SANLK_ACQUIRE_OWNER_NOWAIT},
        {SANLOCK_USED, SANLK_CONFIG_USED},
        {SANLOCK_UNUSED, SANLK_CONFIG_UNUSED},
        {SANLOCK_HOST_UNKNOWN, SANLK_HOST_UNKNOWN},
        {SANLOCK_HOST_FREE, SANLK_HOST_FREE},
        {SANLOCK_HOST_LIVE, SANLK_HOST_LIVE},
        {SANLOCK_HOST_FAIL, SANLK_HOST_FAIL},
        {SANLOCK_HOST_DEAD, SANLK_HOST_DEAD},
        {SANLOCK_HOST_MASK, SANLK_HOST_MASK},
        {SANLOCK_IS_LIVE, SANLK_ACQUIRE_IDLIVE},
        {SANLOCK_IS_OWNED, SANLK_ACQUIRE_OWNED},
        {SANLOCK_IS_OTHERS, SANLK_ACQUIRE_OTHER},
        {SANLOCK_IS_OWNED_BY_SILENT, SANLK_ACQUIRE_OWNED_RETRY},
        {SANLOCK_HOST_ID_BUSY, SANLK_HOSTID_BUSY},
        {SANLOCK_NAME_LEN, SANLK_NAME_LEN},
        {SANLOCK_PATH_LEN, SANLK_PATH_LEN},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(pairs); i++)
        g_assert_cmpint(pairs[i][0], ==, pairs[i][1]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host/sanlock-abi/our-numbers-are-sanlock's", test_numbers);
    return g_test_run();
}
