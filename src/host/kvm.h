/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Does KVM work here?  A /dev/kvm that opens proves nothing: a helper runs a few instructions under
 * it. */
#pragma once

#include <glib.h>

#include "host/user.h"
#include "loop/task.h"

/* Path of ferry-kvm-probe and the user that QEMU will be; both borrowed.  Once, at start-up. */
void kvm_init(const char *helper, const HostUser *user);
/* The cached answer, asking first if there is none.  *ret_reason (may be NULL; the caller frees)
 * says why not. */
AWAITS gboolean kvm_works(char **ret_reason);
/* The cached answer only; false while there is none. */
gboolean kvm_is_known_to_work(void);
