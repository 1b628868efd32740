/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Definitions: how they come to be, and how they go. */
#include "domain/define.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "domain/domain.h"
#include "domain/event.h"
#include "domain/registry.h"
#include "domain/store.h"
#include "host/kvm.h"
#include "model/guest-def.h"
#include "qemu/probe.h"
#include "xml/xml.h"

/* --- from XML --- */

static GuestMachineAlias *list_aliases(const Probe *probe, const char **ret_default)
{
    GuestMachineAlias *aliases = g_new0(GuestMachineAlias, probe->machine_count + 1);
    unsigned count = 0;

    for (unsigned i = 0; i < probe->machine_count; i++) {
        const ProbeMachine *machine = &probe->machines[i];

        if (machine->alias)
            aliases[count++] = (GuestMachineAlias){machine->alias, machine->name};
        if (machine->is_default)
            *ret_default = machine->name;
    }
    return aliases;
}

static AWAITS gboolean check_virt(const GuestDef *def, GError **error)
{
    g_autofree char *reason = NULL;

    if (def->virt != GUEST_VIRT_KVM || kvm_works(&reason))
        return TRUE;
    return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                     "unsupported configuration: domain type 'kvm' needs a working KVM, which this "
                     "host has not: %s; "
                     "domain type 'qemu' runs without",
                     reason ? reason : "the probe failed");
}

AWAITS gboolean define_fill(GuestDef *def, GError **error)
{
    const QemuEnv *env = registry_settings()->qemu;
    g_autofree char *fallback = def->emulator
                                    ? g_strdup(def->emulator)
                                    : probe_default_emulator(env, def->os.arch ?: "x86_64", error);

    if (!fallback || !probe_check_emulator(env, fallback, error) || !check_virt(def, error))
        return FALSE;
    /* Asked at start-up and kept on disk: this waits only when somebody is faster than the very
     * first probe. */
    const Probe *probe =
        probe_peek(env->probes, fallback) ?: probe_get(env->probes, fallback, error);
    if (!probe)
        return FALSE;

    GuestFacts facts = {.emulator = fallback};
    g_autofree GuestMachineAlias *aliases = list_aliases(probe, &facts.machine);
    facts.machine_aliases = aliases;
    if (!guest_def_fill_defaults(def, &facts, error))
        return FALSE;
    if (!probe_find_machine(probe, def->os.machine))
        return error_set(
            error, ERROR_CONFIG_UNSUPPORTED,
            "unsupported configuration: Emulator '%s' does not support machine type '%s'", fallback,
            def->os.machine);
    return TRUE;
}

#define LARGE_XML (32 * 1024) /* takes longer than others should wait for */

AWAITS GuestDef *define_parse(const char *xml, size_t len, GError **error)
{
    g_autoptr(GuestDef) def = NULL;

    if (len < LARGE_XML)
        def = guest_def_parse(xml, len, GUEST_PARSE_INACTIVE, error);
    else
        off_floor {
            def = guest_def_parse(xml, len, GUEST_PARSE_INACTIVE, error);
        }
    return def && guest_name_check(def->name, error) && define_fill(def, error)
               ? g_steal_pointer(&def)
               : NULL;
}

/* --- kept and dropped --- */

void domain_hold_persistent(Domain *domain, GuestDef *definition)
{
    const gboolean is_new = !domain->persistent;

    guest_def_free(domain->persistent);
    domain->persistent = definition;
    domain_save_status(domain);
    event_emit_lifecycle(domain, LIFECYCLE_DEFINED, is_new ? DEFINED_ADDED : DEFINED_UPDATED);
}

AWAITS gboolean domain_set_persistent(Domain *domain, GuestDef *definition, GError **error)
{
    g_autoptr(GuestDef) def = definition;

    if (!store_write_definition(def, error))
        return FALSE;
    domain_hold_persistent(domain, g_steal_pointer(&def));
    return TRUE;
}

AWAITS gboolean domain_drop_persistent(Domain *domain, GError **error)
{
    g_autoptr(Domain) hold = domain_ref(domain);

    if (!domain->persistent)
        return TRUE;
    if (!store_remove_definition(domain->name, error))
        return FALSE;
    domain->is_autostart = FALSE;
    if (!domain->live && domain_is_active(domain))
        domain->live = guest_def_copy(domain->persistent);
    g_clear_pointer(&domain->persistent, guest_def_free);
    event_emit_lifecycle(domain, LIFECYCLE_UNDEFINED, UNDEFINED_REMOVED);
    if (!domain_is_active(domain))
        registry_remove(domain);
    return TRUE;
}

/* --- the verbs --- */

/* The domain of that definition, new or there already.  A new reference. */
static Domain *find_or_add(const GuestDef *def, gboolean *ret_is_new, GError **error)
{
    Domain *existing = NULL;

    if (!registry_check(&def->uuid, def->name, FALSE, &existing, error))
        return NULL;
    *ret_is_new = !existing;
    return existing ? domain_ref(existing) : registry_add(&def->uuid, def->name, error);
}

