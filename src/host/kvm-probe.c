/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ferry-kvm-probe: makes a guest of some twenty instructions and runs it.  In 64-bit mode with
 * paging it counts to ten million, which takes a processor some 10 ms, then halts and wants to be
 * woken by its timer, three times, and says so on a port.  Some KVMs pass every shorter test by
 * emulating one instruction after the other, far slower than QEMU itself would, and no guest ever
 * comes up under them.  A program of its own, since a KVM that lies may also hang, and then only
 * this process is lost.  Exit status 0: works; 1: does not, and stderr says at which step. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#ifdef __x86_64__
#include <linux/kvm.h>

/* The guest's memory, all of it mapped one to one. */
#define MEMORY_SIZE 0x10000
#define CODE_BASE   0x1000
#define IDT_BASE    0x2000
#define GDT_BASE    0x3000
#define TSS_BASE    0x3800
#define PAGE_TABLES 0x4000 /* three levels, one page each; the last maps 2 MiB */
#define STACK_TOP   0x8000

#define TIMER_VECTOR 0x20 /* the same numbers stand in the assembly */
#define PORT         0x99 /* no device of the in-kernel chips */
#define WAKE_UPS     3
/* Of the clock: a little less than the caller waits.  Of processor time: far more than any
 * processor needs, and little enough that a host without KVM is not kept busy. */
#define LIMIT_MS     900
#define CPU_LIMIT_MS 250

extern const uint8_t guest_code[], guest_handler[], guest_code_end[];

__asm__(".pushsection .rodata\n"
        ".code64\n"
        "guest_code:\n"
        "    mov $0x11, %al\n" /* interrupt controller: vectors from 0x20, only the timer */
        "    out %al, $0x20\n"
        "    mov $0x20, %al\n"
        "    out %al, $0x21\n"
        "    mov $0x04, %al\n"
        "    out %al, $0x21\n"
        "    mov $0x01, %al\n"
        "    out %al, $0x21\n"
        "    mov $0xfe, %al\n"
        "    out %al, $0x21\n"
        "    mov $0x34, %al\n" /* timer: every 10 ms */
        "    out %al, $0x43\n"
        "    mov $0x9c, %al\n"
        "    out %al, $0x40\n"
        "    mov $0x2e, %al\n"
        "    out %al, $0x40\n"
        "    mov $10000000, %ecx\n"
        "1:  dec %ecx\n"
        "    jnz 1b\n"
        "    xor %ebx, %ebx\n"
        "    sti\n"
        "1:  hlt\n"
        "    cmp $3, %ebx\n"
        "    jb 1b\n"
        "    mov %bl, %al\n"
        "    out %al, $0x99\n"
        "    hlt\n"
        "guest_handler:\n"
        "    inc %ebx\n"
        "    mov $0x20, %al\n"
        "    out %al, $0x20\n"
        "    iretq\n"
        "guest_code_end:\n"
        ".popsection\n");

static int fail(const char *step)
{
    fprintf(stderr, "%s: %s\n", step, strerror(errno));
    return 1;
}

static volatile sig_atomic_t last_signal;

static void on_alarm(int signal_number)
{
    last_signal = signal_number;
}

static int run(int vcpu, struct kvm_run *state)
{
    errno = 0;
    if (ioctl(vcpu, KVM_RUN, 0) < 0 && errno == EINTR) {
        if (last_signal == SIGPROF)
            fprintf(stderr, "ten million instructions took more than %d ms of processor time: ",
                    CPU_LIMIT_MS);
        else
            fprintf(stderr, "ten million instructions did not end within %d ms: ", LIMIT_MS);
        fprintf(stderr, "no guest can live on that\n");
        return 1;
    }
    if (state->exit_reason == KVM_EXIT_INTERNAL_ERROR)
        errno = EIO;
    if (errno)
        return fail("KVM_RUN");
    if (state->exit_reason != KVM_EXIT_IO || state->io.port != PORT) {
        fprintf(stderr, "the guest left with reason %u instead of its answer\n",
                state->exit_reason);
        return 1;
    }
    if (((const uint8_t *)state)[state->io.data_offset] >= WAKE_UPS)
        return 0;
    fprintf(stderr, "the guest counted nonsense\n");
    return 1;
}

static void put_u64(uint8_t *memory, unsigned at, uint64_t value)
{
    memcpy(memory + at, &value, sizeof value);
}

