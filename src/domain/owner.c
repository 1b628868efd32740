/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gate asks the hook that the migration code registered.  It keeps no record of its own: the
 * owner's word is the one truth, and two truths would part company on the worst night. */
#include "domain/owner.h"

#include "domain/domain.h"
#include "qemu/guest.h"

#define V(verb) (1u << OWNER_VERB_##verb)

/* What cannot be done to a QEMU that was found again and is silent. */
static const unsigned asks_qemu =
    V(RESUME) | V(REBOOT) | V(RESET) | V(MONITOR) | V(MIGRATE) | V(SUSPEND) | V(SHUTDOWN);

static const OwnerHooks no_hooks;
static const OwnerHooks *hooks = &no_hooks;

void owner_set_hooks(const OwnerHooks *new_hooks)
{
    hooks = new_hooks ? new_hooks : &no_hooks;
}

const OwnerHooks *owner_hooks(void)
{
    return hooks;
}

AWAITS gboolean owner_gate_check(Domain *domain, OwnerVerb verb, GError **error)
{
    if (hooks->gate && !hooks->gate(domain, verb, error))
        return FALSE;
    return !domain->guest || !(asks_qemu & 1u << verb) ||
           qemu_guest_check_met(domain->guest, error);
}

AWAITS gboolean owner_check_active(Domain *domain, OwnerVerb verb, GError **error)
{
    return domain_is_active(domain) || (owner_gate_check(domain, verb, error) && domain_check_active(domain, error));
}

OwnerStanding owner_standing(Domain *domain)
{
    return hooks->standing ? hooks->standing(domain) : OWNER_HERE;
}
