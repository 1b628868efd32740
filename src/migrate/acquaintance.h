/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's peer book and its file, state_dir/peers. */
#pragma once

#include <glib.h>

#include "base/uuid.h"
#include "phase/cookie.h"

/* Once at start-up.  rows: `peer` of ferryd.conf (NULL: none).  A file that cannot be read is an empty one. */
gboolean acquaintance_init(const char *state_dir, const char *const *rows, GError **error);
/* Rows of `peer_uri` of ferryd.conf (NULL: none), borrowed for ever. */
gboolean acquaintance_set_uris(const char *const *rows, GError **error);
/* How the daemon of that host (NULL: nobody) is called, by those rows; NULL: not known. */
const char *acquaintance_uri(const char *name);
/* It says itself where it can be reached. */
void acquaintance_hear(const Uuid *uuid, const char *name, const CookieFerry *ferry);
/* The host was met at that literal (NULL: nothing is learned).  News is written down beside; if that fails, the log says
 * so. */
void acquaintance_make(const Uuid *uuid, const char *name, const char *literal);
/* A new list (g_strfreev), maybe empty. */
char **acquaintance_find(const Uuid *uuid, const char *name);
