/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Title, description, and the elements of <metadata> that management software keeps with a guest.
 */
#include "domain/define.h"
#include "model/guest-def.h"
#include "service/calls.h"
#include "service/service.h"

enum { METADATA_DESCRIPTION, METADATA_TITLE, METADATA_ELEMENT };
enum { AFFECT_LIVE = 1 << 0, AFFECT_CONFIG = 1 << 1 };

gboolean service_domain_get_metadata(Call *call, const RemoteDomainGetMetadataArgs *args,
                                     RemoteDomainGetMetadataRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain || !service_check_flags(args->flags, AFFECT_LIVE | AFFECT_CONFIG,
                                        "domain_get_metadata", error))
        return FALSE;
    if (args->type == METADATA_ELEMENT && !args->uri)
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: an element of <metadata> is asked for by its uri");
    const GuestDef *def = service_choose_definition(domain, args->flags, error);
    if (!def)
        return FALSE;
    g_autofree char *text = args->type == METADATA_ELEMENT ? define_find_metadata(def, args->uri)
                            : args->type == METADATA_TITLE ? g_strdup(def->title)
                            : args->type == METADATA_DESCRIPTION ? g_strdup(def->description)
                                                                 : NULL;
    if (!text)
        return error_set(error, ERROR_NO_DOMAIN_METADATA,
                         "metadata not found: Requested metadata element is not present");
    ret->metadata = arena_strdup(call_arena(call), text);
    return TRUE;
}

AWAITS gboolean service_domain_set_metadata(Call *call, const RemoteDomainSetMetadataArgs *args,
                                            void *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain || !service_check_flags(args->flags, AFFECT_LIVE | AFFECT_CONFIG,
                                        "domain_set_metadata", error))
        return FALSE;
    if (args->type != METADATA_TITLE && args->type != METADATA_DESCRIPTION)
        return error_set(error, ERROR_ARGUMENT_UNSUPPORTED,
                         "argument unsupported: only title and description can be set; elements of "
                         "<metadata> are "
                         "changed by defining the domain again");
    const gboolean is_current = !args->flags;
    return domain_set_text(domain, args->type == METADATA_TITLE, args->metadata,
                           args->flags & AFFECT_LIVE || (is_current && domain_is_active(domain)),
                           args->flags & AFFECT_CONFIG || (is_current && !domain_is_active(domain)),
                           error);
}
