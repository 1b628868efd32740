/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files: whole ones, read within a limit and written so that a power loss leaves the old or the new. */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* A file descriptor that closes itself: `auto_fd int fd = -1;`.  Hand over with fd_steal(&fd). */
void fd_clear(int *fd);
int fd_steal(int *fd);
#define auto_fd __attribute__((cleanup(fd_clear)))

/* Reads all of it; more than max_bytes is an error.  ret_len may be NULL; the text has a NUL behind it.  The caller frees. */
char *file_read(const char *path, size_t max_bytes, size_t *ret_len, GError **error);
/* Writes beside it, fsync, rename, fsync of the folder.  Blocks: on a task, call it off the floor. */
gboolean file_write_atomic(const char *path, const void *data, size_t len, mode_t mode, GError **error);
/* Removes it and syncs the folder.  Content to find nothing. */
gboolean file_remove(const char *path, GError **error);
gboolean file_sync_dir_of(const char *path, GError **error);
/* Like mkdir -p; an existing folder is fine. */
gboolean dir_make(const char *path, mode_t mode, GError **error);

/* Names as file names: letters, digits and -_.+@ stay (a leading dot does not), all else is %XX.  The caller frees;
 * the reverse is NULL for text that the first never makes. */
char *name_encode(const char *name);
char *name_decode(const char *encoded);