static void fill_memory(uint8_t *memory)
{
    uint64_t handler = CODE_BASE + (uint64_t)(guest_handler - guest_code);

    memcpy(memory + CODE_BASE, guest_code, (size_t)(guest_code_end - guest_code));
    put_u64(memory, GDT_BASE + 8, 0x00af9b000000ffff);  /* 64-bit code */
    put_u64(memory, GDT_BASE + 16, 0x00cf93000000ffff); /* data */
    put_u64(memory, IDT_BASE + TIMER_VECTOR * 16, (handler & 0xffff) | 8 << 16 | 0x8e00ULL << 32);
    put_u64(memory, PAGE_TABLES, (PAGE_TABLES + 0x1000) | 3);
    put_u64(memory, PAGE_TABLES + 0x1000, (PAGE_TABLES + 0x2000) | 3);
    put_u64(memory, PAGE_TABLES + 0x2000, 0x83); /* present, writable, 2 MiB at 0 */
}

static int set_registers(int vcpu)
{
    struct kvm_regs regs = {.rip = CODE_BASE, .rsp = STACK_TOP, .rflags = 2};
    struct kvm_segment code = {
        .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
    struct kvm_segment data = {
        .limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
    struct kvm_segment task = {.base = TSS_BASE, .limit = 0x67, .type = 11, .present = 1};
    struct kvm_sregs sregs;

    if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
        return fail("KVM_GET_SREGS");
    sregs.cs = code;
    sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = data;
    sregs.tr = task;
    sregs.gdt = (struct kvm_dtable){.base = GDT_BASE, .limit = 23};
    sregs.idt = (struct kvm_dtable){.base = IDT_BASE, .limit = (TIMER_VECTOR + 1) * 16 - 1};
    sregs.cr3 = PAGE_TABLES;
    sregs.cr4 |= 1 << 5;            /* PAE */
    sregs.cr0 = 0x80000011;         /* paging, protection */
    sregs.efer |= 1 << 8 | 1 << 10; /* long mode, enabled and active */
    if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
        return fail("setting registers");
    return 0;
}

/* As QEMU does: without it the processor has no 64-bit mode. */
static int set_cpuid(int kvm, int vcpu)
{
    enum { ENTRIES = 256 };
    static union {
        struct kvm_cpuid2 head;
        char room[sizeof(struct kvm_cpuid2) + ENTRIES * sizeof(struct kvm_cpuid_entry2)];
    } cpuid = {.head.nent = ENTRIES};

    if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) < 0 || ioctl(vcpu, KVM_SET_CPUID2, &cpuid) < 0)
        return fail("setting the processor's features");
    return 0;
}

/* A machine with the chips that QEMU, too, leaves to the kernel. */
static int make_machine(int kvm)
{
    struct kvm_pit_config pit = {0};
    int vm = ioctl(kvm, KVM_CREATE_VM, 0);

    if (vm < 0)
        return -fail("KVM_CREATE_VM");
    ioctl(vm, KVM_SET_TSS_ADDR,
          0xfffbd000UL); /* older Intel processors need it; others do not mind */
    if (ioctl(vm, KVM_CREATE_IRQCHIP, 0) < 0 || ioctl(vm, KVM_CREATE_PIT2, &pit) < 0)
        return -fail("making the interrupt controller and the timer");

    uint8_t *memory =
        mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -fail("mmap");
    fill_memory(memory);
    struct kvm_userspace_memory_region region = {.memory_size = MEMORY_SIZE,
                                                 .userspace_addr = (uintptr_t)memory};
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
        return -fail("KVM_SET_USER_MEMORY_REGION");
    return vm;
}

int main(void)
{
    struct sigaction interrupt = {.sa_handler = on_alarm}; /* not SA_RESTART: KVM_RUN returns */
    struct itimerval limit = {.it_value.tv_usec = LIMIT_MS * 1000};
    struct itimerval cpu_limit = {.it_value.tv_usec = CPU_LIMIT_MS * 1000};

    sigaction(SIGALRM, &interrupt, NULL);
    sigaction(SIGPROF, &interrupt, NULL);
    setitimer(ITIMER_REAL, &limit, NULL);
    setitimer(ITIMER_PROF, &cpu_limit, NULL);
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0)
        return fail("opening /dev/kvm");
    if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
        return fail("KVM_GET_API_VERSION");
    int vm = make_machine(kvm);
    if (vm < 0)
        return 1;
    int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (vcpu < 0 || size < (int)sizeof(struct kvm_run))
        return fail("KVM_CREATE_VCPU");
    struct kvm_run *state = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (state == MAP_FAILED)
        return fail("mmap of the vcpu");
    return set_cpuid(kvm, vcpu) || set_registers(vcpu) || run(vcpu, state);
}
#else
int main(void)
{
    fprintf(stderr, "no KVM test is known for this processor\n");
    return 1;
}
#endif
