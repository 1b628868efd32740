/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The object: references, state, what is shown of it.  The verbs are in verb.c, the parts they are
 * made of in launch.c, what QEMU reports in report.c, definitions in define.c. */
#include "domain/domain.h"

#include <stdarg.h>

#include "base/error.h"
#include "base/log.h"
#include "domain/image-use.h"
#include "domain/lease.h"
#include "domain/registry.h"
#include "domain/store.h"
#include "model/guest-def.h"
#include "qemu/guest.h"

#define MESSAGES_MAX 100

Domain *domain_new(const Uuid *uuid, const char *name)
{
    Domain *domain = g_new0(Domain, 1);

    domain->refs = 1;
    domain->uuid = *uuid;
    domain->name = g_strdup(name);
    domain->id = -1;
    domain->state = DOMAIN_SHUTOFF;
    domain->planned_end = domain->next_stop = domain->next_resume = -1;
    domain->messages = g_ptr_array_new_with_free_func(g_free);
    job_init(&domain->job);
    domain_expect(domain, -1, -1);
    return domain;
}

Domain *domain_ref(Domain *domain)
{
    domain->refs++;
    return domain;
}

void domain_unref(Domain *domain)
{
    if (!domain || --domain->refs)
        return;
    qemu_guest_unsubscribe(domain->reports);
    qemu_guest_unref(domain->guest);
    guest_def_free(domain->persistent);
    guest_def_free(domain->live);
    params_free(domain->completed_stats);
    image_uses_drop(domain);
    g_ptr_array_unref(domain->messages);
    job_clear(&domain->job);
    g_free(domain->name);
    g_free(domain);
}

char *domain_run_dir(const Domain *domain)
{
    char text[UUID_TEXT_SIZE];

    return g_strdup_printf("%s/%s", registry_settings()->qemu->run_dir,
                           uuid_format(&domain->uuid, text));
}

const GuestDef *domain_definition(const Domain *domain)
{
    return domain->live ? domain->live : domain->persistent;
}

gboolean domain_check_active(const Domain *domain, GError **error)
{
    return domain_is_active(domain) ||
           error_set(error, ERROR_OPERATION_INVALID,
                     "Requested operation is not valid: domain is not running");
}

/* --- state --- */

void domain_set_state(Domain *domain, DomainState state, int reason)
{
    if (domain->state == state && domain->reason == reason)
        return;
    domain->state = state;
    domain->reason = reason;
    if (state != DOMAIN_PAUSED || (reason != PAUSED_MIGRATION && reason != PAUSED_STARTING_UP))
        domain->is_incoming = FALSE; /* it has arrived, or it never will */
    log_write(LOG_LEVEL_INFO, LOG_FIELDS("DOMAIN", domain->name), "domain '%s' is %s (%s)",
              domain->name, state_name(state), state_reason_name(state, reason));
    domain_save_status(domain);
}

void domain_expect(Domain *domain, int stop_reason, int resume_reason)
{
    domain->stop_reason = stop_reason < 0 ? PAUSED_UNKNOWN : stop_reason;
    domain->resume_reason = resume_reason < 0 ? RUNNING_UNPAUSED : resume_reason;
}

/* One writer at a time, or an older state could be renamed over a newer one.  A guest that ends
 * meanwhile takes its folder with it: then there is nothing to write, and nothing may be left. */
AWAITS gboolean domain_write_status(Domain *domain, GError **error)
{
    g_autoptr(QemuGuest) guest = NULL;

    while (domain->is_status_saving)
        task_yield();
    if (!domain->guest || !domain->live)
        return error_set(error, ERROR_OPERATION_FAILED, "domain '%s': QEMU has ended",
                         domain->name);
    guest = qemu_guest_ref(domain->guest);
    domain->is_status_saving = TRUE;
    domain->is_status_due = FALSE;
    const gboolean ok = store_write_status(domain, error);
    domain->is_status_saving = FALSE;
    if (domain->guest != guest) {
        if (!domain->guest && !domain->is_starting)
            store_remove_folder(domain);
        g_clear_error(error);
        return error_set(error, ERROR_OPERATION_FAILED, "domain '%s': QEMU has ended",
                         domain->name);
    }
    return ok;
}

static AWAITS void save_status(void *data)
{
    Domain *domain = data;
    g_autoptr(GError) error = NULL;

    domain->is_status_task = FALSE;
    if (domain->is_status_due && !domain_write_status(domain, &error) && domain->guest)
        log_warning(
            "the status of domain '%s' could not be written, a restart will find an older one: %s",
            domain->name, error->message);
}

void domain_save_status(Domain *domain)
{
    if (!domain->guest)
        return;
    domain->is_status_due = TRUE;
    if (domain->is_status_task)
        return;
    domain->is_status_task = TRUE;
    task_spawn("save-status", save_status, domain_ref(domain), (GDestroyNotify)domain_unref);
}

/* --- what is shown --- */

enum {
    XML_SECURE = 1 << 0,
    XML_INACTIVE = 1 << 1,
    XML_UPDATE_CPU = 1 << 2,
    XML_MIGRATABLE = 1 << 3
};

char *domain_format_xml(const Domain *domain, unsigned flags, GError **error)
{
    const GuestDef *definition =
        flags & XML_INACTIVE && domain->persistent ? domain->persistent : domain_definition(domain);
    GuestFormatFlags format = GUEST_FORMAT_LIVE;

    if (!definition) {
        error_set(error, ERROR_INTERNAL_ERROR, "domain '%s' has no definition", domain->name);
        return NULL;
    }
    if (flags & XML_INACTIVE || !domain_is_active(domain))
        format |= GUEST_FORMAT_INACTIVE;
    if (flags & XML_SECURE)
        format |= GUEST_FORMAT_SECURE;
    if (flags & XML_MIGRATABLE)
        format |= GUEST_FORMAT_MIGRATABLE;
    return guest_def_format(definition, format);
}

void domain_add_message(Domain *domain, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    if (domain->messages->len >= MESSAGES_MAX)
        g_ptr_array_remove_index(domain->messages, 0);
    g_ptr_array_add(domain->messages, g_steal_pointer(&text));
}

void domain_drop_message(Domain *domain, const char *text)
{
    for (unsigned i = domain->messages->len; i > 0; i--)
        if (g_str_equal(domain->messages->pdata[i - 1], text))
            g_ptr_array_remove_index(domain->messages, i - 1);
}

GPtrArray *domain_collect_messages(Domain *domain)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *sentence = owner_hooks()->explain ? owner_hooks()->explain(domain) : NULL;
    const OwnerStanding standing = owner_standing(domain);
    g_autoptr(GError) silence = NULL;

    if (sentence)
        g_ptr_array_add(lines, g_steal_pointer(&sentence));
    if (lease_is_on() && (standing == OWNER_IN_DOUBT || standing == OWNER_GIVEN))
        g_ptr_array_add(lines, g_strdup("lease: kept in sanlock, which refuses `--here` as long as the other host may be alive"));
    if (domain->guest && !qemu_guest_check_met(domain->guest, &silence))
        g_ptr_array_add(lines, g_strdup(silence->message));
    for (unsigned i = 0; i < domain->messages->len; i++)
        g_ptr_array_add(lines, g_strdup(domain->messages->pdata[i]));
    return lines;
}
