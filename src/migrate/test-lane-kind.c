/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/lane-kind.h"
#include "phase/flags.h"

static void the_channels_are_as_many_as_asked_for(void)
{
    g_autoptr(Params) params = params_new();

    g_assert_cmpuint(lane_count(LANE_MULTIFD, 0, NULL), ==, 0);
    g_assert_cmpuint(lane_count(LANE_MULTIFD, MIGRATE_PARALLEL, NULL), ==, 2);
    g_assert_cmpuint(lane_count(LANE_MULTIFD, MIGRATE_PARALLEL, params), ==, 2);
    params_add_int(params, "parallel.connections", 7);
    g_assert_cmpuint(lane_count(LANE_MULTIFD, MIGRATE_PARALLEL, params), ==, 7);
    g_assert_cmpuint(lane_count(LANE_MULTIFD, 0, params), ==, 0);
    g_assert_cmpuint(lane_count(LANE_MEMORY, 0, params), ==, 1);
    g_assert_cmpuint(lane_count(LANE_MEMORY, MIGRATE_TUNNELLED, params), ==, 0);
}

/* One connection goes to QEMU as it is; the first of several cannot. */
static void only_a_lone_stream_goes_by_descriptor(void)
{
    for (OwnerSide side = SIDE_SOURCE; side <= SIDE_DESTINATION; side++) {
        g_assert_false(lane_is_joined(LANE_MEMORY, side, MIGRATE_LIVE));
        g_assert_true(lane_is_joined(LANE_MEMORY, side, MIGRATE_LIVE | MIGRATE_PARALLEL));
        g_assert_true(lane_is_joined(LANE_MULTIFD, side, MIGRATE_PARALLEL));
        g_assert_false(lane_any_is_joined(side, MIGRATE_LIVE));
        g_assert_true(lane_any_is_joined(side, MIGRATE_PARALLEL));
        g_assert_false(lane_is_joined(LANE_PACT, side, MIGRATE_PARALLEL));
    }
    g_assert_false(lane_is_joined(LANE_NBD, SIDE_SOURCE, MIGRATE_PARALLEL));
    g_assert_true(lane_is_joined(LANE_NBD, SIDE_DESTINATION, 0));
}

static void every_lane_has_a_name(void)
{
    g_autofree char *memory = lane_name_format((LaneName){LANE_MEMORY, 0});
    g_autofree char *channel = lane_name_format((LaneName){LANE_MULTIFD, 3});

    g_assert_cmpstr(memory, ==, "memory");
    g_assert_cmpstr(channel, ==, "multifd 3");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate/lane-kind/the-channels-are-as-many-as-asked-for", the_channels_are_as_many_as_asked_for);
    g_test_add_func("/migrate/lane-kind/only-a-lone-stream-goes-by-descriptor", only_a_lone_stream_goes_by_descriptor);
    g_test_add_func("/migrate/lane-kind/every-lane-has-a-name", every_lane_has_a_name);
    return g_test_run();
}
