/*
 * 2048 different functions and a driver that calls each once, position-independent so that bench_cold can copy them.
 * RDI = value in, RAX = value out. Inner labels are local: 2048 symbols would be larger than the code.
 */
        .altmacro

        .macro cold_call n
        call    .Lcold\n
        .endm

        .macro cold_function n, k
.Lcold\n:
        .if     (\k % 8) == 0
        leaq    \n(%rax,%rax,2), %rax
        rolq    $(\k % 61 + 1), %rax
        .elseif (\k % 8) == 1
        imulq   $(\k * 2 + 3), %rax, %rax
        btq     $(\k % 63), %rax
        adcq    $\n, %rax
        .elseif (\k % 8) == 2
        movq    %rax, %rdx
        shrq    $(\k % 37 + 3), %rdx
        xorq    %rdx, %rax
        .elseif (\k % 8) == 3
        movl    %eax, %edx
        andl    $(\k * 77 + 1), %edx
        addq    %rdx, %rax
        .elseif (\k % 8) == 4
        pushq   %rax
        xorl    $\n, (%rsp)
        popq    %rax
        .elseif (\k % 8) == 5
        bswapq  %rax
        subq    $(\k * 13), %rax
        .elseif (\k % 8) == 6
        movzwl  %ax, %edx
        leaq    (%rax,%rdx,4), %rax
        notq    %rax
        .else
        testl   $(1 << (\k % 31)), %eax
        cmovnzq %rdi, %rax
        incq    %rax
        .endif
        cmpb    $(\k % 128), %al
        jb      1f
        addq    $(\k * 3 + 129), %rax
1:      xorq    %rax, %rdi
        ret
        .endm

        .text
        .globl bench_cold_block, bench_cold_block_end
        .type bench_cold_block, @function
        .balign 16
bench_cold_block:
        movq    %rdi, %rax
        .set    i, 0
        .rept   2048
        cold_call %i
        .set    i, i + 1
        .endr
        ret
        .set    i, 0
        .rept   2048
        cold_function %i, %((i * 2654435761) >> 7 & 0xffff)
        .set    i, i + 1
        .endr
bench_cold_block_end:
        .size bench_cold_block, . - bench_cold_block
