/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that knows when it was harmed.  It boots by PVH in some 60 ms under TCG, prints a numbered
 * line on COM1 at every tick, halts in between, and keeps rewriting and checking a pattern in its
 * memory.  A lost, doubled or late tick is visible from outside by number and arrival; a lost or
 * stale page is visible from inside, because the content that every page must have follows from one
 * counter and its address alone.  Nothing here is written twice to be compared with itself.
 *
 * Options on the kernel command line (-append):
 *   tick=MS     time between ticks, 1..1000                       (100)
 *   set=MIB     working set: the pages that are rewritten in turn (4)
 *   dirty=N     pages rewritten per second                        (0)
 *   touch=MIB   memory filled with nonzero data at the start      (as set)
 *   check=N     pages checked per second besides those rewritten  (2000)
 *   name=WORD   printed in the first line
 *   stamp=N     ticks between two stamps on a disk: see disk.c    (0: none)
 *
 * Any other option is an error that it prints.
 *
 * Lines: "guest NAME set=… touch=… dirty=… tick=…", "tick N gen G", "ERROR …", "echo: TEXT" for a
 * line typed at the console, "disk: generation N" once it has read its disk, "powerdown" when the power
 * button was pressed.
 */
#include "guest.h"

#define PAGE       4096u
#define MIB        (1024u * 1024u)
#define BASE       (16u * MIB)      /* the pattern begins here; image and stack lie below */
#define LOW_LIMIT  (3072u * MIB)    /* below the PCI hole of every machine type */
#define COM1       0x3f8
#define PIT_HZ     1193182u
#define PM_BASE    0x600            /* where SeaBIOS puts it, on i440fx and q35 alike */
#define MAX_SHOWN  50u              /* a broken guest must not drown the console */

typedef struct {
    uint32_t magic, version, flags, modules;
    uint64_t module_list, command_line, rsdp, memory_map;
    uint32_t memory_map_entries, reserved;
} StartInfo;

typedef struct {
    uint64_t address, size;
    uint32_t type, reserved;
} MemoryRange;

typedef struct {
    uint16_t offset_low, selector, flags, offset_high;
} __attribute__((packed)) Gate;

extern char guest_end[];
extern void timer_gate(void), stray_gate(void), fault_gate(void);
void guest_main(const StartInfo *info);
void guest_fault(void);

volatile uint32_t timer_beats;

static Gate gates[256];
static uint32_t options_tick = 100, options_set = 4, options_dirty, options_touch, options_check = 2000, options_stamp;
static char guest_name[32] = "-";
static uint32_t set_pages, all_pages;   /* rewritten in turn; filled and checked */
static uint64_t writes;                 /* pages rewritten so far: all that is known about the pattern */
static uint32_t check_next;
static uint32_t errors;

/* Division by 32 bits only, so that no run-time library is needed. */
static uint32_t divide(uint64_t value, uint32_t divisor, uint32_t *rest)
{
    uint32_t high = value >> 32, low = value, quotient, remainder;

    high %= divisor;
    __asm__("divl %4" : "=a"(quotient), "=d"(remainder) : "a"(low), "d"(high), "r"(divisor));
    if (rest)
        *rest = remainder;
    return quotient;
}

static void put_char(char c)
{
    while (!(inb(COM1 + 5) & 0x20))
        ;
    outb(COM1, c);
}

void put(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            put_char('\r');
        put_char(*text);
    }
}

void put_number(uint32_t number)
{
    char digits[11], *p = digits + 10;

    *p = 0;
    do
        *--p = '0' + number % 10;
    while (number /= 10);
    put(p);
}

static void put_hex(uint32_t number)
{
    put("0x");
    for (int shift = 28; shift >= 0; shift -= 4)
        put_char("0123456789abcdef"[number >> shift & 15]);
}

/* The pattern: a page's words follow from its address and the round in which it was last written. */
static uint32_t page_seed(uint32_t page, uint32_t round)
{
    uint32_t x = (page * PAGE + BASE) ^ (round * 0x9e3779b9u);

    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    return x | 1;
}

static void page_write(uint32_t page, uint32_t round)
{
    uint32_t *word = (uint32_t *)(BASE + page * PAGE), value = page_seed(page, round);

    word[0] = round;
    for (uint32_t i = 1; i < PAGE / 4; i++, value += 0x61c88646u)
        word[i] = value;
}

static uint32_t page_round(uint32_t page)
{
    uint32_t rest, round;

    if (page >= set_pages)
        return 0;
    round = divide(writes, set_pages, &rest);
    return round + (page < rest);
}

static void page_report(uint32_t page, uint32_t round, uint32_t index, uint32_t found)
{
    if (errors++ >= MAX_SHOWN)
        return;
    put("ERROR page ");
    put_hex(BASE + page * PAGE);
    put(" round ");
    put_number(round);
    if (index == 0) {
        put(found < round ? ": stale, holds round " : ": holds round ");
        put_number(found);
    } else {
        put(": word ");
        put_number(index);
        put(" is ");
        put_hex(found);
    }
    put("\n");
}

static void page_check(uint32_t page)
{
    const uint32_t *word = (const uint32_t *)(BASE + page * PAGE);
    uint32_t round = page_round(page), value = page_seed(page, round);

    if (word[0] != round) {
        page_report(page, round, 0, word[0]);
        return;
    }
    for (uint32_t i = 1; i < PAGE / 4; i++, value += 0x61c88646u) {
        if (word[i] != value) {
            page_report(page, round, i, word[i]);
            return;
        }
    }
}

/* How many of so many per second belong to this tick, carrying the rest over. */
static uint32_t share(uint32_t per_second, uint32_t *carry)
{
    uint32_t rest, due = divide((uint64_t)per_second * options_tick + *carry, 1000, &rest);

    *carry = rest;
    return due;
}

static void memory_work(void)
{
    static uint32_t dirty_carry, check_carry;
    uint32_t due = share(options_dirty, &dirty_carry);

    while (due--) {
        uint32_t page, round = divide(writes, set_pages, &page);

        page_check(page);
        page_write(page, round + 1);
        writes++;
    }
    due = share(options_check, &check_carry);
    while (due--) {
        page_check(check_next);
        check_next = check_next + 1 < all_pages ? check_next + 1 : 0;
    }
}

static void console_work(void)
{
    static char line[128];
    static uint32_t length;

    while (inb(COM1 + 5) & 1) {
        char c = inb(COM1);

        if (c == '\r' || c == '\n') {
            line[length] = 0;
            if (length) {
                put("echo: ");
                put(line);
                put("\n");
            }
            length = 0;
        } else if (length < sizeof line - 1) {
            line[length++] = c;
        }
    }
}

static void power_work(void)
{
    if (!(inw(PM_BASE) & 0x100))
        return;
    outw(PM_BASE, 0x100);
    put("powerdown\n");
    outw(PM_BASE + 4, 1 << 13);
}

/* Returns the number behind "name=" in the command line, or `otherwise`. */
static uint32_t option(const char *line, const char *name, uint32_t otherwise)
{
    for (const char *p = line; *p; p++) {
        const char *a = p, *b = name;
        uint32_t value = 0;

        if (p != line && p[-1] != ' ')
            continue;
        while (*b && *a == *b)
            a++, b++;
        if (*b || *a != '=')
            continue;
        for (a++; *a >= '0' && *a <= '9'; a++)
            value = value * 10 + (*a - '0');
        return value;
    }
    return otherwise;
}

/* A misspelt option would make a test easier than it says. */
static void complain_of_unknown(const char *line)
{
    static const char *const known[] = { "tick=", "set=", "dirty=", "touch=", "check=", "name=", "stamp=" };

    for (const char *p = line; *p;) {
        int is_known = *p == ' ';

        for (uint32_t i = 0; i < sizeof known / sizeof known[0] && !is_known; i++) {
            const char *a = p, *b = known[i];

            while (*b && *a == *b)
                a++, b++;
            is_known = !*b;
        }
        if (!is_known)
            put("ERROR unknown option ");
        for (; *p && *p != ' '; p++)
            if (!is_known)
                put_char(*p);
        if (!is_known)
            put("\n");
        while (*p == ' ')
            p++;
    }
}

