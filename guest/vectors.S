/*
 * The ways into the kernel: 256 interrupt vectors, SYSCALL, and the way out to ring 3.
 * Specs: SDM 3A section 6.14 (64-bit interrupt stack frame), 5.8.8 (SYSCALL/SYSRET); AMD APM vol. 2 section 6.1.
 */
#define USER_DATA 0x23
#define USER_CODE 0x2b
#define LOCAL_USER_RSP 0
#define LOCAL_KERNEL_RSP 8
#define LOCAL_USER_RETURN 16

        .text
        .macro save_registers
        pushq   %rax
        pushq   %rbx
        pushq   %rcx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %rbp
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        .endm
        .macro restore_registers
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rbp
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rcx
        popq    %rbx
        popq    %rax
        .endm

/* 16 bytes each. Vectors for which the processor pushes no error code push 0 (SDM 3A table 6-1). */
        .globl interrupt_vectors
        .type interrupt_vectors, @function
        .balign 16
interrupt_vectors:
        .set    n, 0
        .rept   256
        .balign 16
        .if     !((n == 8) || ((n >= 10) && (n <= 14)) || (n == 17) || (n == 21))
        pushq   $0
        .endif
        pushq   $n
        jmp     interrupt_entry
        .set    n, n + 1
        .endr
        .size interrupt_vectors, . - interrupt_vectors

        .type interrupt_entry, @function
interrupt_entry:
        testb   $3, 24(%rsp)            /* CS.RPL: from user mode, GS is the user's */
        jz      1f
        swapgs
1:      save_registers
        cld
        movq    %rsp, %rdi
        call    interrupt
        restore_registers
        testb   $3, 24(%rsp)
        jz      2f
        swapgs
2:      addq    $16, %rsp               /* vector, error code */
        iretq
        .size interrupt_entry, . - interrupt_entry

/* RCX = return address, R11 = rflags; SFMASK has cleared IF, DF and TF. */
        .globl syscall_entry
        .type syscall_entry, @function
syscall_entry:
        swapgs
        movq    %rsp, %gs:LOCAL_USER_RSP
        movq    %gs:LOCAL_KERNEL_RSP, %rsp
        pushq   $USER_DATA
        pushq   %gs:LOCAL_USER_RSP
        pushq   %r11
        pushq   $USER_CODE
        pushq   %rcx
        pushq   $0
        pushq   $0x100                  /* not an interrupt vector: SYSCALL */
        save_registers
        movq    %rsp, %rdi
        call    syscall
        restore_registers
        addq    $16, %rsp
        popq    %rcx
        addq    $8, %rsp
        popq    %r11
        popq    %rsp                    /* interrupts are off until SYSRET loads R11 */
        swapgs
        sysretq
        .size syscall_entry, . - syscall_entry

/* u64 user_run(u64 entry, u64 stack): enters ring 3 by IRETQ; user_exit(code) makes this call return the code. */
        .globl user_run
        .type user_run, @function
user_run:
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        pushfq
        cli
        movq    %rsp, %gs:LOCAL_USER_RETURN
        pushq   $USER_DATA
        pushq   %rsi
        pushq   $0x202
        pushq   $USER_CODE
        pushq   %rdi
        xorl    %eax, %eax
        xorl    %ebx, %ebx
        xorl    %ebp, %ebp
        swapgs
        iretq
        .size user_run, . - user_run

        .globl user_exit
        .type user_exit, @function
user_exit:
        cli
        movq    %gs:LOCAL_USER_RETURN, %rsp
        movq    %rdi, %rax
        popfq
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        ret
        .size user_exit, . - user_exit
