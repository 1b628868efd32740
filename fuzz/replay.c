/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A main for fuzz targets without a fuzzer: feeds every file of the folders named as arguments,
 * once. */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replay_folder(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    unsigned count = 0;
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_autofree char *bytes = NULL;
        size_t len;

        if (!g_file_get_contents(file, &bytes, &len, NULL))
            continue;
        /* A copy of the exact size, so that a sanitizer sees a read behind the end. */
        g_autofree uint8_t *exact = g_memdup2(bytes, len);

        LLVMFuzzerTestOneInput(exact, len);
        count++;
    }
    return count;
}

int main(int argc, char **argv)
{
    unsigned count = 0;

    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        count += replay_folder(argv[i]);
    printf("%u inputs replayed\n", count);
    return count > 0 ? 0 : 1;
}
