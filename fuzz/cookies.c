/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migration cookies: any bytes, read as each phase reads them, must end in a cookie that can be
 * written and read again, or in one clean error.  The first byte chooses the reader. */
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "phase/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(MigrationCookie) cookie = NULL;
    g_autoptr(MigrationCookie) again = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GError) error = NULL;
    CookieReader reader =
        size > 0 ? (CookieReader)(data[0] % (COOKIE_FOR_CONFIRM + 1)) : COOKIE_FOR_PREPARE;
    g_autofree char *text = size > 0 ? g_strndup((const char *)data + 1, size - 1) : g_strdup("");
    Uuid nobody = {0};
    size_t len;
    const void *written;

    cookie = cookie_parse(text, strlen(text) + 1, reader, &error);
    g_assert((cookie != NULL) == (error == NULL));
    if (!cookie)
        return 0;
    cookie_check(cookie, cookie->name, &cookie->uuid, &nobody, NULL);
    cookie_check_lock(cookie, NULL, NULL);
    bytes = cookie_format(cookie, NULL);
    if (!bytes)
        return 0; /* it may embed a definition that stands only inside its cookie */
    written = g_bytes_get_data(bytes, &len);
    again = cookie_parse(written, len, reader, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(again->name, ==, cookie->name);
    g_assert_cmpint(again->features, ==, cookie->features);
    g_assert_true((again->ferry != NULL) == (cookie->ferry != NULL));
    if (cookie->ferry) {
        g_assert_cmpint(again->ferry->port, ==, cookie->ferry->port);
        g_assert_cmpuint(again->ferry->addresses->len, ==, cookie->ferry->addresses->len);
        g_assert_cmpuint(again->ferry->addresses->len, <=, COOKIE_ADDRESSES_MAX);
    }
    return 0;
}
