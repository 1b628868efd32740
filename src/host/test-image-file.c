/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/image-file.h"

#include <string.h>

#define HEADER_BYTES 104

static void put_u32(uint8_t *at, uint32_t value)
{
    value = GUINT32_TO_BE(value);
    memcpy(at, &value, sizeof value);
}

static void put(uint8_t *header, uint64_t offset, uint32_t len)
{
    offset = GUINT64_TO_BE(offset);
    memset(header, 0, QCOW2_HEADER_MAX);
    memcpy(header, "QFI\xfb\0\0\0\3", 8);
    memcpy(header + 8, &offset, sizeof offset);
    put_u32(header + 16, len);
    put_u32(header + 100, HEADER_BYTES);
}

static void test_header(void)
{
    uint8_t header[QCOW2_HEADER_MAX];
    Qcow2Backing backing;

    put(header, 512, 9);
    g_assert_true(qcow2_header_parse(header, sizeof header, &backing));
    g_assert_cmpuint(backing.name_offset, ==, 512);
    g_assert_cmpuint(backing.name_len, ==, 9);
    g_assert_false(backing.is_qcow2);
    for (size_t cut = 0; cut < 72; cut++)
        g_assert_false(qcow2_header_parse(header, cut, &backing));
    header[0] = 'X';
    g_assert_false(qcow2_header_parse(header, sizeof header, &backing));
    put(header, 0, 9); /* nothing below */
    g_assert_false(qcow2_header_parse(header, sizeof header, &backing));
    put(header, 512, 1024); /* longer than the format allows */
    g_assert_false(qcow2_header_parse(header, sizeof header, &backing));
    put(header, UINT64_MAX, 9);
    g_assert_false(qcow2_header_parse(header, sizeof header, &backing));
}

/* An extension that nobody knows, then the format of the file below. */
static void test_format(void)
{
    uint8_t *header = g_malloc(QCOW2_HEADER_MAX);
    Qcow2Backing backing;

    put(header, 512, 9);
    put_u32(header + 104, 0x12345678);
    put_u32(header + 108, 3);
    put_u32(header + 120, 0xe2792aca);
    put_u32(header + 124, 5);
    memcpy(header + 128, "qcow2", 5);
    g_assert_true(qcow2_header_parse(header, QCOW2_HEADER_MAX, &backing));
    g_assert_true(backing.is_qcow2);
    for (size_t cut = 72; cut < 133; cut++) {
        uint8_t *less = g_memdup2(header, cut);

        g_assert_true(qcow2_header_parse(less, cut, &backing));
        g_assert_false(backing.is_qcow2);
        g_free(less);
    }
    put_u32(header + 108, UINT32_MAX);
    g_assert_true(qcow2_header_parse(header, QCOW2_HEADER_MAX, &backing));
    g_assert_false(backing.is_qcow2);
    put_u32(header + 100, UINT32_MAX);
    g_assert_true(qcow2_header_parse(header, QCOW2_HEADER_MAX, &backing));
    g_assert_false(backing.is_qcow2);
    g_free(header);
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
    g_test_add_func("/host/image-file/the-format-below-is-what-the-image-says", test_format);
    g_test_add_func("/host/image-file/only-local-files-count", test_names);
    return g_test_run();
}
