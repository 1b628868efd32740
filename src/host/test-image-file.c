/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/image-file.h"

#include <string.h>

static void put(uint8_t *header, uint64_t offset, uint32_t len)
{
    const uint64_t be_offset = GUINT64_TO_BE(offset);
    const uint32_t be_len = GUINT32_TO_BE(len);

    memset(header, 0, QCOW2_HEADER_BYTES);
    memcpy(header, "QFI\xfb\0\0\0\3", 8);
    memcpy(header + 8, &be_offset, sizeof be_offset);
    memcpy(header + 16, &be_len, sizeof be_len);
}

static void test_header(void)
{
    uint8_t header[QCOW2_HEADER_BYTES];
    uint64_t offset;
    uint32_t len;

    put(header, 512, 9);
    g_assert_true(qcow2_header_parse(header, sizeof header, &offset, &len));
    g_assert_cmpuint(offset, ==, 512);
    g_assert_cmpuint(len, ==, 9);
    for (size_t cut = 0; cut < sizeof header; cut++)
        g_assert_false(qcow2_header_parse(header, cut, &offset, &len));
    header[0] = 'X';
    g_assert_false(qcow2_header_parse(header, sizeof header, &offset, &len));
    put(header, 0, 9); /* nothing below */
    g_assert_false(qcow2_header_parse(header, sizeof header, &offset, &len));
    put(header, 512, 1024); /* longer than the format allows */
    g_assert_false(qcow2_header_parse(header, sizeof header, &offset, &len));
    put(header, UINT64_MAX, 9);
    g_assert_false(qcow2_header_parse(header, sizeof header, &offset, &len));
}

static void test_names(void)
{
    static const struct {
        const char *name, *path;
    } cases[] = {
        {"base.img", "/images/base.img"},
        {"/other/base.img", "/other/base.img"},
        {"../base", "/images/../base"},
        {"file:base.img", "/images/base.img"},
        {"nbd://host/x", NULL},
        {"json:{\"driver\":\"raw\"}", NULL},
        {"", NULL},
        {"./a:b", "/images/./a:b"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = qcow2_backing_path("/images/top.qcow2", cases[i].name);

        g_assert_cmpstr(path, ==, cases[i].path);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host/image-file/a-header-is-read-within-its-bounds", test_header);
    g_test_add_func("/host/image-file/only-local-files-count", test_names);
    return g_test_run();
}
