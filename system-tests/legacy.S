/* PVH entry, event stubs and run() of the tests that stay out of IA-32e mode. */
        .section .note.Xen, "a", @note
        .balign 4
        .long 4, 4, 18
        .asciz "Xen"
        .long start

        .section .start, "ax", @progbits
        .globl start
start:
        cli
        cld
        movl    $__bss_start, %edi
        movl    $__bss_end, %ecx
        subl    %edi, %ecx
        xorl    %eax, %eax
        rep stosb
        lgdt    gdtr
        ljmp    $0x08, $1f
1:      movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %eax, %fs
        movl    %eax, %gs
        movl    $main_stack_top, %esp
        movl    %cr0, %eax
        andl    $0x9fffffff, %eax
        orl     $0x23, %eax
        movl    %eax, %cr0
        pushl   %ebx
        call    main
        ud2
        .globl gdtr
gdtr:   .word 64 * 8 - 1
        .long gdt

        .text
/* run(struct context *): 8 registers, eip, cs, eflags, esp, ss, ds, es, fs, gs, all 32 bits. */
        .globl run
run:
        pushl   %ebx
        pushl   %ebp
        pushl   %esi
        pushl   %edi
        movl    20(%esp), %edi
        movl    %esp, run_esp
        movb    $1, in_run
        movl    52(%edi), %eax
        movl    56(%edi), %ebx
        movl    60(%edi), %ecx
        movl    64(%edi), %edx
        movl    %ecx, %fs
        movl    %edx, %gs
        movl    40(%edi), %esi          /* cs' RPL decides the frame */
        testl   $3, 36(%edi)
        jz      1f
        pushl   48(%edi)
        pushl   44(%edi)
        jmp     2f
1:      movl    48(%edi), %ecx
        movl    44(%edi), %edx
        movl    %ecx, %ss
        movl    %edx, %esp
2:      pushl   40(%edi)
        pushl   36(%edi)
        pushl   32(%edi)
        movl    %ebx, %es
        pushl   %eax
        movl    0(%edi), %eax
        movl    4(%edi), %ecx
        movl    8(%edi), %edx
        movl    12(%edi), %ebx
        movl    20(%edi), %ebp
        movl    24(%edi), %esi
        movl    28(%edi), %edi
        popl    %ds
        .globl iret_of_run
iret_of_run:
        iretl

        .globl vector_stubs
        .balign 16
vector_stubs:
        .set n, 0
        .rept 256
        .balign 16
        .if !((n == 8) || ((n >= 10) && (n <= 14)) || (n == 17) || (n == 21))
        pushl   $0
        .endif
        pushl   $n
        jmp     event
        .set n, n + 1
        .endr

/* On the stack: vector, error code, eip, cs, eflags, and esp, ss from an outer level. */
event:
        pushl   %ds
        pushl   %es
        pushal
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %ss, %eax
        movl    %eax, trap_ss
        /* The frame may be on a stack with a base, or of 16 bits: read it through SS. */
        movl    %esp, %ebp
        movl    %eax, %ecx
        lsll    %ecx, %edx
        testl   $0xffff0000, %edx
        jnz     1f
        movzwl  %bp, %ebp
1:      movl    $trap, %edi
        movl    $17, %ecx               /* pusha 8, es, ds, vector, error, eip, cs, eflags, esp, ss */
2:      movl    %ss:(%ebp), %eax
        movl    %eax, (%edi)
        addl    $4, %ebp
        addl    $4, %edi
        decl    %ecx
        jnz     2b
        movl    %cr2, %eax
        movl    %eax, trap_cr2
        cmpb    $0, in_run
        je      unexpected
        movb    $0, in_run
        movl    $0x10, %eax
        movl    %eax, %ss
        movl    run_esp, %esp
        movl    %eax, %fs
        movl    %eax, %gs
        pushl   $2
        popfl
        cld
        popl    %edi
        popl    %esi
        popl    %ebp
        popl    %ebx
        ret
unexpected:
        movl    $0x10, %eax
        movl    %eax, %ss
        movl    $main_stack_top, %esp
        call    unexpected_event

        .bss
        .globl trap, trap_cr2, trap_ss
trap:   .fill 17 * 4
trap_cr2: .long 0
trap_ss: .long 0
        .globl in_run
in_run: .long 0
run_esp: .long 0
main_stack: .fill 32768
main_stack_top:
