/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Serial ports (isa-serial).  The first one is the console, as <console> says again. */
#pragma once

#include "model/address.h"

typedef enum {
    GUEST_CHARDEV_PTY,
    GUEST_CHARDEV_FILE,
    GUEST_CHARDEV_UNIX,
    GUEST_CHARDEV_TCP,
} GuestChardevType;

typedef enum { GUEST_CHARDEV_NO_MODE, GUEST_CHARDEV_CONNECT, GUEST_CHARDEV_BIND } GuestChardevMode;
typedef enum {
    GUEST_CHARDEV_NO_PROTOCOL,
    GUEST_CHARDEV_RAW,
    GUEST_CHARDEV_TELNET
} GuestChardevProtocol;

typedef struct {
    GuestChardevType type;
    char *path;                    /* file, unix; pty: live only, where QEMU made it */
    Switch append;                 /* file */
    GuestChardevMode mode;         /* unix, tcp */
    char *host;                    /* tcp */
    char *service;                 /* tcp: a port number */
    GuestChardevProtocol protocol; /* tcp */
} GuestChardev;

typedef struct {
    GuestChardev source;
    int port; /* 0–3; -1: not yet given */
    char *alias;
    GuestAddress address;
} GuestSerial;

extern const EnumName guest_chardev_type_names[];

gboolean guest_chardev_equal(const GuestChardev *a, const GuestChardev *b);
/* The <console> that repeats a serial port. */
void guest_console_write(const GuestSerial *serial, XmlWriter *writer);

void guest_serial_free(GuestSerial *serial);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestSerial, guest_serial_free)
