/*
 * Tests that run in IA-32e mode. A test runs a snippet (position-independent code ending in INT 0x80) in a context: any
 * CPL, any code segment, any registers and flags. Whatever event ends it is caught, with all that was pushed and all
 * registers, on the interrupt stack IST1.
 *
 * Linear memory: 0-1 GiB maps RAM for the supervisor, USER_ALIAS the same RAM for user mode; WINDOW is the tests' own.
 */
#pragma once
#include "runtime.h"

#define USER_ALIAS 0x40000000ull
#define WINDOW 0x8000000000ull

#define KCODE 0x08
#define KDATA 0x10
#define UCODE32 0x1b
#define UDATA 0x23
#define UCODE 0x2b
#define KCODE32 0x30
#define KCODE16 0x38
#define UCODE16 0x43
#define TSS_SELECTOR 0x48
/* Free for tests, 0x60 on. */
#define FREE_SELECTOR 0x60
#define GDT_ENTRIES 64

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

struct context {
  u64 r[16];
  u64 rip, cs, rflags, rsp, ss;
  u16 ds, es, fs, gs;
};
struct trap {
  u64 r[16];
  u64 vector, error, rip, cs, rflags, rsp, ss, cr2;
  u64 frame; /* address of the pushed SS:RSP frame's lowest word, the error code excluded */
};
extern struct trap trap;
/* Called at every event while a snippet runs; nonzero: go on with what it left in `trap`. */
extern int (*hook)(void);
extern u64 gdt[GDT_ENTRIES];
struct gate { u64 low, high; };
extern struct gate idt[256];
extern u64 vector_stubs[];
struct tss { u32 reserved; u64 rsp[3]; u64 reserved2; u64 ist[7]; u32 r3, r4; u16 r5, iomap; u8 bitmap[8193]; } __attribute__((packed));
extern struct tss tss;
extern u8 user_stack[], test_stack[], ist_stack[];
#define STACK_BYTES 4096
extern const char iretq_of_run[];

/* Runs until an event that no hook continues. */
void run(struct context *);
/* The snippet's code at CPL 0 or 3, with an empty stack, rflags = 2. */
struct context kernel(const char *code);
struct context user(const char *code);
/* In compatibility mode. */
struct context user32(const char *code);
struct context kernel32(const char *code);
/* Prints "name " and the event: vector and error code, where RIP is in the code, CR2 for #PF; RAX after "ok". */
void report(const char *name, struct context *);
/* Runs and reports. */
void check(const char *name, struct context);
/* Runs; only the vector. */
u32 vector_of(struct context);

#define SNIPPET(name, text)                                                                            \
  __asm__(".pushsection .snippets, \"ax\"\n .balign 64\n" #name ":\n" text          \
          "\n .code64\n int $0x80\n .popsection");                                                     \
  extern const char name[];

void set_gate(u32 vector, u64 handler, u16 selector, u32 type, u32 dpl, u32 ist);
void reset_gate(u32 vector);
void set_descriptor(u16 selector, u32 base, u32 limit, u32 attributes);

static inline u64 rdmsr(u32 i) {
  u32 a, d;
  __asm__ volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(i));
  return (u64)d << 32 | a;
}
static inline void wrmsr(u32 i, u64 v) { __asm__ volatile("wrmsr" ::"c"(i), "a"((u32)v), "d"((u32)(v >> 32)) : "memory"); }
#define CR(n)                                                                                          \
  static inline u64 rcr##n(void) {                                                                     \
    u64 v;                                                                                             \
    __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));                                                  \
    return v;                                                                                          \
  }                                                                                                    \
  static inline void lcr##n(u64 v) { __asm__ volatile("mov %0, %%cr" #n ::"r"(v) : "memory"); }
CR(0) CR(2) CR(3) CR(4) CR(8)
#define DR(n)                                                                                          \
  static inline u64 rdr##n(void) {                                                                     \
    u64 v;                                                                                             \
    __asm__ volatile("mov %%dr" #n ", %0" : "=r"(v));                                                  \
    return v;                                                                                          \
  }                                                                                                    \
  static inline void ldr##n(u64 v) { __asm__ volatile("mov %0, %%dr" #n ::"r"(v) : "memory"); }
DR(0) DR(1) DR(2) DR(3) DR(6) DR(7)
static inline void invlpg(u64 a) { __asm__ volatile("invlpg (%0)" ::"r"(a) : "memory"); }
static inline void cpuid(u32 leaf, u32 sub, u32 r[4]) {
  __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}

/* The window's tables, each a page: pml4[1] -> window_pdpt[0] -> window_pd[0] -> window_pt[]. */
extern u64 pml4[512], window_pdpt[512], window_pd[512], window_pt[512];
/* Pages of RAM for the window; 2 MiB aligned, 4 MiB long. */
extern u8 pool[];
#define PTE_P 1ull
#define PTE_W 2ull
#define PTE_U 4ull
#define PTE_A 0x20ull
#define PTE_D 0x40ull
#define PTE_PS 0x80ull
#define PTE_G 0x100ull
#define PTE_NX (1ull << 63)
/* The window's tables as they are at boot: present, writable, user; page n of the window is page n of the pool. */
void reset_window(void);

void triple_null_idt(void), triple_df_gate(void), ltr_null_tests(void), lgdt_tests(void), ltr_upper_tests(void), paging_tests(void), segment_tests(void), event_tests(void), return_tests(void), syscall_tests(void);
void debug_tests(void), register_tests(void), instruction_tests(void), fpu_tests(void), interrupt_tests(void);
void cr0_tests(void);
