/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of domains.  They hold one reference each domain; look-ups hand out further ones.  The
 * texts of the refusals are those that clients of the ecosystem compare. */
#include "domain/registry.h"

#include <string.h>

#include "base/error.h"
#include "domain/domain.h"

static const DomainSettings *settings;
static GHashTable *by_uuid; /* const Uuid * → Domain *; owns the reference */
static GHashTable *by_name; /* const char * → Domain * */
static GHashTable *by_id;   /* int → Domain * */
static int last_id;

/* Connect_list_all_domains; a group with no bit set does not filter */
enum {
    FILTER_ACTIVE = 1 << 0,
    FILTER_INACTIVE = 1 << 1,
    FILTER_PERSISTENT = 1 << 2,
    FILTER_TRANSIENT = 1 << 3,
    FILTER_RUNNING = 1 << 4,
    FILTER_PAUSED = 1 << 5,
    FILTER_SHUTOFF = 1 << 6,
    FILTER_OTHER = 1 << 7,
    FILTER_MANAGED_SAVE = 1 << 8,
    FILTER_NO_MANAGED_SAVE = 1 << 9,
    FILTER_AUTOSTART = 1 << 10,
    FILTER_NO_AUTOSTART = 1 << 11,
    FILTER_SNAPSHOT = 1 << 12,
    FILTER_NO_SNAPSHOT = 1 << 13,
    FILTER_CHECKPOINT = 1 << 14,
    FILTER_NO_CHECKPOINT = 1 << 15,
};

void registry_init(const DomainSettings *new_settings)
{
    settings = new_settings;
    by_uuid = g_hash_table_new_full(uuid_hash, uuid_hash_equal, NULL, (GDestroyNotify)domain_unref);
    by_name = g_hash_table_new(g_str_hash, g_str_equal);
    by_id = g_hash_table_new(NULL, NULL);
}

void registry_clear(void)
{
    g_clear_pointer(&by_id, g_hash_table_unref);
    g_clear_pointer(&by_name, g_hash_table_unref);
    g_clear_pointer(&by_uuid, g_hash_table_unref);
    last_id = 0;
}

const DomainSettings *registry_settings(void)
{
    return settings;
}

Domain *registry_peek_uuid(const Uuid *uuid)
{
    return g_hash_table_lookup(by_uuid, uuid);
}

Domain *registry_peek_name(const char *name)
{
    return g_hash_table_lookup(by_name, name);
}

Domain *registry_find_uuid(const Uuid *uuid, GError **error)
{
    Domain *domain = registry_peek_uuid(uuid);
    char text[UUID_TEXT_SIZE];

    if (domain)
        return domain_ref(domain);
    error_set(error, ERROR_NO_DOMAIN, "Domain not found: no domain with matching uuid '%s'",
              uuid_format(uuid, text));
    return NULL;
}

Domain *registry_find_name(const char *name, GError **error)
{
    Domain *domain = registry_peek_name(name);

    if (domain)
        return domain_ref(domain);
    error_set(error, ERROR_NO_DOMAIN, "Domain not found: no domain with matching name '%.255s'",
              name);
    return NULL;
}

Domain *registry_find_id(int id, GError **error)
{
    Domain *domain = g_hash_table_lookup(by_id, GINT_TO_POINTER(id));

    if (domain)
        return domain_ref(domain);
    error_set(error, ERROR_NO_DOMAIN, "Domain not found: no domain with matching id %d", id);
    return NULL;
}

gboolean registry_check(const Uuid *uuid, const char *name, gboolean must_be_inactive,
                        Domain **ret_existing, GError **error)
{
    Domain *same_uuid = registry_peek_uuid(uuid);
    Domain *same_name = registry_peek_name(name);
    char text[UUID_TEXT_SIZE];

    if (same_uuid && !g_str_equal(same_uuid->name, name))
        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: domain '%s' is already defined with uuid %s",
                         same_uuid->name, uuid_format(uuid, text));
    if (same_name && same_name != same_uuid)
        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: domain '%s' already exists with uuid %s", name,
                         uuid_format(&same_name->uuid, text));
    if (same_uuid && must_be_inactive && domain_is_active(same_uuid))
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain is already active as '%s'",
                         same_uuid->name);
    if (ret_existing)
        *ret_existing = same_uuid;
    return TRUE;
}

Domain *registry_add(const Uuid *uuid, const char *name, GError **error)
{
    Domain *existing = NULL;

    if (!registry_check(uuid, name, FALSE, &existing, error))
        return NULL;
    if (existing) {
        char text[UUID_TEXT_SIZE];

        error_set(error, ERROR_OPERATION_FAILED,
                  "operation failed: domain '%s' already exists with uuid %s", name,
                  uuid_format(uuid, text));
        return NULL;
    }
    Domain *domain = domain_new(uuid, name);
    domain->is_listed = TRUE;
    g_hash_table_insert(by_uuid, &domain->uuid, domain);
    g_hash_table_insert(by_name, domain->name, domain);
    return domain_ref(domain);
}

void registry_remove(Domain *domain)
{
    if (!domain->is_listed)
        return;
    domain->is_listed = FALSE;
    registry_release_id(domain);
    g_hash_table_remove(by_name, domain->name);
    if (owner_hooks()->forget)
        owner_hooks()->forget(domain);
    g_hash_table_remove(by_uuid, &domain->uuid);
}

int registry_assign_id(Domain *domain)
{
    registry_release_id(domain);
    domain->id = ++last_id;
    g_hash_table_insert(by_id, GINT_TO_POINTER(domain->id), domain);
    return domain->id;
}

void registry_restore_id(Domain *domain, int id)
{
    if (id <= 0 || g_hash_table_contains(by_id, GINT_TO_POINTER(id))) {
        registry_assign_id(domain);
        return;
    }
    last_id = MAX(last_id, id);
    domain->id = id;
    g_hash_table_insert(by_id, GINT_TO_POINTER(id), domain);
}

void registry_release_id(Domain *domain)
{
    if (domain->id < 0)
        return;
    g_hash_table_remove(by_id, GINT_TO_POINTER(domain->id));
    domain->id = -1;
}

/* Does one group of filter bits let the domain pass?  is_first says which of the two bits describes
 * it. */
static gboolean passes_pair(unsigned filter, unsigned first, unsigned second, gboolean is_first)
{
    const unsigned asked = filter & (first | second);

    return !asked || (asked & (is_first ? first : second));
}

static unsigned state_bit(const Domain *domain)
{
    switch (domain->state) {
    case DOMAIN_RUNNING:
        return FILTER_RUNNING;
    case DOMAIN_PAUSED:
        return FILTER_PAUSED;
    case DOMAIN_SHUTOFF:
        return FILTER_SHUTOFF;
    default:
        return FILTER_OTHER;
    }
}

static gboolean passes(const Domain *domain, unsigned filter)
{
    const unsigned states =
        filter & (FILTER_RUNNING | FILTER_PAUSED | FILTER_SHUTOFF | FILTER_OTHER);

    return passes_pair(filter, FILTER_ACTIVE, FILTER_INACTIVE, domain_is_active(domain)) &&
           passes_pair(filter, FILTER_PERSISTENT, FILTER_TRANSIENT, domain->persistent != NULL) &&
           passes_pair(filter, FILTER_AUTOSTART, FILTER_NO_AUTOSTART, domain->is_autostart) &&
           passes_pair(filter, FILTER_MANAGED_SAVE, FILTER_NO_MANAGED_SAVE, FALSE) &&
           passes_pair(filter, FILTER_SNAPSHOT, FILTER_NO_SNAPSHOT, FALSE) &&
           passes_pair(filter, FILTER_CHECKPOINT, FILTER_NO_CHECKPOINT, FALSE) &&
           (!states || (states & state_bit(domain)));
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp((*(Domain *const *)a)->name, (*(Domain *const *)b)->name);
}

GPtrArray *registry_list(unsigned filter)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)domain_unref);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (passes(value, filter))
            g_ptr_array_add(list, domain_ref(value));
    g_ptr_array_sort(list, compare_names);
    return list;
}

unsigned registry_count(gboolean is_active)
{
    const unsigned active = g_hash_table_size(by_id);

    return is_active ? active : g_hash_table_size(by_uuid) - active;
}
