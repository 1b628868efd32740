/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dialling.  The addresses of a name are raced with staggered starts, so that a dead one costs a
 * moment only. */
#include "client/dial.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "loop/child.h"
#include "loop/loop.h"

/* An address gets so long before the next one is tried beside it. */
#define STAGGER_MS 300

/* ---- names ---- */

typedef struct {
    char *host;
    guint16 port;
    LinkAddress *list;
    size_t count;
} Resolve;

static void resolve_free(void *data)
{
    Resolve *resolve = data;

    g_free(resolve->host);
    g_free(resolve->list);
    g_free(resolve);
}

static gboolean resolve_run(void *data, GError **error)
{
    Resolve *resolve = data;

    resolve->list = link_resolve(resolve->host, resolve->port, &resolve->count, error);
    return resolve->list != NULL;
}

AWAITS static LinkAddress *resolve_host(const Uri *uri, int64_t timeout_ms, size_t *ret_count,
                                        GError **error)
{
    Resolve *resolve = g_new0(Resolve, 1);
    g_autofree char *what = g_strdup_printf("the address of '%s'", uri->host);
    g_autoptr(Work) work = NULL;

    resolve->host = g_strdup(uri->host);
    resolve->port = uri->port;
    work = work_new(what, resolve_run, resolve, resolve_free);
    if (!work_run(work, timeout_ms, error))
        return NULL;
    *ret_count = resolve->count;
    return g_steal_pointer(&resolve->list);
}

/* ---- the race ---- */

typedef struct Race Race;

typedef struct {
    Race *race;
    Link *link;
    Watch *watch;
} Attempt;

struct Race {
    const char *name; /* "host:port", for people */
    Attempt *attempts;
    size_t count, started;
    size_t pending;
    Link *winner;
    GError *failure; /* the last one */
    Condition *changed;
};

static void race_note_failure(Race *race, GError *failure)
{
    g_clear_error(&race->failure);
    race->failure = failure;
}

static void on_connected(int fd, unsigned events, void *data)
{
    Attempt *attempt = data;
    Race *race = attempt->race;
    GError *failure = NULL;

    g_clear_pointer(&attempt->watch, watch_free);
    race->pending--;
    if (!link_connect_result(attempt->link, race->name, &failure))
        race_note_failure(race, failure);
    else if (!race->winner)
        race->winner = g_steal_pointer(&attempt->link);
    condition_signal(race->changed);
}

static void race_start_next(Race *race, const LinkAddress *address)
{
    Attempt *attempt = &race->attempts[race->started++];
    GError *failure = NULL;

    attempt->race = race;
    attempt->link = link_connect_tcp(address, &failure);
    if (!attempt->link) {
        race_note_failure(race, failure);
        return;
    }
    attempt->watch = watch_new(attempt->link->fd, EPOLLOUT, on_connected, attempt);
    race->pending++;
}

static void race_clear(Race *race)
{
    for (size_t i = 0; i < race->started; i++) {
        g_clear_pointer(&race->attempts[i].watch, watch_free);
        g_clear_pointer(&race->attempts[i].link, link_free);
    }
    g_free(race->attempts);
    g_clear_error(&race->failure);
    condition_free(race->changed);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Race, race_clear)

/* FALSE: cancelled. */
AWAITS static gboolean race_wait(Race *race, int64_t ms, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (ms <= 0 || condition_wait(race->changed, ms, &cause) ||
        error_is(cause, ERROR_OPERATION_TIMEOUT))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

static gboolean set_timed_out(GError **error, const char *name)
{
    return error_set_from(error, FROM_RPC, ERROR_SYSTEM_ERROR,
                          "unable to connect to server at '%s': %s", name, g_strerror(ETIMEDOUT));
}

AWAITS static Link *race_run(const LinkAddress *list, size_t count, const char *name,
                             int64_t timeout_ms, GError **error)
{
    int64_t deadline_ms = clock_now_ms() + timeout_ms;
    g_auto(Race) race = {.name = name, .count = count, .attempts = g_new0(Attempt, count)};

    race.changed = condition_new("a connection");
    while (!race.winner) {
        int64_t left_ms = deadline_ms - clock_now_ms();

        if (left_ms <= 0) {
            set_timed_out(error, name);
            return NULL;
        }
        if (race.started < count)
            race_start_next(&race, &list[race.started]);
        else if (race.pending == 0)
            break;
        if (race.pending == 0)
            continue;
        if (!race_wait(&race, race.started < count ? MIN(STAGGER_MS, left_ms) : left_ms, error))
            return NULL;
    }
    if (!race.winner)
        g_propagate_error(error, g_steal_pointer(&race.failure));
    return g_steal_pointer(&race.winner);
}

AWAITS static Link *dial_tcp(const Uri *uri, int64_t timeout_ms, GError **error)
{
    int64_t started_ms = clock_now_ms();
    g_autofree LinkAddress *list = NULL;
    g_autofree char *name = uri_format_host_port(uri->host, uri->port);
    LinkAddress literal;
    size_t count;

    if (link_address_parse(uri->host, uri->port, &literal))
        return race_run(&literal, 1, name, timeout_ms, error);
    list = resolve_host(uri, timeout_ms, &count, error);
    return list ? race_run(list, count, name, timeout_ms - (clock_now_ms() - started_ms), error)
                : NULL;
}

/* ---- unix sockets and commands ---- */

static Link *dial_unix(const Uri *uri, GError **error)
{
    g_auto(GStrv) paths =
        uri_unix_sockets(uri, FALSE, geteuid() == 0 ? NULL : g_get_user_runtime_dir());
    char **path = paths;

    while (path[1] && access(*path, F_OK) < 0)
        path++;
    return link_connect_unix(*path, error);
}

static Link *dial_command(const Uri *uri, pid_t *ret_pid, GError **error)
{
    g_auto(GStrv) argv = uri_command_argv(uri, FALSE, error);
    g_auto(GStrv) env = link_command_env();
    g_autofree char *program = argv ? g_find_program_in_path(argv[0]) : NULL;
    auto_fd int child_fd = -1;
    auto_fd int child_error_fd = -1;
    g_autoptr(Link) link = NULL;

    if (!argv)
        return NULL;
    if (!program) {
        error_set(error, ERROR_SYSTEM_ERROR, "cannot execute binary %s: %s", argv[0],
                  g_strerror(ENOENT));
        return NULL;
    }
    g_free(argv[0]);
    argv[0] = g_steal_pointer(&program);
    link = link_new_command(&child_fd, &child_error_fd, error);
    if (!link)
        return NULL;
    if (!child_spawn(&(ChildSpec){.argv = (const char *const *)argv,
                                  .env = (const char *const *)env,
                                  .stdin_fd = child_fd,
                                  .stdout_fd = child_fd,
                                  .stderr_fd = child_error_fd,
                                  .max_core = -1},
                     ret_pid, error))
        return NULL;
    return g_steal_pointer(&link);
}

AWAITS Link *dial(const Uri *uri, int64_t timeout_ms, pid_t *ret_pid, GError **error)
{
    *ret_pid = 0;
    switch (uri->transport) {
    case URI_TRANSPORT_UNIX:
        return dial_unix(uri, error);
    case URI_TRANSPORT_TCP:
        return dial_tcp(uri, timeout_ms, error);
    case URI_TRANSPORT_SSH:
    case URI_TRANSPORT_EXT:
        return dial_command(uri, ret_pid, error);
    case URI_TRANSPORT_TLS:
        break;
    }
    error_set(
        error, ERROR_ARGUMENT_UNSUPPORTED,
        "argument unsupported: transport 'tls' of '%s' is not served yet; use qemu+tcp or qemu+ssh",
        uri->text);
    return NULL;
}
