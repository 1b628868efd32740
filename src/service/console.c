/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's console over a stream.  One client has it at a time; another may ask first (SAFE) or
 * take it (FORCE). */
#include "service/calls.h"
#include "service/service.h"

typedef struct {
    Uuid uuid;
    char *device; /* as the client named it; NULL: the first */
    CallerStream *stream;
} Console;

static GPtrArray *consoles; /* open ones */

static void console_free(void *data)
{
    g_free(((Console *)data)->device);
    g_free(data);
}

static Console *find_open(const Uuid *uuid, const char *device)
{
    for (unsigned i = 0; consoles && i < consoles->len; i++) {
        Console *console = consoles->pdata[i];

        if (uuid_equal(&console->uuid, uuid) && g_strcmp0(console->device, device) == 0)
            return console;
    }
    return NULL;
}

static void on_end(CallerStream *stream, CallerStreamEnd end, void *data)
{
    g_ptr_array_remove(consoles, data);
}

gboolean service_domain_open_console(Call *call, const RemoteDomainOpenConsoleArgs *args, void *ret,
                                     GError **error)
{
    enum { FORCE = 1 << 0, SAFE = 1 << 1 };
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain || !service_check_flags(args->flags, FORCE | SAFE, "domain_open_console", error))
        return FALSE;
    Console *other = find_open(&domain->uuid, args->dev_name);
    if (other && !(args->flags & FORCE))
        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: Active console session exists for this domain");
    const int fd = domain_open_console(domain, args->dev_name, error);
    if (fd < 0)
        return FALSE;
    if (other) {
        g_autoptr(GError) cause = NULL;

        error_set_from(&cause, FROM_STREAMS, ERROR_RPC, "console taken over by another client");
        caller_stream_fail(other->stream, cause);
    }
    if (!consoles)
        consoles = g_ptr_array_new_with_free_func(console_free);
    Console *console = g_new0(Console, 1);
    console->uuid = domain->uuid;
    console->device = g_strdup(args->dev_name);
    console->stream = call_open_stream(call, fd, on_end, console, error);
    if (!console->stream) {
        console_free(console);
        return FALSE;
    }
    g_ptr_array_add(consoles, console);
    return TRUE;
}