AWAITS Domain *domain_define(const char *xml, size_t len, unsigned flags, GError **error)
{
    g_autoptr(GuestDef) def = define_parse(xml, len, error);
    gboolean is_new = FALSE;
    g_autoptr(Domain) domain = def ? find_or_add(def, &is_new, error) : NULL;
    g_auto(JobGuard) guard = {NULL};

    if (!domain || !job_guard_begin(&guard, domain, JOB_DEFINE, "domain_define", error))
        return NULL;
    if (!domain->is_listed) {
        error_set(error, ERROR_OPERATION_FAILED,
                  "operation failed: domain '%s' was undefined meanwhile", def->name);
        return NULL;
    }
    if (!owner_gate_check(domain, OWNER_VERB_DEFINE, error) ||
        !domain_set_persistent(domain, g_steal_pointer(&def), error)) {
        if (is_new)
            registry_remove(domain);
        return NULL;
    }
    return g_steal_pointer(&domain);
}

AWAITS gboolean domain_undefine(Domain *domain, unsigned flags, GError **error)
{
    g_auto(JobGuard) guard = {NULL};

    if (!job_guard_begin(&guard, domain, JOB_DEFINE, "domain_undefine", error) ||
        !owner_gate_check(domain, OWNER_VERB_UNDEFINE, error))
        return FALSE;
    if (!domain->persistent)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: cannot undefine transient domain");
    return domain_drop_persistent(domain, error);
}

AWAITS gboolean domain_set_autostart(Domain *domain, gboolean is_on, GError **error)
{
    g_auto(JobGuard) guard = {NULL};

    if (!job_guard_begin(&guard, domain, JOB_DEFINE, "domain_set_autostart", error))
        return FALSE;
    if (!domain->persistent)
        return error_set(
            error, ERROR_OPERATION_INVALID,
            "Requested operation is not valid: cannot set autostart for transient domain");
    if (!store_set_autostart(domain->name, is_on, error))
        return FALSE;
    domain->is_autostart = is_on;
    return TRUE;
}

/* --- texts --- */

static void set_text(GuestDef *def, gboolean is_title, const char *text)
{
    char **field = is_title ? &def->title : &def->description;

    g_free(*field);
    *field = text && *text ? g_strdup(text) : NULL;
}

static AWAITS gboolean write_text(Domain *domain, gboolean is_title, const char *text,
                                  GError **error)
{
    g_autoptr(GuestDef) def = guest_def_copy(domain->persistent);

    set_text(def, is_title, text);
    if (!store_write_definition(def, error))
        return FALSE;
    guest_def_free(domain->persistent);
    domain->persistent = g_steal_pointer(&def);
    return TRUE;
}

AWAITS gboolean domain_set_text(Domain *domain, gboolean is_title, const char *text,
                                gboolean in_live, gboolean in_config, GError **error)
{
    const DomainEvent event = {.kind = EVENT_METADATA_CHANGE, .domain = domain, .event = is_title};
    g_auto(JobGuard) guard = {NULL};

    if (is_title && text && strchr(text, '\n'))
        return error_set(error, ERROR_XML_ERROR, "XML error: Domain title can't contain newlines");
    if (!job_guard_begin(&guard, domain, JOB_MODIFY, "domain_set_metadata", error))
        return FALSE;
    if (in_live && !domain_check_active(domain, error))
        return FALSE;
    if (in_config && !domain->persistent)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: transient domains do not have any "
                         "persistent config");
    if (in_config && !write_text(domain, is_title, text, error))
        return FALSE;
    if (in_live && domain->live) {
        set_text(domain->live, is_title, text);
        domain_save_status(domain);
    }
    event_emit(&event);
    return TRUE;
}

/* Does this element belong to that namespace, by the declaration that it carries itself? */
static gboolean is_of_namespace(XmlNode *element, const char *uri)
{
    const char *colon = strchr(element->name, ':');

    if (!colon)
        return g_strcmp0(xml_attr(element, "xmlns"), uri) == 0;
    for (const XmlAttr *ns = element->namespaces; ns; ns = ns->next)
        if (strlen(ns->name) == (size_t)(colon - element->name) &&
            strncmp(ns->name, element->name, strlen(ns->name)) == 0)
            return g_str_equal(ns->value, uri);
    return FALSE;
}

char *define_find_metadata(const GuestDef *def, const char *uri)
{
    g_autofree char *text =
        g_strconcat("<metadata>", def->metadata ? def->metadata : "", "</metadata>", NULL);
    XmlTree *tree = xml_parse(text, strlen(text), "metadata", NULL);
    char *found = NULL;

    for (XmlNode *child = tree ? xml_root(tree)->first_child : NULL; child && !found;
         child = child->next)
        if (is_of_namespace(child, uri))
            found = g_strndup(text + child->begin, child->end - child->begin);
    xml_free(tree);
    return found;
}
