/*
 * PVH entry: from 32-bit flat protected mode with paging off to 64-bit C in the upper half.
 *
 * Specs: Xen docs/misc/pvh.pandoc (entry state: EBX = hvm_start_info, CR0.PE only, flat segments);
 *        Intel SDM 3A section 10.8.5 (initializing IA-32e mode).
 * Missing on purpose: any other boot protocol (multiboot, Linux bzImage).
 */
#define KERNBASE 0xffffffff80000000
#define XEN_ELFNOTE_PHYS32_ENTRY 18

#define CR0_MP 0x00000002
#define CR0_NE 0x00000020
#define CR0_WP 0x00010000
#define CR0_PG 0x80000000
#define CR4_PAE 0x00000020
#define MSR_EFER 0xc0000080
#define EFER_LME_BIT 8
#define EFER_NXE_BIT 11
#define CPUID_LM_BIT 29
#define CPUID_NX_BIT 20

#define PTE_P 0x01
#define PTE_W 0x02
#define PTE_PS 0x80

        .section .note.Xen, "a", @note
        .balign 4
        .long 4                 /* name size: "Xen\0" */
        .long 8                 /* descriptor size */
        .long XEN_ELFNOTE_PHYS32_ENTRY
        .asciz "Xen"
        .quad start_pvh

        .section .boot, "ax", @progbits
        .code32

        .globl start_pvh
        .type start_pvh, @function
start_pvh:
        cld
        cli
        movl    %ebx, %esi                      /* CPUID overwrites EBX */
        movl    $boot_stack_top, %esp
        call    check_long_mode
        call    clear_bss
        call    make_boot_page_tables
        call    enter_long_mode                 /* comes back in 64-bit compatible state: see there */
        ljmp    $0x08, $start_long_mode
        .size start_pvh, . - start_pvh

        .type check_long_mode, @function
check_long_mode:                                /* EDI = CPUID.80000001h:EDX */
        movl    $0x80000000, %eax
        cpuid
        cmpl    $0x80000001, %eax
        jb      1f
        movl    $0x80000001, %eax
        cpuid
        movl    %edx, %ebp
        btl     $CPUID_LM_BIT, %edx
        jnc     1f
        ret
1:      movl    $no_long_mode, %ebx             /* a sentence on com0, then stop */
2:      movb    (%ebx), %al
        testb   %al, %al
        jz      3f
        movl    $0x3f8, %edx
        outb    %al, %dx
        incl    %ebx
        jmp     2b
3:      hlt
        jmp     3b
        .size check_long_mode, . - check_long_mode

        .type clear_bss, @function
clear_bss:
        movl    $(__bss_start - KERNBASE), %edi
        movl    $(__bss_end - KERNBASE), %ecx
        subl    %edi, %ecx
        shrl    $2, %ecx
        xorl    %eax, %eax
        rep stosl
        ret
        .size clear_bss, . - clear_bss

/* The first GiB in 2 MiB pages, both at 0 and at KERNBASE: one directory serves both. */
        .type make_boot_page_tables, @function
make_boot_page_tables:
        movl    $(boot_pd - KERNBASE), %edi
        movl    $(PTE_P | PTE_W | PTE_PS), %eax
        movl    $512, %ecx
1:      movl    %eax, (%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        decl    %ecx
        jnz     1b
        movl    $(boot_pd - KERNBASE + PTE_P + PTE_W), %eax
        movl    %eax, (boot_pdpt - KERNBASE)
        movl    %eax, (boot_pdpt - KERNBASE + 510 * 8)
        movl    $(boot_pdpt - KERNBASE + PTE_P + PTE_W), %eax
        movl    %eax, (boot_pml4 - KERNBASE)
        movl    %eax, (boot_pml4 - KERNBASE + 511 * 8)
        ret
        .size make_boot_page_tables, . - make_boot_page_tables

/* SDM 3A 10.8.5: CR4.PAE, CR3, EFER.LME, CR0.PG. Runs on in compatibility mode until the far jump. */
        .type enter_long_mode, @function
enter_long_mode:
        movl    $CR4_PAE, %eax
        movl    %eax, %cr4
        movl    $(boot_pml4 - KERNBASE), %eax
        movl    %eax, %cr3
        movl    $MSR_EFER, %ecx
        rdmsr
        btsl    $EFER_LME_BIT, %eax
        btl     $CPUID_NX_BIT, %ebp
        jnc     1f
        btsl    $EFER_NXE_BIT, %eax
1:      wrmsr
        movl    %cr0, %eax
        orl     $(CR0_PG | CR0_WP | CR0_NE | CR0_MP), %eax
        movl    %eax, %cr0
        lgdt    boot_gdtr
        ret
        .size enter_long_mode, . - enter_long_mode

        .code64
        .type start_long_mode, @function
start_long_mode:
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        movq    $start_high, %rax
        jmp     *%rax
        .size start_long_mode, . - start_long_mode

        .balign 8
boot_gdt:
        .quad 0
        .quad 0x00af9b000000ffff                /* 0x08: 64-bit code */
        .quad 0x00cf93000000ffff                /* 0x10: data */
boot_gdtr:
        .word . - boot_gdt - 1
        .long boot_gdt
no_long_mode:
        .asciz "playground: this processor has no long mode\r\n"
        .balign 8
        .fill 64, 1, 0
boot_stack_top:

        .text
        .type start_high, @function
start_high:
        movq    $kernel_stack_top, %rsp
        xorl    %ebp, %ebp                      /* ends the stack trace */
        movl    %esi, %edi                      /* hvm_start_info */
        call    init_x86_64
        call    main
1:      cli
        hlt
        jmp     1b
        .size start_high, . - start_high

        .bss
        .balign 4096
boot_pml4: .fill 4096
boot_pdpt: .fill 4096
boot_pd: .fill 4096
        .globl kernel_stack, kernel_stack_top
kernel_stack: .fill 16384
kernel_stack_top:
