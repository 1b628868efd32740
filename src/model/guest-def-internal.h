/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files that make up a definition share with each other, and with nobody else. */
#pragma once

#include "model/device.h"
#include "model/guest-def.h"

/* What is said of the guest itself. */
extern const Field guest_def_rows[];
/* <seclabel>, which stands outside <devices> but is read like one. */
extern const GuestDeviceClass guest_seclabel_class;

/* i: its place among those of its class.  The balloon comes last, also if there is none. */
typedef void (*GuestDeviceFunc)(const GuestDeviceClass *class, void *device, unsigned i,
                                void *data);
void guest_def_each_device(const GuestDef *def, GuestDeviceFunc func, void *data);

/* Gives PCI addresses to all that needs one, adding root ports on q35. */
gboolean guest_def_assign_addresses(GuestDef *def, GError **error);
