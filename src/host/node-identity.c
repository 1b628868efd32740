/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who this host is.  Two hosts with one UUID cannot exchange guests, so firmware that gives the
 * same to every board it leaves must not be believed. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "host/node.h"

/* What firmware ships when nobody wrote a UUID; bytes may be in either of SMBIOS's orders. */
static const char *const dummies[] = {
    "03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc", "78563412-3412-7856-90ab-cddeefaabbcc",
    "12345678-1234-1234-1234-123456789abc", "01020304-0506-0708-090a-0b0c0d0e0f10",
    "01234567-89ab-cdef-0123-456789abcdef", "11223344-5566-7788-99aa-bbccddeeff00",
    "00112233-4455-6677-8899-aabbccddeeff", "4c4c4544-0000-2010-8020-80c04f202020",
    "44454c4c-0000-1020-8020-80c04f202020", "fefefefe-fefe-fefe-fefe-fefefefefefe",
};

gboolean node_uuid_is_dummy(const Uuid *uuid)
{
    char text[UUID_TEXT_SIZE];
    gboolean is_one_digit = TRUE;

    for (unsigned i = 1; i < sizeof uuid->bytes; i++)
        is_one_digit &= uuid->bytes[i] == uuid->bytes[0];
    if (is_one_digit)
        return TRUE;
    uuid_format(uuid, text);
    for (unsigned i = 0; i < G_N_ELEMENTS(dummies); i++) {
        if (strcmp(text, dummies[i]) == 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean read_smbios(const char *root, Uuid *ret_uuid)
{
    g_autofree char *path = g_strconcat(root, "/sys/class/dmi/id/product_uuid", NULL);
    g_autofree char *text = file_read(path, 128, NULL, NULL);

    return text && uuid_parse(g_strstrip(text), ret_uuid) && !node_uuid_is_dummy(ret_uuid);
}

static gboolean read_or_make(const char *state_dir, Uuid *ret_uuid, GError **error)
{
    g_autofree char *path = g_build_filename(state_dir, "host-uuid", NULL);
    g_autofree char *text = NULL;
    char line[UUID_TEXT_SIZE];

    if (access(path, F_OK) == 0) {
        text = file_read(path, 128, NULL, error);
        if (!text)
            return FALSE;
        if (uuid_parse(g_strstrip(text), ret_uuid))
            return TRUE;
        return error_set(
            error, ERROR_OPERATION_FAILED,
            "operation failed: '%s' does not hold a UUID; remove it to have a new one made", path);
    }
    uuid_generate(ret_uuid);
    uuid_format(ret_uuid, line);
    g_autofree char *content = g_strconcat(line, "\n", NULL);
    if (!dir_make(state_dir, 0755, error) ||
        !file_write_atomic(path, content, strlen(content), 0644, error))
        return FALSE;
    log_info("this host had no UUID of its own; made %s and kept it in '%s'", line, path);
    return TRUE;
}

gboolean node_uuid(const char *root, const char *configured, const char *state_dir, Uuid *ret_uuid,
                   GError **error)
{
    Uuid uuid;

    if (configured) {
        if (!uuid_parse(configured, &uuid) || node_uuid_is_dummy(&uuid))
            return error_set(error, ERROR_CONF_SYNTAX, "host_uuid '%s' is not the UUID of one host",
                             configured);
    } else if (!read_smbios(root, &uuid) && !read_or_make(state_dir, &uuid, error)) {
        return FALSE;
    }
    *ret_uuid = uuid;
    return TRUE;
}

char *node_hostname(void)
{
    char name[HOST_NAME_MAX + 1] = "";

    if (gethostname(name, sizeof name - 1) < 0 || !name[0])
        return g_strdup("localhost");
    return g_strdup(name);
}
