/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs ferry-kvm-probe once and remembers what it said.  Two tasks may ask at the same time; both
 * then run it, and agree. */
#include "host/kvm.h"

#include "base/log.h"
#include "host/command.h"

#define PROBE_MS   1000
#define OUTPUT_MAX 4096

static const char *helper_path;
static const HostUser *helper_user;
static gboolean is_known;
static char *refusal; /* known and NULL: works */

void kvm_init(const char *helper, const HostUser *user)
{
    helper_path = helper;
    helper_user = user;
    is_known = FALSE;
    g_clear_pointer(&refusal, g_free);
}

AWAITS static char *ask(void)
{
    const char *argv[] = {helper_path, NULL};
    g_auto(CommandResult) result = {0};
    g_autoptr(GError) error = NULL;

    if (!helper_path)
        return g_strdup("no probe is installed");
    if (!command_run(argv, helper_user, OUTPUT_MAX, PROBE_MS, &result, &error))
        return g_strdup(error->message);
    return result.wait_status == 0 ? NULL : command_describe(&result);
}

AWAITS gboolean kvm_works(char **ret_reason)
{
    if (!is_known) {
        char *answer = ask();

        g_free(refusal);
        refusal = answer;
        is_known = TRUE;
        log_info(refusal ? "KVM does not work on this host (%s); domains of type 'kvm' are refused"
                         : "KVM works on this host%s",
                 refusal ? refusal : "");
    }
    if (ret_reason)
        *ret_reason = g_strdup(refusal);
    return refusal == NULL;
}

gboolean kvm_is_known_to_work(void)
{
    return is_known && !refusal;
}
