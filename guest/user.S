/*
 * The ring 3 programs of the self-tests, copied to a page at 0x400000: position-independent, three entry points.
 * System calls: RAX = 1 write(RDI = text, RSI = size), 2 exit(RDI = code), 3 add(RDI, RSI). SYSCALL clobbers RCX, R11.
 */
        .section .rodata
        .globl user_program, user_program_end, user_calls, user_faults, user_privileged
        .balign 16
user_program:
user_calls:
        movl    $0x5a5a, %ebx
        movl    $3, %eax
        movl    $40, %edi
        movl    $2, %esi
        syscall
after_syscall:
        leaq    after_syscall(%rip), %rdx
        cmpq    %rdx, %rcx              /* SYSCALL leaves the return address in RCX */
        jne     1f
        cmpq    $42, %rax
        jne     1f
        cmpl    $0x5a5a, %ebx
        jne     1f
        movl    $1, %eax
        leaq    text(%rip), %rdi
        movl    $(text_end - text), %esi
        int     $0x80
        cmpq    $(text_end - text), %rax
        jne     1f
        pushq   $7                      /* the user stack works */
        popq    %rdi
        movw    %cs, %ax
        andl    $3, %eax
        cmpl    $3, %eax
        jne     1f
        movl    $2, %eax
        syscall
1:      movl    $2, %eax
        movl    $1, %edi
        int     $0x80

/* Reads RDI's default target: kernel memory. The kernel ends the program with the fault. */
user_faults:
        movq    $0xffff800000100000, %rax
        movq    (%rax), %rax
        jmp     1b

user_privileged:
        cli
        jmp     1b

text:   .ascii "hello from ring 3\n"
text_end:
user_program_end:
