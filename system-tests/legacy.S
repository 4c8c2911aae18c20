        .section .note.Xen, "a", @note
        .balign 4
        .long 4, 4, 18
        .asciz "Xen"
        .long start
        .section .start, "ax", @progbits
        .globl start
start:  hlt
