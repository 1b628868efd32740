/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/reserve.h"

#include "base/error.h"

#define MIB (1024 * UINT64_C(1024))

static void test_decide(void)
{
    static const struct {
        uint64_t needed, available, reserved;
        gboolean fits;
        const char *says;
    } cases[] = {
        {64 * MIB, 64 * MIB, 0, TRUE, NULL},
        {65 * MIB, 64 * MIB, 0, FALSE, "choose another host"},
        {64 * MIB, 128 * MIB, 64 * MIB, TRUE, NULL},
        {65 * MIB, 128 * MIB, 64 * MIB, FALSE, "64 MiB are set aside for guests that are on their way here"},
        {1 * MIB, 10 * MIB, 20 * MIB, FALSE, "set aside"}, /* memory went away after it was promised */
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(reserve_decide(cases[i].needed, cases[i].available, cases[i].reserved, &error), ==, cases[i].fits);
        if (!cases[i].fits)
            g_assert_nonnull(strstr(error->message, cases[i].says));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate/reserve/guests-on-their-way-count", test_decide);
    return g_test_run();
}
