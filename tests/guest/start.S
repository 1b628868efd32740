/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entry of the test guest by the PVH protocol: 32-bit protected mode, flat segments, paging off,
 * interrupts off, ebx = physical address of the start info.  Sets up a stack, segments of our own
 * (the loader's table may be gone later) and the interrupt gates, then calls guest_main(ebx).
 */
        .section .note.pvh, "a", @note
        .align 4
        .long 4                         /* name size */
        .long 4                         /* descriptor size */
        .long 18                        /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz "Xen"
        .long start

        .text
        .code32
        .global start
start:
        cli
        cld
        movl $stack_top, %esp
        lgdt gdt_pointer
        ljmp $8, $1f
1:      movw $16, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movw %ax, %fs
        movw %ax, %gs
        pushl %ebx
        call guest_main
2:      cli
        hlt
        jmp 2b

/* The timer: one more beat, and an end of interrupt to the first controller. */
        .global timer_gate
timer_gate:
        incl timer_beats
        pushl %eax
        movb $0x20, %al
        outb %al, $0x20
        popl %eax
        iret

/* Anything else that the controllers may raise by mistake. */
        .global stray_gate
stray_gate:
        pushl %eax
        movb $0x20, %al
        outb %al, $0xa0
        outb %al, $0x20
        popl %eax
        iret

/* A fault of the processor means that our own code or data went bad on the way. */
        .global fault_gate
fault_gate:
        call guest_fault
        jmp 2b

        .section .data
        .align 8
gdt:    .quad 0
        .quad 0x00cf9a000000ffff
        .quad 0x00cf92000000ffff
gdt_pointer:
        .word . - gdt - 1
        .long gdt

        .section .bss
        .align 16
        .skip 16384
stack_top:
        .section .note.GNU-stack, "", @progbits
