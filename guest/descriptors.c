/*
 * GDT, TSS with interrupt stacks, IDT, and the SYSCALL registers.
 * Specs: SDM 3A sections 3.4.5 (segment descriptors), 6.14.5 (IST), 7.7 (64-bit TSS); AMD APM vol. 2 section 6.1.1.
 */
#include "x86.h"

/* SYSRET takes SS = STAR[63:48] + 8 and CS = STAR[63:48] + 16: hence user data before user code. */
enum { KERNEL_CODE = 0x08, KERNEL_DATA = 0x10, SYSRET_BASE = 0x18, USER_DATA = 0x20, USER_CODE = 0x28, TSS = 0x30 };

struct tss {
  u32 reserved0;
  u64 rsp[3];
  u64 reserved1;
  u64 ist[7];
  u64 reserved2;
  u16 reserved3, iomap_base;
} PACKED;

struct gate {
  u16 offset_low, selector;
  u8 ist, type;
  u16 offset_middle;
  u32 offset_high, reserved;
} PACKED;

struct descriptor_register {
  u16 limit;
  u64 base;
} PACKED;

#define GATE_INTERRUPT 0x8e
#define GATE_DPL3 0x60
#define IST_STACK_SIZE 4096

extern u8 interrupt_vectors[], syscall_entry[];
struct cpu_local cpu_local;
static u64 gdt[8] ALIGNED(16);
static struct tss tss ALIGNED(16);
static struct gate idt[256] ALIGNED(16);
static u8 ist_stacks[2][IST_STACK_SIZE] ALIGNED(16);
static u8 user_trap_stack[8192] ALIGNED(16);

static NOINLINE void gdt_init(void) {
  u64 base = (u64)&tss, limit = sizeof tss - 1;
  gdt[KERNEL_CODE / 8] = 0x00af9b000000ffff;
  gdt[KERNEL_DATA / 8] = 0x00cf93000000ffff;
  gdt[USER_DATA / 8] = 0x00cff3000000ffff;
  gdt[USER_CODE / 8] = 0x00affb000000ffff;
  gdt[TSS / 8] = limit | (base & 0xffffff) << 16 | 0x89UL << 40 | (base >> 24 & 255) << 56;
  gdt[TSS / 8 + 1] = base >> 32;
  tss.rsp[0] = (u64)user_trap_stack + sizeof user_trap_stack;
  for (int i = 0; i < 2; i++) tss.ist[i] = (u64)ist_stacks[i] + IST_STACK_SIZE;
  tss.iomap_base = sizeof tss;
  struct descriptor_register gdtr = {sizeof gdt - 1, (u64)gdt};
  __asm__ volatile(
      "lgdt %0\n\t"
      "pushq %1\n\t"
      "leaq 1f(%%rip), %%rax\n\t"
      "pushq %%rax\n\t"
      "lretq\n"
      "1: movl %2, %%eax\n\t"
      "movl %%eax, %%ds\n\t"
      "movl %%eax, %%es\n\t"
      "movl %%eax, %%ss\n\t"
      "movl %3, %%eax\n\t"
      "ltr %%ax" ::"m"(gdtr),
      "i"(KERNEL_CODE), "i"(KERNEL_DATA), "i"(TSS)
      : "rax", "memory");
}

static NOINLINE void idt_init(void) {
  for (u64 i = 0; i < 256; i++) {
    u64 entry = (u64)interrupt_vectors + 16 * i;
    idt[i] = (struct gate){(u16)entry, KERNEL_CODE, 0, GATE_INTERRUPT, (u16)(entry >> 16), (u32)(entry >> 32), 0};
  }
  idt[VEC_BP].type |= GATE_DPL3;
  idt[0x80].type |= GATE_DPL3;
  idt[VEC_DF].ist = 1;
  idt[VEC_NMI].ist = 2;
  struct descriptor_register idtr = {sizeof idt - 1, (u64)idt};
  __asm__ volatile("lidt %0" ::"m"(idtr) : "memory");
}

static NOINLINE void syscall_init(void) {
  cpu_local.kernel_rsp = tss.rsp[0];
  wrmsr(MSR_GS_BASE, (u64)&cpu_local);
  wrmsr(MSR_KERNEL_GS_BASE, 0);
  wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
  wrmsr(MSR_STAR, (u64)SYSRET_BASE << 48 | (u64)KERNEL_CODE << 32);
  wrmsr(MSR_LSTAR, (u64)syscall_entry);
  wrmsr(MSR_SFMASK, RFLAGS_IF | RFLAGS_DF | RFLAGS_TF);
}

NOINLINE void descriptors_init(void) {
  gdt_init();
  idt_init();
  syscall_init();
}

void idt_set_ist(int vector, int ist) { idt[vector].ist = (u8)ist; }

bool on_ist_stack(u64 rsp, int ist) {
  u64 stack = (u64)ist_stacks[ist - 1];
  return rsp >= stack && rsp < stack + IST_STACK_SIZE;
}

/* An empty IDT and any exception: #GP, then #DF, then shutdown (SDM 3A section 6.15, interrupt 8). */
void triple_fault(void) {
  struct descriptor_register nothing = {0, 0};
  __asm__ volatile("lidt %0\n\tint3" ::"m"(nothing));
  halt_forever();
}