static void read_options(const char *line)
{
    complain_of_unknown(line);
    for (const char *p = line; *p; p++) {
        if ((p != line && p[-1] != ' ') || p[0] != 'n' || p[1] != 'a' || p[2] != 'm' || p[3] != 'e' || p[4] != '=')
            continue;
        p += 5;
        for (uint32_t i = 0; i < sizeof guest_name - 1; i++) {
            guest_name[i] = *p && *p != ' ' ? *p++ : 0;
            guest_name[i + 1] = 0;
        }
        break;
    }
    options_tick = option(line, "tick", options_tick);
    options_set = option(line, "set", options_set);
    options_dirty = option(line, "dirty", options_dirty);
    options_touch = option(line, "touch", options_set);
    options_check = option(line, "check", options_check);
    options_stamp = option(line, "stamp", 0);
    if (options_tick < 1 || options_tick > 1000)
        options_tick = 100;
    if (options_set < 1)
        options_set = 1;
    if (options_touch < options_set)
        options_touch = options_set;
}

/* Cuts the request down to the memory that lies in one piece above BASE. */
static void measure_memory(const StartInfo *info)
{
    const MemoryRange *range = (const MemoryRange *)(uint32_t)info->memory_map;
    uint32_t limit = 32 * MIB;

    for (uint32_t i = 0; info->version >= 1 && i < info->memory_map_entries; i++) {
        if (range[i].type != 1 || range[i].address > BASE || range[i].address + range[i].size <= BASE)
            continue;
        limit = range[i].address + range[i].size > LOW_LIMIT ? LOW_LIMIT : range[i].address + range[i].size;
    }
    all_pages = (limit - BASE) / PAGE;
    if (options_touch < all_pages / 256)
        all_pages = options_touch * 256;
    else
        put("ERROR touch: less memory than asked for\n");
    set_pages = options_set * 256 < all_pages ? options_set * 256 : all_pages;
}

static void gate_set(uint32_t number, void (*handler)(void))
{
    uint32_t address = (uint32_t)handler;

    gates[number] = (Gate){ address, 8, 0x8e00, address >> 16 };
}

static uint32_t start_timer(void)
{
    struct { uint16_t limit; uint32_t base; } __attribute__((packed)) table = { sizeof gates - 1, (uint32_t)gates };
    uint32_t beats = (options_tick + 49) / 50, divisor = PIT_HZ * options_tick / 1000 / beats;

    if (options_tick >= 1000)
        divisor = PIT_HZ / beats;
    for (uint32_t i = 0; i < 32; i++)
        gate_set(i, fault_gate);
    for (uint32_t i = 32; i < 256; i++)
        gate_set(i, stray_gate);
    gate_set(32, timer_gate);
    __asm__ volatile("lidt %0" : : "m"(table));
    outb(0x20, 0x11), outb(0x21, 32), outb(0x21, 4), outb(0x21, 1);
    outb(0xa0, 0x11), outb(0xa1, 40), outb(0xa1, 2), outb(0xa1, 1);
    outb(0x21, 0xfe), outb(0xa1, 0xff);
    outb(0x43, 0x34), outb(0x40, divisor & 255), outb(0x40, divisor >> 8);
    outw(PM_BASE + 2, 0x100);       /* let the power button show in the status register */
    return beats;
}

void guest_fault(void)
{
    put("ERROR processor fault\n");
}

void guest_main(const StartInfo *info)
{
    uint32_t beats, next, number = 0;

    outb(COM1 + 1, 0), outb(COM1 + 3, 0x80), outb(COM1, 1), outb(COM1 + 1, 0);
    outb(COM1 + 3, 3), outb(COM1 + 2, 7), outb(COM1 + 4, 3);
    if (info->command_line)
        read_options((const char *)(uint32_t)info->command_line);
    measure_memory(info);
    put("guest "), put(guest_name), put(" set="), put_number(set_pages / 256);
    put(" touch="), put_number(all_pages / 256), put(" dirty="), put_number(options_dirty);
    put(" tick="), put_number(options_tick), put("\n");
    for (uint32_t page = 0; page < all_pages; page++)
        page_write(page, 0);

    if (options_stamp)
        disk_start(options_stamp);
    beats = start_timer();
    next = timer_beats + beats;
    for (;;) {
        __asm__ volatile("sti; hlt; cli" : : : "memory");
        console_work();
        power_work();
        if ((int32_t)(timer_beats - next) < 0)
            continue;
        next += beats;
        put("tick "), put_number(++number);
        put(" gen "), put_number(divide(writes, set_pages, 0));
        if (errors)
            put(" errors "), put_number(errors);
        put("\n");
        memory_work();
        disk_work(number);
    }
}
