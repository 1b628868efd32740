/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device classes: what the definition needs to know of a kind of device to read, print, copy and
 * compare it. A new kind is a file with rows, a check and such a class, and a line in the list of
 * classes. */
#pragma once

#include "xml/field.h"

typedef struct {
    const char *element; /* below <devices> */
    size_t size;         /* of the struct */
    const Field *rows;
    /* What rows cannot say: combinations, spellings, defaults that belong to reading.  NULL:
     * nothing. */
    gboolean (*check)(void *device, XmlNode *node, GError **error);
    void (*clear_live)(void *device); /* what rows cannot say; NULL: nothing */
    GDestroyNotify free;
    unsigned max; /* how many of them one guest may have */
} GuestDeviceClass;

extern const GuestDeviceClass guest_balloon_class;
extern const GuestDeviceClass guest_console_class;
extern const GuestDeviceClass guest_controller_class;
extern const GuestDeviceClass guest_disk_class;
extern const GuestDeviceClass guest_input_class;
extern const GuestDeviceClass guest_interface_class;
extern const GuestDeviceClass guest_rng_class;
extern const GuestDeviceClass guest_serial_class;

/* Zeroed, with what is absent marked so. */
void *guest_device_new(const GuestDeviceClass *class);
gboolean guest_device_read(const GuestDeviceClass *class, XmlNode *node, void *device,
                           GError **error);
void guest_device_write(const GuestDeviceClass *class, XmlWriter *writer, const void *device);
void *guest_device_copy(const GuestDeviceClass *class, const void *device);
void guest_device_clear_live(const GuestDeviceClass *class, void *device);
void guest_device_free(const GuestDeviceClass *class, void *device);

/* Every class has an alias among its rows: where it is kept. */
char **guest_device_alias(const GuestDeviceClass *class, void *device);

/* <alias name=>, a char *: a running guest's own, or a user's, which begin with "ua-" and stay. */
extern const FieldKind guest_alias_kind;
gboolean guest_alias_is_user(const char *alias);

/* Letters, digits and a few signs that mean nothing in QEMU's option syntax: names of models,
 * machines, features. */
gboolean guest_word_check(XmlNode *node, const char *what, const char *word, GError **error);
