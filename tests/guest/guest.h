/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of the test guest share: ports, the console, and the disk's work at each tick. */
#ifndef FERRY_TEST_GUEST_H
#define FERRY_TEST_GUEST_H

#include <stdint.h>

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void outw(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint16_t inw(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

void put(const char *text);
void put_number(uint32_t number);

/* A virtio disk on the first bus gets a stamp every so many ticks; without one that is an error on the console. */
void disk_start(uint32_t every_ticks);
void disk_work(uint32_t tick);

#endif
