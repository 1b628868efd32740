/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's peer book. */
#include "migrate/acquaintance.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "host/address.h"
#include "link/uri.h"
#include "loop/task.h"
#include "migrate/peer-book.h"

static PeerBook *the_book;
static char *the_path, *written;
static gboolean is_writing, has_news;

gboolean acquaintance_init(const char *state_dir, const char *const *rows, GError **error)
{
    g_autofree char *text = NULL;

    the_book = peer_book_new();
    the_path = g_build_filename(state_dir, "peers", NULL);
    for (const char *const *row = rows; row && *row; row++)
        if (!peer_book_configure(the_book, *row, error))
            return FALSE;
    text = file_read(the_path, PEER_BOOK_TEXT_MAX, NULL, NULL);
    if (text)
        peer_book_read(the_book, text);
    written = peer_book_format(the_book);
    return TRUE;
}

/* One writer at a time, so that the newest text is the last one written; nobody waits for it. */
AWAITS static void write_down(void *data)
{
    while (has_news) {
        char *text = peer_book_format(the_book);
        g_autoptr(GError) error = NULL;

        has_news = FALSE;
        if (g_strcmp0(text, written) == 0) { /* it was learned, and is what was known */
            g_free(text);
            break;
        }
        g_free(written);
        written = text;
        off_floor {
            file_write_atomic(the_path, text, strlen(text), 0600, &error);
        }
        if (error)
            log_warning("%s, continuing: after a restart some hosts will not be known by their addresses",
                        error->message);
    }
    is_writing = FALSE;
}

static void learn(const Uuid *uuid, const char *name, const char *literal)
{
    has_news |= peer_book_learn(the_book, uuid, name, literal);
    if (!has_news || is_writing)
        return;
    is_writing = TRUE;
    task_spawn("peers", write_down, NULL, NULL);
}

/* The best one last, as the newest is the first to be tried. */
void acquaintance_hear(const Uuid *uuid, const char *name, const CookieFerry *ferry)
{
    unsigned count = the_book && ferry ? MIN(ferry->addresses->len, PEER_BOOK_ADDRESSES_MAX - 1) : 0;

    while (count > 0) {
        const CookieAddress *address = ferry->addresses->pdata[--count];
        struct sockaddr_storage literal;

        if (address_parse(address->literal, &literal) && !address_is_link_local(&literal)) /* its scope is not ours */
            learn(uuid, name, address->literal);
    }
}

void acquaintance_make(const Uuid *uuid, const char *name, const char *literal)
{
    if (the_book && literal)
        learn(uuid, name, literal);
}

char **acquaintance_find(const Uuid *uuid, const char *name)
{
    return the_book ? peer_book_find(the_book, uuid, name) : g_new0(char *, 1);
}

/* --- ferryd.conf: whom to call --------------------------------------------------------------------------------------- */

static const char *const *uri_rows;

gboolean acquaintance_set_uris(const char *const *rows, GError **error)
{
    for (const char *const *row = rows; row && *row; row++) {
        const char *blank = strchr(*row, ' ');
        g_autoptr(GError) why = NULL;
        g_autoptr(Uri) uri = blank && blank != *row ? uri_parse(blank + 1, &why) : NULL;

        if (!uri)
            return error_set(error, ERROR_CONF_SYNTAX, "peer_uri = %s: write the host's name and then its URI, such as fedora2 "
                             "qemu+ssh://root@fedora2/system%s%s", *row, why ? ": " : "", why ? why->message : "");
    }
    uri_rows = rows;
    return TRUE;
}

const char *acquaintance_uri(const char *name)
{
    const size_t len = name ? strlen(name) : 0;

    for (const char *const *row = len ? uri_rows : NULL; row && *row; row++)
        if (g_ascii_strncasecmp(*row, name, len) == 0 && (*row)[len] == ' ')
            return *row + len + 1;
    return NULL;
}
