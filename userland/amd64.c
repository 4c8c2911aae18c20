/*
 * Where the program starts and where signal handlers end, on NetBSD/amd64.
 */
#include "lib.h"

/* rsp points at argc. */
__asm__(".globl _start\n"
        "_start:\n"
        "\tmovq %rsp, %rdi\n"
        "\txorl %ebp, %ebp\n"
        "\tandq $-16, %rsp\n"
        "\tcall start\n"
        "\tud2\n");

/* The kernel left the ucontext's address in r15; setcontext(2) is number 308. */
__asm__(".globl signal_return\n"
        "signal_return:\n"
        "\tmovq %r15, %rdi\n"
        "\tmovl $308, %eax\n"
        "\tsyscall\n"
        "\tud2\n");
