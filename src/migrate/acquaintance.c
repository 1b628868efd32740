/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's peer book. */
#include "migrate/acquaintance.h"

#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "migrate/peer-book.h"

static PeerBook *the_book;
static char *the_path;
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
    return TRUE;
}

/* One writer at a time, so that the newest text is the last one written. */
AWAITS static void write_down(void)
{
    if (is_writing)
        return;
    is_writing = TRUE;
    while (has_news) {
        g_autofree char *text = peer_book_format(the_book);
        g_autoptr(GError) error = NULL;

        has_news = FALSE;
        off_floor {
            file_write_atomic(the_path, text, strlen(text), 0600, &error);
        }
        if (error)
            log_warning("%s, continuing: after a restart some hosts will not be known by their addresses",
                        error->message);
    }
    is_writing = FALSE;
}

AWAITS void acquaintance_make(const Uuid *uuid, const char *name, const char *literal)
{
    if (!the_book || !literal || !peer_book_learn(the_book, uuid, name, literal))
        return;
    has_news = TRUE;
    write_down();
}

char **acquaintance_find(const Uuid *uuid, const char *name)
{
    return the_book ? peer_book_find(the_book, uuid, name) : g_new0(char *, 1);
}
