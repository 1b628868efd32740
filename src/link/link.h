/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A link is one byte pipe to another process: a unix or TCP socket, or one end of a socket pair
 * whose other end is a command's standard input and output.  All descriptors are non-blocking and
 * close-on-exec.  Nothing here waits but what says so: the daemon's loop and the library's pump
 * both poll the descriptor and call again. */
#pragma once

#include <glib.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "link/address.h"

typedef enum { LINK_KIND_UNIX, LINK_KIND_TCP, LINK_KIND_COMMAND } LinkKind;

typedef struct {
    LinkKind kind;
    int fd;
    pid_t pid;    /* of a command that we started ourselves and have to reap; 0 otherwise */
    int error_fd; /* a command's standard error, to quote it; -1: none */
} Link;

/* What a read or write came to. */
typedef enum {
    LINK_OK,     /* *ret_len > 0 bytes moved */
    LINK_AGAIN,  /* nothing now: poll */
    LINK_END,    /* the other side has closed */
    LINK_FAILED, /* the error is set */
} LinkResult;

/* Takes the descriptor and makes it non-blocking, close-on-exec and, for TCP, undelayed. */
Link *link_new(LinkKind kind, int fd);
/* Closes all; a command of ours gets SIGTERM and is reaped. */
void link_free(Link *link);

/* ---- opening; the connection may still be under way when these return ---- */

/* unix: connected at once or not at all (no such file, refused, or its queue is full). */
Link *link_connect_unix(const char *path, GError **error);
/* tcp: wait for POLLOUT, then ask link_connect_result. */
Link *link_connect_tcp(const LinkAddress *address, GError **error);
/* false with "unable to connect to server at 'ADDRESS': reason".  name: what the user called it
 * ("host:port"). */
gboolean link_connect_result(Link *link, const char *name, GError **error);

/* A pair for a command: ret_child_fd (close-on-exec still set) is to become its standard input and
 * output.  Who starts the command is the caller's matter: ferryd does it through ferry-exec, the
 * library by link_spawn_command. */
Link *link_new_command(int *ret_child_fd, int *ret_child_error_fd, GError **error);
/* posix_spawn of argv with link_command_env; the link owns the process. */
Link *link_spawn_command(const char *const *argv, GError **error);
/* The variables that ssh needs, out of our own environment.  A new list (g_strfreev). */
char **link_command_env(void);
/* What the command has said on its standard error so far, blanks trimmed; "" if nothing.  The
 * caller frees it. */
char *link_command_words(Link *link);

/* ---- who is there ---- */

/* Of the connection; false: not a TCP link. */
gboolean link_local_address(const Link *link, LinkAddress *ret_address);
gboolean link_remote_address(const Link *link, LinkAddress *ret_address);
/* SO_PEERCRED; false: not a unix link. */
gboolean link_credentials(const Link *link, pid_t *ret_pid, uid_t *ret_uid, gid_t *ret_gid);

/* ---- moving bytes ---- */

/* Descriptors that came with bytes, in order.  On the wire each travels with one byte of its own
 * (value ignored) directly behind its frame: the reader counts those bytes off and takes one
 * descriptor for each. */
#define LINK_FDS_MAX 32
typedef struct {
    int items[LINK_FDS_MAX];
    unsigned count;
} LinkFds;
int link_fds_take(LinkFds *fds);   /* the oldest; -1: none.  The caller owns it. */
void link_fds_clear(LinkFds *fds); /* closes what is left */

/* fds NULL: descriptors are not expected and closed.  More than LINK_FDS_MAX untaken ones: failure.
 */
LinkResult link_read(Link *link, void *buffer, size_t size, LinkFds *fds, size_t *ret_len,
                     GError **error);
LinkResult link_write(Link *link, const void *bytes, size_t len, size_t *ret_len, GError **error);
LinkResult link_writev(Link *link, const struct iovec *pieces, unsigned count, size_t *ret_len,
                       GError **error);
/* One zero byte with one descriptor, to follow a frame; fd stays the caller's.  Unix links only. */
LinkResult link_send_fd(Link *link, int fd, GError **error);
/* Ends both directions now, whoever else (a pump, QEMU) holds the descriptor: the abort that always
 * works. */
void link_shutdown(Link *link);

/* ---- options, on plain descriptors: lanes use them too ---- */

void link_set_nodelay(int fd);
/* SO_KEEPALIVE so that an idle connection is probed, and TCP_USER_TIMEOUT so that unanswered bytes
 * end it: a silent peer is noticed within timeout_ms either way. */
void link_set_timeout(int fd, unsigned timeout_ms);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, link_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LinkFds, link_fds_clear)
