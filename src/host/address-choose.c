/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which address a destination gives its source.  Pure: four ways to know one, tried in order, each
 * with the sentence that says why it was or was not taken. */
#include <string.h>

#include "base/error.h"
#include "host/address.h"

typedef struct {
    const AddressFacts *facts;
    GString *skipped; /* "the control connection came over a unix socket; …" */
} Choice;

static void skip(Choice *choice, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void skip(Choice *choice, const char *format, ...)
{
    va_list args;

    if (choice->skipped->len > 0)
        g_string_append(choice->skipped, "; ");
    va_start(args, format);
    g_string_append_vprintf(choice->skipped, format, args);
    va_end(args);
}

/* A literal that means something on another host. */
static gboolean is_usable(const struct sockaddr_storage *address)
{
    return !address_is_loopback(address) && !address_is_link_local(address) &&
           !address_is_wildcard(address);
}

static const struct sockaddr_storage *first_usable(const ResolvedName *names)
{
    for (unsigned i = 0; names && i < names->count; i++) {
        if (is_usable(&names->items[i]))
            return &names->items[i];
    }
    return NULL;
}

static const struct sockaddr_storage *try_configured(Choice *choice, char **ret_reason)
{
    const AddressFacts *facts = choice->facts;
    const struct sockaddr_storage *found = first_usable(facts->configured);

    if (!facts->configured_text)
        return NULL;
    if (found)
        *ret_reason = g_strdup_printf("migration_host '%s' of ferryd.conf", facts->configured_text);
    else
        skip(choice,
             "migration_host '%s' of ferryd.conf has no address that another host could use",
             facts->configured_text);
    return found;
}

static const struct sockaddr_storage *try_control(Choice *choice, char **ret_reason)
{
    const struct sockaddr_storage *local = choice->facts->control_local;

    if (!local) {
        skip(choice, "the control connection has no local IP address");
        return NULL;
    }
    if (is_usable(local)) {
        *ret_reason = g_strdup("the address at which the control connection arrived");
        return local;
    }
    g_autofree char *text = address_format(local);
    skip(choice, "the control connection arrived at %s, which is %s", text,
         address_is_loopback(local) ? "loopback" : "link-local");
    return NULL;
}

static const struct sockaddr_storage *try_own_name(Choice *choice, char **ret_reason)
{
    const AddressFacts *facts = choice->facts;
    const char *name = facts->own_name_text ? facts->own_name_text : "?";

    if (!facts->own_name || facts->own_name->count == 0) {
        skip(choice, "the own host name '%s' does not resolve", name);
        return NULL;
    }
    for (unsigned i = 0; i < facts->own_name->count; i++) {
        const struct sockaddr_storage *address = &facts->own_name->items[i];
        const HostAddress *own = host_addresses_find(facts->addresses, address);

        if (!is_usable(address) || !own || own->is_loopback)
            continue;
        *ret_reason =
            g_strdup_printf("what the own host name '%s' resolves to, an address of interface '%s'",
                            name, own->interface);
        return address;
    }
    g_autofree char *text = address_format(&facts->own_name->items[0]);
    skip(choice, "the own host name '%s' resolves to %s, which is %s", name, text,
         address_is_loopback(&facts->own_name->items[0]) ? "loopback"
                                                         : "no usable address of this host");
    return NULL;
}

static const struct sockaddr_storage *try_default_route(Choice *choice, char **ret_reason)
{
    const AddressFacts *facts = choice->facts;
    const int families[] = {AF_INET, AF_INET6};

    if (!facts->default_interface) {
        skip(choice, "there is no default route");
        return NULL;
    }
    for (unsigned f = 0; f < G_N_ELEMENTS(families); f++) {
        for (unsigned i = 0; facts->addresses && i < facts->addresses->count; i++) {
            const HostAddress *own = &facts->addresses->items[i];

            if (own->address.ss_family != families[f] ||
                strcmp(own->interface, facts->default_interface) != 0 || !is_usable(&own->address))
                continue;
            *ret_reason = g_strdup_printf(
                "the address of interface '%s', which has the default route", own->interface);
            return &own->address;
        }
    }
    skip(choice, "interface '%s' with the default route has no usable address",
         facts->default_interface);
    return NULL;
}

gboolean address_choose(const AddressFacts *facts, char **ret_literal, char **ret_reason,
                        GError **error)
{
    static const struct sockaddr_storage *(*const ways[])(Choice *, char **) = {
        try_configured, try_control, try_own_name, try_default_route};
    Choice choice = {facts, g_string_new(NULL)};
    const struct sockaddr_storage *found = NULL;
    g_autofree char *reason = NULL;

    for (unsigned i = 0; !found && i < G_N_ELEMENTS(ways); i++)
        found = ways[i](&choice, &reason);
    g_autofree char *skipped = g_string_free(choice.skipped, FALSE);
    if (!found)
        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: no address of this host is known that a source could "
                         "connect to (%s); "
                         "set migration_host in "
                         "ferryd.conf",
                         skipped);
    *ret_literal = address_format(found);
    *ret_reason =
        skipped[0] ? g_strdup_printf("%s (%s)", reason, skipped) : g_steal_pointer(&reason);
    return TRUE;
}
