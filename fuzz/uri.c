/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* URIs: any text must end in parts or in one clean error, and the parts must make a command line
 * that a shell reads as exactly the words it was made of. */
#include <stdint.h>
#include <string.h>

#include "link/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_command(const Uri *uri)
{
    g_auto(GStrv) argv = uri_command_argv(uri, uri->no_verify, NULL);
    g_auto(GStrv) words = NULL;
    guint count = argv ? g_strv_length(argv) : 0;

    if (uri->transport != URI_TRANSPORT_SSH)
        return;
    g_assert_cmpuint(count, >, 2);
    g_assert_cmpstr(argv[count - 3], ==, "--");
    g_assert_true(g_shell_parse_argv(argv[count - 1], NULL, &words, NULL));
    g_assert_cmpuint(g_strv_length(words), ==, 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(Uri) uri = uri_parse(text, &error);
    g_auto(GStrv) sockets = NULL;

    g_assert_true((uri == NULL) == (error != NULL));
    if (!uri)
        return 0;
    g_assert_nonnull(uri->open_name);
    g_assert_true(uri->transport != URI_TRANSPORT_TCP || (uri->host && uri->port));
    sockets = uri_unix_sockets(uri, uri->no_tty, "/run/user/1");
    g_assert_nonnull(sockets[0]);
    look_at_command(uri);
    return 0;
}
