/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/service.h"

#include <string.h>

#include "domain/registry.h"

static const ServiceSettings *settings;

void service_init(const ServiceSettings *new_settings)
{
    settings = new_settings;
}

const ServiceSettings *service_settings(void)
{
    return settings;
}

Domain *service_find(const WireDomain *dom, GError **error)
{
    Domain *domain = registry_peek_uuid(&dom->uuid);
    char text[UUID_TEXT_SIZE];

    if (domain)
        return domain_ref(domain);
    error_set(error, ERROR_NO_DOMAIN,
              "Domain not found: no domain with matching uuid '%s' (%.255s)",
              uuid_format(&dom->uuid, text), dom->name ? dom->name : "");
    return NULL;
}

void service_fill(WireDomain *ret_dom, const Domain *domain, Arena *arena)
{
    ret_dom->name = arena_strdup(arena, domain->name);
    ret_dom->uuid = domain->uuid;
    ret_dom->id = domain->id;
}

gboolean service_check_flags(unsigned flags, unsigned known, const char *function, GError **error)
{
    return !(flags & ~known) ||
           error_set(error, ERROR_INVALID_ARG,
                     "invalid argument: unsupported flags (0x%x) in function %s", flags & ~known,
                     function);
}

void service_fill_chars(char **ret_chars, uint32_t *ret_count, const char *text, Arena *arena)
{
    *ret_count = (uint32_t)strlen(text) + 1; /* with the NUL, as the ecosystem sends it */
    *ret_chars = arena_strdup(arena, text);
}

enum { AFFECT_LIVE = 1 << 0, AFFECT_CONFIG = 1 << 1 };

const GuestDef *service_choose_definition(const Domain *domain, unsigned flags, GError **error)
{
    const gboolean is_live =
        flags & AFFECT_LIVE || (!(flags & AFFECT_CONFIG) && domain_is_active(domain));

    if (is_live)
        return domain_check_active(domain, error) ? domain->live : NULL;
    if (!domain->persistent)
        error_set(error, ERROR_OPERATION_INVALID,
                  "Requested operation is not valid: transient domains do not have any persistent "
                  "config");
    return domain->persistent;
}
