/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/number.h"

void fd_clear(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int fd_steal(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

char *file_read(const char *path, size_t max_bytes, size_t *ret_len, GError **error)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    g_autoptr(GByteArray) data = g_byte_array_new();
    size_t len;

    if (fd < 0) {
        error_errno(error, "cannot open '%s'", path);
        return NULL;
    }
    for (;;) {
        guint8 chunk[16384];
        ssize_t got = read(fd, chunk, sizeof chunk);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            error_errno(error, "cannot read '%s'", path);
            return NULL;
        }
        if (got == 0)
            break;
        if (data->len + (size_t)got > max_bytes) {
            error_set(error, ERROR_OVERFLOW, "'%s' is longer than %zu bytes", path, max_bytes);
            return NULL;
        }
        g_byte_array_append(data, chunk, (guint)got);
    }
    len = data->len;
    g_byte_array_append(data, (const guint8 *)"", 1);
    if (ret_len)
        *ret_len = len;
    return (char *)g_byte_array_free(g_steal_pointer(&data), FALSE);
}

gboolean file_sync_dir_of(const char *path, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return error_errno(error, "cannot sync folder '%s'", dir);
    return TRUE;
}

static gboolean write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, data, len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return FALSE;
        data += put;
        len -= (size_t)put;
    }
    return TRUE;
}

gboolean file_write_atomic(const char *path, const void *data, size_t len, mode_t mode, GError **error)
{
    g_autofree char *temp = g_strconcat(path, ".new", NULL);
    auto_fd int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0)
        return error_errno(error, "cannot create '%s'", temp);
    if (!write_all(fd, data, len) || fsync(fd) < 0 || rename(temp, path) < 0) {
        error_errno(error, "cannot write '%s'", path);
        unlink(temp);
        return FALSE;
    }
    return file_sync_dir_of(path, error);
}

gboolean file_remove(const char *path, GError **error)
{
    if (unlink(path) < 0) {
        if (errno == ENOENT)
            return TRUE;
        return error_errno(error, "cannot remove '%s'", path);
    }
    return file_sync_dir_of(path, error);
}

gboolean dir_make(const char *path, mode_t mode, GError **error)
{
    if (g_mkdir_with_parents(path, (int)mode) < 0)
        return error_errno(error, "cannot create folder '%s'", path);
    return TRUE;
}

char *name_encode(const char *name)
{
    GString *text = g_string_new(NULL);

    for (const char *byte = name; *byte; byte++) {
        if (g_ascii_isalnum(*byte) || (strchr("-_.+@", *byte) && !(byte == name && *byte == '.')))
            g_string_append_c(text, *byte);
        else
            g_string_append_printf(text, "%%%02X", (unsigned char)*byte);
    }
    return g_string_free(text, FALSE);
}

char *name_decode(const char *encoded)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (; *encoded; encoded++) {
        char digits[3] = {0};
        char byte = *encoded;

        if (byte == '%') {
            memcpy(digits, encoded + 1, strnlen(encoded + 1, 2));
            if (!hex_parse(digits, &byte, 1) || byte == '\0')
                return NULL;
            encoded += 2;
        }
        g_string_append_c(text, byte);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}
