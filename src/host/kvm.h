/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Does KVM work here?  A /dev/kvm that opens proves nothing: a helper runs a few instructions under it. */
#pragma once

#include <glib.h>

#include "loop/task.h"

/* Path of ferry-kvm-probe; set once at start-up. */
void kvm_set_helper(const char *path);
/* The cached answer, asking first if there is none.  *ret_reason (may be NULL; the caller frees) says why not. */
AWAITS gboolean kvm_works(char **ret_reason);
/* The cached answer only; false while there is none. */
gboolean kvm_is_known_to_work(void);
