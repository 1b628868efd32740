/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stamps on a disk: what has run is seen there too by whoever reads the image, and by the guest itself who else has.
 *
 * Every so many ticks the guest reads the first sector, compares all of it with what it wrote there last, and only then
 * writes the next stamp.  Another stamp than its own means a second writer, or a write that was lost: this is said on the console,
 * and written into the second sector, where nothing else is ever written.  A guest that starts begins a new generation.  The layout
 * is known to stamps.py as well.
 *
 * The driver is for virtio's legacy interface by ports, which a disk on the first bus has.  Nothing waits and nothing interrupts:
 * a request begun at one tick is looked at in the next.
 */
#include "guest.h"

#define SECTOR     512u
#define WORDS      (SECTOR / 4)
#define PAGE       4096u
#define QUEUE_MAX  256u
#define IN_FLIGHT  0xff             /* no status that a device gives */
#define DISK_ERROR    "ERROR disk: "

typedef struct {
    char magic[8];
    uint32_t generation;            /* starts of guests on this disk so far */
    uint32_t run;                   /* drawn at this start */
    uint32_t tick;                  /* at which it was written */
    uint32_t drawn;                 /* for this very stamp: two guests that count alike still write differently */
    uint32_t stranger_generation, stranger_run, stranger_tick;      /* in the second sector: found in the place of this guest's last one */
    uint32_t nothing[WORDS - 10];
    uint32_t sum;                   /* of all the words before it */
} Stamp;

_Static_assert(sizeof(Stamp) == SECTOR, "a stamp is a sector");

typedef struct {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
} Descriptor;

enum { VIRTIO_VENDOR = 0x1af4, VIRTIO_BLK = 0x1001 };
enum { FEATURES = 4, QUEUE_PAGE = 8, QUEUE_SIZE = 12, QUEUE_SELECT = 14, QUEUE_NOTIFY = 16, STATUS = 18 };     /* from the first port on */
enum { FEATURE_FLUSH = 1 << 9 };    /* else each write waits until it is durable */
enum { HAS_NEXT = 1, DEVICE_WRITES = 2 };
enum { READ = 0, WRITE = 1 };
enum { STAMP_SECTOR = 0, SIGN_SECTOR = 1 };

static uint8_t queue[4 * PAGE] __attribute__((aligned(4096)));
static volatile uint16_t *available, *used;     /* flags, index, ring */
static struct { uint32_t type, reserved; uint64_t sector; } head;
static volatile uint8_t status;
static Stamp found, written, sign;
static uint32_t every, next_tick;
static uint16_t port, queue_size;
static enum { ABSENT, RESTING, READING, SIGNING, WRITING } state;

static uint32_t draw(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    low ^= high * 0x9e3779b9u;
    low ^= low >> 16;
    low *= 0x7feb352du;
    return low ^ low >> 15;
}

static uint32_t sum_of(const Stamp *stamp)
{
    const uint32_t *word = (const uint32_t *)stamp;
    uint32_t sum = 0x811c9dc5u;

    for (uint32_t i = 0; i < WORDS - 1; i++)
        sum = (sum ^ word[i]) * 0x01000193u;
    return sum;
}

static int is_same(const Stamp *one, const Stamp *other)
{
    const uint32_t *a = (const uint32_t *)one, *b = (const uint32_t *)other;

    for (uint32_t i = 0; i < WORDS; i++)
        if (a[i] != b[i])
            return 0;
    return 1;
}

static int is_blank(const Stamp *stamp)
{
    static const Stamp blank;

    return is_same(stamp, &blank);
}

static uint32_t pci_read(uint32_t slot, uint32_t offset)
{
    outl(0xcf8, 0x80000000u | slot << 11 | offset);
    return inl(0xcfc);
}

/* Returns the first port of the first such disk, or 0. */
static uint16_t find_disk(void)
{
    for (uint32_t slot = 0; slot < 32; slot++) {
        uint32_t base;

        if (pci_read(slot, 0) != (VIRTIO_BLK << 16 | VIRTIO_VENDOR))
            continue;
        base = pci_read(slot, 0x10);
        if (!(base & 1))
            continue;
        outl(0xcf8, 0x80000000u | slot << 11 | 4);
        outw(0xcfc, inw(0xcfc) | 5);        /* answer on ports, reach memory */
        return base & 0xfffc;
    }
    return 0;
}

void disk_start(uint32_t every_ticks)
{
    Descriptor *descriptor = (Descriptor *)queue;

    every = every_ticks;
    port = find_disk();
    if (!port) {
        put(DISK_ERROR "there is none on the first bus\n");
        return;
    }
    outb(port + STATUS, 0);
    outb(port + STATUS, 1 | 2);
    outl(port + FEATURES, FEATURE_FLUSH);
    outw(port + QUEUE_SELECT, 0);
    queue_size = inw(port + QUEUE_SIZE);
    if (!queue_size || queue_size > QUEUE_MAX) {
        put(DISK_ERROR "its queue is longer than the guest's\n");
        return;
    }
    available = (volatile uint16_t *)(queue + queue_size * sizeof(Descriptor));
    used = (volatile uint16_t *)(((uint32_t)(available + 3 + queue_size) + PAGE - 1) & ~(PAGE - 1));
    available[0] = 1;                       /* no interrupts */
    descriptor[0] = (Descriptor){ (uint32_t)&head, sizeof head, HAS_NEXT, 1 };
    descriptor[2] = (Descriptor){ (uint32_t)&status, 1, DEVICE_WRITES, 0 };
    outl(port + QUEUE_PAGE, (uint32_t)queue / PAGE);
    outb(port + STATUS, 1 | 2 | 4);
    state = RESTING;
}

static void ask(int next_state, uint32_t type, Stamp *stamp, uint32_t sector)
{
    ((Descriptor *)queue)[1] = (Descriptor){ (uint32_t)stamp, sizeof *stamp, HAS_NEXT | (type == READ ? DEVICE_WRITES : 0), 2 };
    head.type = type;
    head.sector = sector;
    status = IN_FLIGHT;
    state = next_state;
    if (type == WRITE)
        stamp->sum = sum_of(stamp);
    available[2 + available[1] % queue_size] = 0;
    __asm__ volatile("" : : : "memory");
    available[1]++;
    outw(port + QUEUE_NOTIFY, 0);
}

/* Of a disk that this guest has not written to yet. */
static void begin_generation(void)
{
    if (is_blank(&found))
        for (uint32_t i = 0; i < sizeof found.magic; i++)
            found.magic[i] = "FERRYDSK"[i];
    else if (found.sum != sum_of(&found))
        put(DISK_ERROR "there is no whole stamp on it\n");
    written = found;
    written.generation++;
    written.run = draw();
    put("disk: generation "), put_number(written.generation), put("\n");
}

/* A line that is no tick: whoever counts those must not count this. */
static void say_stranger(void)
{
    put(DISK_ERROR "generation "), put_number(written.generation), put(" wrote at "), put_number(written.tick);
    put(" and finds generation "), put_number(found.generation), put(" at "), put_number(found.tick), put("\n");
    sign = written;
    sign.stranger_generation = found.generation;
    sign.stranger_run = found.run;
    sign.stranger_tick = found.tick;
}

static void write_stamp(uint32_t tick)
{
    written.tick = tick;
    written.drawn = draw();
    ask(WRITING, WRITE, &written, STAMP_SECTOR);
}

static void judge(uint32_t tick)
{
    if (!written.generation)
        begin_generation();
    else if (!is_same(&found, &written)) {
        say_stranger();
        ask(SIGNING, WRITE, &sign, SIGN_SECTOR);
        return;
    }
    write_stamp(tick);
}

void disk_work(uint32_t tick)
{
    if (state == ABSENT || (state != RESTING && used[1] != available[1]))
        return;
    if (state != RESTING && status) {
        put(DISK_ERROR "status "), put_number(status), put(state == READING ? " of a read\n" : " of a write\n");
        state = RESTING;
    }
    if (state == READING) {
        judge(tick);
    } else if (state == SIGNING) {
        write_stamp(tick);
    } else if ((int32_t)(tick - next_tick) >= 0) {
        next_tick = tick + every;
        ask(READING, READ, &found, STAMP_SECTOR);
    } else {
        state = RESTING;
    }
}
