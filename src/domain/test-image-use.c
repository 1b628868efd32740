/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/image-use.h"

#include <string.h>

enum { WRITES, READS, BASE, SHARES, SHARES_QCOW2 };

static ImageUse use(int kind, const char *path)
{
    return (ImageUse){.path = (char *)path,
                      .target = (char *)"vda",
                      .is_base = kind == BASE,
                      .is_readonly = kind == READS,
                      .is_shareable = kind == SHARES,
                      .is_shareable_in_vain = kind == SHARES_QCOW2};
}

static void test_rule(void)
{
    /* clang-format off */
    static const gboolean agree[5][5] = {
        /*               WRITES READS  BASE   SHARES SHARES_QCOW2 */
        [WRITES]       = {FALSE, FALSE, FALSE, FALSE, FALSE},
        [READS]        = {FALSE, TRUE,  TRUE,  FALSE, FALSE},
        [BASE]         = {FALSE, TRUE,  TRUE,  FALSE, FALSE},
        [SHARES]       = {FALSE, FALSE, FALSE, TRUE,  FALSE},
        [SHARES_QCOW2] = {FALSE, FALSE, FALSE, FALSE, FALSE},
    };
    /* clang-format on */

    for (int a = 0; a < 5; a++)
        for (int b = 0; b < 5; b++) {
            const ImageUse ours = use(a, "/a"), theirs = use(b, "/a");

            g_assert_cmpint(image_uses_agree(&ours, &theirs), ==, agree[a][b]);
        }
}

static void assert_says(int ours, int theirs, const char *path, const char *name, const char *words)
{
    const ImageUse a = use(ours, "/a"), b = use(theirs, path);
    g_autofree char *sentence = image_uses_explain(&a, &b, name);

    if (!strstr(sentence, words))
        g_error("'%s' does not say '%s'", sentence, words);
}

static void test_words(void)
{
    assert_says(
        WRITES, WRITES, "/a", "web",
        "image '/a' of disk 'vda' is in use by disk 'vda' of guest 'web': shut guest 'web' down");
    assert_says(WRITES, WRITES, "/link", "web", "guest 'web' (there as '/link')");
    assert_says(WRITES, WRITES, "/a", NULL,
                "of the same guest: give each disk an image of its own");
    assert_says(WRITES, BASE, "/a", "web", "is the base of disk 'vda' of guest 'web'");
    assert_says(BASE, WRITES, "/a", "web", "which disk 'vda' is based on, is written to by");
    assert_says(SHARES_QCOW2, SHARES_QCOW2, "/a", "web", "only raw images can be shared");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/domain/image-use/readers-agree-and-sharers-do", test_rule);
    g_test_add_func("/domain/image-use/the-sentence-names-image-guest-and-remedy", test_words);
    return g_test_run();
}
