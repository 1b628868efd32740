/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Name look-ups, the one thing here that may take as long as a resolver likes: on a worker, with a
 * deadline. */
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "base/error.h"
#include "host/address.h"

#define ADDRESSES_MAX 64

typedef struct {
    char *name;
    ResolvedName names;
} LookUp;

static void look_up_free(void *data)
{
    LookUp *look_up = data;

    resolved_name_clear(&look_up->names);
    g_free(look_up->name);
    g_free(look_up);
}

static gboolean has_already(const ResolvedName *names, const struct sockaddr_storage *address)
{
    for (unsigned i = 0; i < names->count; i++) {
        if (memcmp(&names->items[i], address, sizeof *address) == 0)
            return TRUE;
    }
    return FALSE;
}

/* On a worker. */
static gboolean look_up_work(void *data, GError **error)
{
    LookUp *look_up = data;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME};
    struct addrinfo *list;
    int status = getaddrinfo(look_up->name, NULL, &hints, &list);

    if (status != 0)
        return error_set(error, ERROR_UNKNOWN_HOST, "unable to resolve address '%s': %s",
                         look_up->name,
                         status == EAI_SYSTEM ? g_strerror(errno) : gai_strerror(status));
    look_up->names.items = g_new0(struct sockaddr_storage, ADDRESSES_MAX);
    look_up->names.canonical = g_strdup(list->ai_canonname);
    for (const struct addrinfo *entry = list; entry && look_up->names.count < ADDRESSES_MAX;
         entry = entry->ai_next) {
        struct sockaddr_storage address = {0};

        if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6)
            continue;
        memcpy(&address, entry->ai_addr, MIN(entry->ai_addrlen, sizeof address));
        if (!has_already(&look_up->names, &address))
            look_up->names.items[look_up->names.count++] = address;
    }
    freeaddrinfo(list);
    if (look_up->names.count == 0)
        return error_set(error, ERROR_UNKNOWN_HOST,
                         "unable to resolve address '%s': it has no IP address", look_up->name);
    return TRUE;
}

AWAITS gboolean host_resolve(const char *name, int64_t timeout_ms, ResolvedName *ret_names,
                             GError **error)
{
    struct sockaddr_storage literal;

    if (address_parse(name, &literal)) {
        ret_names->items = g_new0(struct sockaddr_storage, 1);
        ret_names->items[0] = literal;
        ret_names->count = 1;
        return TRUE;
    }
    LookUp *look_up = g_new0(LookUp, 1);
    look_up->name = g_strdup(name);
    g_autofree char *what = g_strdup_printf("the address of '%s'", name);
    g_autoptr(Work) work = work_new(what, look_up_work, look_up, look_up_free);
    if (!work_run(work, timeout_ms, error))
        return FALSE;
    *ret_names = look_up->names;
    look_up->names = (ResolvedName){0};
    return TRUE;
}

void resolved_name_clear(ResolvedName *names)
{
    g_free(names->items);
    g_free(names->canonical);
    *names = (ResolvedName){0};
}
