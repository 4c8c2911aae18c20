/* PVH entry into 64-bit mode, event stubs, and run(). SDM 3A 10.8.5, 6.14; Xen docs/misc/pvh.pandoc. */
        .section .note.Xen, "a", @note
        .balign 4
        .long 4, 8, 18
        .asciz "Xen"
        .quad start

        .section .start, "ax", @progbits
        .code32
        .globl start
start:
        cli
        cld
        movl    %ebx, %ebp
        movl    $__bss_start, %edi
        movl    $__bss_end, %ecx
        subl    %edi, %ecx
        xorl    %eax, %eax
        rep stosb
        /* 0-1 GiB supervisor, 1-2 GiB the same for user, 3-4 GiB as it is for the APICs. */
        movl    $pd_kernel, %edi
        movl    $0x83, %eax
        movl    $512, %ecx
1:      movl    %eax, (%edi)
        movl    %eax, (pd_user - pd_kernel)(%edi)
        orl     $4, (pd_user - pd_kernel)(%edi)
        leal    0xc0000000(%eax), %edx
        movl    %edx, (pd_devices - pd_kernel)(%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        decl    %ecx
        jnz     1b
        movl    $(pd_kernel + 7), low_pdpt
        movl    $(pd_user + 7), low_pdpt + 8
        movl    $(pd_devices + 7), low_pdpt + 24
        movl    $(low_pdpt + 7), pml4
        movl    $0x20, %eax             /* PAE */
        movl    %eax, %cr4
        movl    $pml4, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx
        rdmsr
        orl     $0x901, %eax            /* NXE LME SCE */
        wrmsr
        movl    %cr0, %eax
        andl    $0x9fffffff, %eax       /* CD, NW off */
        orl     $0x80010023, %eax       /* PG WP NE MP PE */
        movl    %eax, %cr0
        lgdt    gdtr
        ljmp    $0x08, $1f
        .code64
1:      movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        movl    $main_stack_top, %esp
        movl    %ebp, %edi
        call    main
        ud2

        .globl gdtr
gdtr:   .word 64 * 8 - 1
        .quad gdt

        .text
        .globl run
run:
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, run_rsp(%rip)
        movb    $1, in_run(%rip)
        movw    168(%rdi), %ds
        movw    170(%rdi), %es
        movw    172(%rdi), %fs
        movw    174(%rdi), %gs
        pushq   160(%rdi)
        pushq   152(%rdi)
        pushq   144(%rdi)
        pushq   136(%rdi)
        pushq   128(%rdi)
        movq    0(%rdi), %rax
        movq    8(%rdi), %rcx
        movq    16(%rdi), %rdx
        movq    24(%rdi), %rbx
        movq    40(%rdi), %rbp
        movq    48(%rdi), %rsi
        movq    64(%rdi), %r8
        movq    72(%rdi), %r9
        movq    80(%rdi), %r10
        movq    88(%rdi), %r11
        movq    96(%rdi), %r12
        movq    104(%rdi), %r13
        movq    112(%rdi), %r14
        movq    120(%rdi), %r15
        movq    56(%rdi), %rdi
        .globl  iretq_of_run
iretq_of_run:
        iretq

        .globl vector_stubs
        .balign 16
vector_stubs:
        .set n, 0
        .rept 256
        .balign 16
        .if !((n == 8) || ((n >= 10) && (n <= 14)) || (n == 17) || (n == 21))
        pushq   $0
        .endif
        pushq   $n
        jmp     event
        .set n, n + 1
        .endr

event:
        movq    %rax, trap+0(%rip)
        movq    %rcx, trap+8(%rip)
        movq    %rdx, trap+16(%rip)
        movq    %rbx, trap+24(%rip)
        movq    %rbp, trap+40(%rip)
        movq    %rsi, trap+48(%rip)
        movq    %rdi, trap+56(%rip)
        movq    %r8, trap+64(%rip)
        movq    %r9, trap+72(%rip)
        movq    %r10, trap+80(%rip)
        movq    %r11, trap+88(%rip)
        movq    %r12, trap+96(%rip)
        movq    %r13, trap+104(%rip)
        movq    %r14, trap+112(%rip)
        movq    %r15, trap+120(%rip)
        popq    trap+128(%rip)          /* vector */
        popq    trap+136(%rip)          /* error code */
        movq    %rsp, trap+192(%rip)
        movq    0(%rsp), %rax
        movq    %rax, trap+144(%rip)
        movq    8(%rsp), %rax
        movq    %rax, trap+152(%rip)
        movq    16(%rsp), %rax
        movq    %rax, trap+160(%rip)
        movq    24(%rsp), %rax
        movq    %rax, trap+168(%rip)
        movq    %rax, trap+32(%rip)
        movq    32(%rsp), %rax
        movq    %rax, trap+176(%rip)
        movq    %cr2, %rax
        movq    %rax, trap+184(%rip)
        cld
        movq    hook(%rip), %rax
        testq   %rax, %rax
        jz      1f
        movq    %rsp, %rbx
        andq    $-16, %rsp
        call    *%rax
        movq    %rbx, %rsp
        testl   %eax, %eax
        jnz     2f
1:      cmpb    $0, in_run(%rip)
        je      unexpected
        movb    $0, in_run(%rip)
        movq    run_rsp(%rip), %rsp
        pushq   $2
        popfq
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        ret
2:      movq    trap+144(%rip), %rax
        movq    %rax, 0(%rsp)
        movq    trap+160(%rip), %rax
        movq    %rax, 16(%rsp)
        movq    trap+168(%rip), %rax
        movq    %rax, 24(%rsp)
        movq    trap+0(%rip), %rax
        movq    trap+8(%rip), %rcx
        movq    trap+16(%rip), %rdx
        movq    trap+24(%rip), %rbx
        movq    trap+40(%rip), %rbp
        movq    trap+48(%rip), %rsi
        movq    trap+56(%rip), %rdi
        movq    trap+64(%rip), %r8
        movq    trap+72(%rip), %r9
        movq    trap+80(%rip), %r10
        movq    trap+88(%rip), %r11
        movq    trap+96(%rip), %r12
        movq    trap+104(%rip), %r13
        movq    trap+112(%rip), %r14
        movq    trap+120(%rip), %r15
        iretq

unexpected:
        movl    $main_stack_top, %esp
        call    unexpected_event

        .bss
        .balign 4096
        .globl pml4, window_pdpt, window_pd, window_pt, low_pdpt, pd_kernel, pd_user
pml4:   .fill 4096
low_pdpt: .fill 4096
pd_kernel: .fill 4096
pd_user: .fill 4096
pd_devices: .fill 4096
window_pdpt: .fill 4096
window_pd: .fill 4096
window_pt: .fill 4096
        .globl user_stack, test_stack, ist_stack, in_run
user_stack: .fill 4096
test_stack: .fill 4096
ist_stack: .fill 8192
main_stack: .fill 32768
main_stack_top:
run_rsp: .quad 0
in_run: .quad 0
