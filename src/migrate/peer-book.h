/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The peer book: at which addresses other hosts were met before.  It is asked when a stock destination names a host that
 * means nothing here and nobody has said where its daemon was reached.  Pure; migrate/acquaintance keeps the daemon's. */
#pragma once

#include <glib.h>

#include "base/uuid.h"

#define PEER_BOOK_HOSTS_MAX 256   /* learned ones; the one met longest ago goes first */
#define PEER_BOOK_ADDRESSES_MAX 8 /* of one host, likewise */
#define PEER_BOOK_TEXT_MAX (512 * 1024)

typedef struct PeerBook PeerBook;

PeerBook *peer_book_new(void);
void peer_book_free(PeerBook *book);

/* As kept in the file: a line per host, longest ago first: UUID NAME ADDRESS…, the last address the newest.  Lines that
 * cannot be read are passed over. */
void peer_book_read(PeerBook *book, const char *text);
char *peer_book_format(const PeerBook *book);

/* A row of ferryd.conf: NAME (or UUID), then addresses.  Such rows are asked first and never forgotten. */
gboolean peer_book_configure(PeerBook *book, const char *row, GError **error);
/* It was met there.  TRUE: that was news.  What is no literal, or an address that leads nowhere else (loopback, any), is
 * not learned. */
gboolean peer_book_learn(PeerBook *book, const Uuid *uuid, const char *name, const char *literal);

/* Literals, the best first; a new list (g_strfreev), maybe empty.  Learned ones go by the UUID alone: a name may have
 * passed to another machine. */
char **peer_book_find(const PeerBook *book, const Uuid *uuid, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PeerBook, peer_book_free)
