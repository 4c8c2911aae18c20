/* What the guest's files share: types, memory, console, interrupts, time. One section per file that defines it. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef signed int s32;
typedef signed long s64;
typedef u64 size_t;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

#define NOINLINE __attribute__((noinline))
#define NORETURN __attribute__((noreturn))
#define PACKED __attribute__((packed))
#define ALIGNED(n) __attribute__((aligned(n)))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define KiB 1024UL
#define MiB (1024UL * KiB)

/* text.c */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);
bool parse_number(const char **at, u64 *value);
void printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int snprintf(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
void hexdump(const void *data, size_t size, u64 offset);

/* console.c */
void console_init(void);
void console_write(const char *text, size_t size);
void console_receive(u8 byte);
int console_getc(void);
bool console_has_input(void);
void console_use_virtio(void);
void console_use_com0(void);
bool console_is_virtio(void);
bool console_interrupted(void);

/* serial.c: com0 */
bool serial_init(void);
void serial_attach(void);
void serial_write(const char *text, size_t size);

/* pvh.c */
struct module {
  u64 paddr, size;
  char cmdline[64];
};
struct memory_range {
  u64 addr, size;
  u32 type;
};
#define MEMMAP_MAX 32
extern struct memory_range memmap[MEMMAP_MAX];
extern u32 memmap_entries;
extern char cmdline[4096];
void pvh_init(u64 start_info_paddr);
void pvh_print(void);
void memmap_print(void);
/* The value of `name=value` on the command line; `after` continues a search. NULL when there is none. */
const char *cmdline_option(const char *name, const char *after);
bool cmdline_is(const char *name, const char *value);

/* paging.c */
#define KERNBASE 0xffffffff80000000UL
#define DIRECT_MAP 0xffff800000000000UL
#define TEST_VA 0xffffc00000000000UL
#define PAGE 4096UL
#define LARGE_PAGE (2 * MiB)
#define PTE_P 0x001UL
#define PTE_W 0x002UL
#define PTE_U 0x004UL
#define PTE_PCD 0x010UL
#define PTE_A 0x020UL
#define PTE_D 0x040UL
#define PTE_PS 0x080UL
#define PTE_G 0x100UL
#define PTE_ADDRESS 0x000ffffffffff000UL
extern u64 pte_nx;
static inline void *physical(u64 paddr) { return (void *)(DIRECT_MAP + paddr); }
u64 vtophys(const void *va);
void paging_init(void);
void memory_init(void);
u64 memory_free(void);
u64 memory_total(void);
/* Zeroed, page-aligned, physically contiguous memory; panics when there is none. */
void *pages_alloc(u64 size, u64 alignment);
/* Everything allocated after the mark is given back. */
u64 pages_mark(void);
void pages_release(u64 mark);
u64 *page_entry(u64 va, int level);
void map_page(u64 va, u64 paddr, u64 flags);
void map_large_page(u64 va, u64 paddr, u64 flags);
void unmap_page(u64 va);

/* cpu.c */
extern u32 cpu_features_edx, cpu_features_ecx, cpu_extended_edx, cpu_physical_bits;
#define CPUID_APIC_BIT 9
#define CPUID_PGE_BIT 13
#define CPUID_CX16_BIT 13
#define CPUID_NX_BIT 20
void cpu_identify(void);
void cpu_print(void);
void fpu_init(void);
/* kHz that CPUID promises (0x40000010, then 0x15), or 0. */
u32 cpu_tsc_khz(void);

/* descriptors.c */
struct cpu_local {
  u64 user_rsp;     /* %gs:0, vectors.S */
  u64 kernel_rsp;   /* %gs:8 */
  u64 user_return;  /* %gs:16 */
};
extern struct cpu_local cpu_local;
void descriptors_init(void);
void idt_set_ist(int vector, int ist);
bool on_ist_stack(u64 rsp, int ist);
u64 user_run(u64 entry, u64 stack);
void user_exit(u64 code) NORETURN;

/* interrupts.c */
struct trapframe {
  u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
  u64 vector, error, rip, cs, rflags, rsp, ss;
};
struct fault {
  s64 vector;
  u64 error, cr2, rip, rsp, handler_rsp;
};
extern u64 fault_resume;
extern struct fault fault;
extern bool (*trap_hook)(struct trapframe *);
void interrupts_init(void);
void irq_establish(int irq, bool level, void (*handler)(int irq));
void irq_route(bool through_ioapic);
bool irq_routed_through_ioapic(void);
extern u64 irq_counts[24];
extern u64 lapic_timer_count, spurious_count;
extern bool has_lapic, has_ioapic, has_i8259;
void lapic_timer_start(u32 count, bool periodic);
void lapic_timer_stop(void);
u32 lapic_timer_current(void);
void interrupts_print(void);

/* crash.c */
void panic(const char *format, ...) NORETURN __attribute__((format(printf, 1, 2)));
void crash(struct trapframe *) NORETURN;
void print_symbol(u64 address);
void triple_fault(void) NORETURN;
void halt_forever(void) NORETURN;

/* timers.c */
#define I8254_HZ 1193182UL
extern u64 tsc_khz, lapic_khz, boot_tsc, idle_tsc;
extern u64 i8254_ticks;
extern bool has_i8254;
void timers_calibrate(void);
void timers_print(void);
void i8254_start(u16 count, bool periodic);
void i8254_stop(void);
u64 tsc_to_us(u64 ticks);
u64 uptime_us(void);
/* Which timer ends a wait: the LAPIC's unless a test is busy with that one. */
void timeout_by_i8254(bool yes);
/* Halts until the condition holds; false after timeout_us (0: never gives up). */
bool wait_for(bool (*condition)(void *), void *argument, u64 timeout_us);
void timers_measure(void);

/* rtc.c */
extern bool has_rtc;
void rtc_probe(void);
bool rtc_print(void);
void rtc_periodic(bool on);
extern u64 rtc_ticks;

/* mptable.c */
void mptable_probe(void);
/* The IOAPIC pin of an ISA interrupt request. */
int mptable_pin(int irq);

/* fw_cfg.c */
void fw_cfg_probe(void);

/* selftest.c */
int run_selftests(void);

/* bench.c */
void bench_run(const char *name, u64 scale);

/* prompt.c */
void run_commands(const char *commands);
void prompt(void) NORETURN;

/* main.c */
void devices_print(void);
