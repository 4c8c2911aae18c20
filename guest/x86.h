/*
 * The instructions C has no words for, and the architecture's constants under the manual's names.
 * Specs: Intel SDM vol. 2 (instructions), 3A chapter 2 (control registers), vol. 4 (MSRs).
 */
#pragma once
#include "kernel.h"

#define CR0_TS (1UL << 3)
#define CR0_WP (1UL << 16)
#define CR4_PGE (1UL << 7)
#define CR4_OSFXSR (1UL << 9)
#define CR4_OSXMMEXCPT (1UL << 10)

#define MSR_APIC_BASE 0x1b
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_CSTAR 0xc0000083
#define MSR_SFMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define EFER_SCE (1UL << 0)
#define EFER_LMA (1UL << 10)
#define EFER_NXE (1UL << 11)
#define APIC_BASE_ENABLE (1UL << 11)

#define RFLAGS_TF (1UL << 8)
#define RFLAGS_IF (1UL << 9)
#define RFLAGS_DF (1UL << 10)

enum { VEC_DE = 0, VEC_DB = 1, VEC_NMI = 2, VEC_BP = 3, VEC_UD = 6, VEC_NM = 7, VEC_DF = 8, VEC_GP = 13, VEC_PF = 14 };

/* SDM 3A section 4.7: page-fault error code. */
#define PFEC_P 0x01
#define PFEC_W 0x02
#define PFEC_U 0x04
#define PFEC_RSVD 0x08
#define PFEC_I 0x10

static inline void outb(u16 port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static inline void outw(u16 port, u16 value) { __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port)); }
static inline u8 inb(u16 port) {
  u8 value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline void insb(u16 port, void *to, u64 count) {
  __asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static inline void cpuid(u32 leaf, u32 subleaf, u32 out[4]) {
  __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(subleaf));
}
static inline u64 rdtsc(void) {
  u32 low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
  return (u64)high << 32 | low;
}
static inline u64 rdmsr(u32 msr) {
  u32 low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
  return (u64)high << 32 | low;
}
static inline void wrmsr(u32 msr, u64 value) {
  __asm__ volatile("wrmsr" ::"c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

#define CONTROL_REGISTER(name)                                            \
  static inline u64 r##name(void) {                                       \
    u64 value;                                                            \
    __asm__ volatile("movq %%" #name ", %0" : "=r"(value)::"memory");     \
    return value;                                                         \
  }                                                                       \
  static inline void l##name(u64 value) { __asm__ volatile("movq %0, %%" #name ::"r"(value) : "memory"); }
CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr2)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)

static inline void invlpg(u64 va) { __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory"); }
static inline void cli(void) { __asm__ volatile("cli" ::: "memory"); }
static inline void sti(void) { __asm__ volatile("sti" ::: "memory"); }
/* STI holds interrupts off for one more instruction, so no wake-up is lost between the two (SDM 2B, STI). */
static inline void sti_hlt_cli(void) { __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory"); }
static inline u64 interrupts_save(void) {
  u64 rflags;
  __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(rflags)::"memory");
  return rflags;
}
static inline void interrupts_restore(u64 rflags) {
  if (rflags & RFLAGS_IF) sti();
}

static inline u32 mmio_read32(u64 address) {
  u32 value;
  __asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(address) : "memory");
  return value;
}
static inline void mmio_write32(u64 address, u32 value) {
  __asm__ volatile("movl %0, (%1)" ::"r"(value), "r"(address) : "memory");
}
static inline u8 mmio_read8(u64 address) {
  u8 value;
  __asm__ volatile("movb (%1), %0" : "=q"(value) : "r"(address) : "memory");
  return value;
}
static inline u16 mmio_read16(u64 address) {
  u16 value;
  __asm__ volatile("movw (%1), %0" : "=r"(value) : "r"(address) : "memory");
  return value;
}
static inline void mmio_write8(u64 address, u8 value) {
  __asm__ volatile("movb %0, (%1)" ::"q"(value), "r"(address) : "memory");
}
