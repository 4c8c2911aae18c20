/*
 * Self-tests: one named function each, one line each. A test returns NULL for ok, "-why" for skipped, else why it failed.
 * They check what the architecture promises (SDM 3A chapters 4, 6, 10), not what one emulator does.
 */
#include "virtio.h"
#include "x86.h"

extern u8 user_program[], user_program_end[], user_calls[], user_faults[], user_privileged[];

#define CHECK(condition, why) \
  if (!(condition)) return why

/* Runs one instruction that may fault; `fault` tells what happened. Registers and the stack stay as they were. */
#define TRY(instruction, ...)                   \
  do {                                          \
    fault.vector = -1;                          \
    __asm__ volatile(                           \
        "leaq 991f(%%rip), %%rax\n\t"           \
        "movq %%rax, fault_resume(%%rip)\n\t"   \
        instruction                             \
        "\n991:\tmovq $0, fault_resume(%%rip)"  \
        ::__VA_ARGS__                           \
        : "rax", "rbx", "rcx", "rdx", "memory", "cc"); \
  } while (0)

static char why[160];

static const char *expect(const char *what, s64 vector, u64 error, u64 cr2) {
  if (fault.vector == vector && (vector < 8 || fault.error == error) && (vector != VEC_PF || fault.cr2 == cr2))
    return NULL;
  snprintf(why, sizeof why, "%s: expected vector %ld error 0x%lx cr2 %lx, got %ld, 0x%lx, %lx", what, vector, error,
           vector == VEC_PF ? cr2 : 0, fault.vector, fault.error, fault.cr2);
  return why;
}

#define EXPECT(what, vector, error, cr2)                           \
  do {                                                             \
    const char *wrong = expect(what, vector, error, (u64)(cr2));   \
    if (wrong) return wrong;                                       \
  } while (0)

static NOINLINE const char *test_long_mode(void) {
  CHECK(rdmsr(MSR_EFER) & EFER_LMA, "EFER.LMA is clear");
  u64 a = 0x8000000000000000, b;
  __asm__ volatile("movq %1, %0\n\trolq $1, %0\n\tmovl %k0, %k0" : "=&r"(b) : "r"(a));
  CHECK(b == 1, "64-bit rotate");
  __asm__ volatile("movq $-1, %0\n\tmovl $5, %k0" : "=&r"(b));
  CHECK(b == 5, "a 32-bit result does not clear the upper half");
  __asm__ volatile("movq $-1, %0\n\tmovw $5, %w0" : "=&r"(b));
  CHECK(b == 0xffffffffffff0005, "a 16-bit result clears the upper part");
  __asm__ volatile("movq $-0x10, %%r8\n\tmovb %%r8b, %b0\n\tmovzbl %b0, %k0" : "=&q"(b)::"r8");
  CHECK(b == 0xf0, "REX byte registers");
  return NULL;
}

static NOINLINE const char *test_paging_map(void) {
  u8 *a = pages_alloc(PAGE, PAGE), *b = pages_alloc(PAGE, PAGE);
  volatile u64 *p = (volatile u64 *)TEST_VA;
  *(u64 *)a = 0xaaaa;
  *(u64 *)b = 0xbbbb;
  map_page(TEST_VA, vtophys(a), PTE_W | pte_nx);
  volatile u64 *pte = page_entry(TEST_VA, 1);
  CHECK(!(*pte & (PTE_A | PTE_D)), "A or D set before any access");
  CHECK(*p == 0xaaaa, "a mapped page reads something else");
  CHECK((*pte & PTE_A) && !(*pte & PTE_D), "a read sets A, and not D");
  *p = 0xa1a1;
  CHECK(*pte & PTE_D, "a write sets D");
  CHECK(*(u64 *)a == 0xa1a1, "a write went elsewhere");
  *pte = vtophys(b) | PTE_P | PTE_W | pte_nx;
  invlpg(TEST_VA);
  CHECK(*p == 0xbbbb, "INVLPG after a remap still reads the old page");
  *pte = vtophys(a) | PTE_P | PTE_W | pte_nx;
  lcr3(rcr3());
  CHECK(*p == 0xa1a1, "a CR3 load after a remap still reads the old page");
  /* An access across two pages that are not neighbours. */
  map_page(TEST_VA + PAGE, vtophys(b), PTE_W | pte_nx);
  *(volatile u64 *)(TEST_VA + PAGE - 3) = 0x1122334455667788;
  CHECK(a[PAGE - 3] == 0x88 && a[PAGE - 1] == 0x66 && b[0] == 0x55 && b[4] == 0x11, "a write across two pages");
  CHECK(*(volatile u64 *)(TEST_VA + PAGE - 3) == 0x1122334455667788, "a read across two pages");
  unmap_page(TEST_VA);
  unmap_page(TEST_VA + PAGE);
  return NULL;
}

static NOINLINE const char *test_paging_large(void) {
  u8 *block = pages_alloc(2 * PAGE, LARGE_PAGE); /* the start of a large page; nothing past it is touched */
  u64 va = TEST_VA + 512 * LARGE_PAGE;
  map_large_page(va, vtophys(block), PTE_W | pte_nx);
  *(volatile u64 *)(va + 0x1008) = 0x2222;
  *(volatile u64 *)(va + 0x0ff0) = 0x3333;
  CHECK(*(u64 *)(block + 0x1008) == 0x2222 && *(u64 *)(block + 0xff0) == 0x3333, "a 2 MiB page translates wrongly");
  CHECK(*page_entry(va, 2) & PTE_D, "a write to a 2 MiB page sets D");
  *page_entry(va, 2) = 0;
  invlpg(va + 0x1008);
  TRY("movq (%0), %%rdx", "r"(va));
  EXPECT("a removed 2 MiB page", VEC_PF, 0, va);
  return NULL;
}

static NOINLINE const char *test_page_faults(void) {
  u8 *page = pages_alloc(PAGE, PAGE);
  u64 va = TEST_VA + 0x10000;
  TRY("movq (%0), %%rdx", "r"(va + 8));
  EXPECT("read of nothing", VEC_PF, 0, va + 8);
  TRY("movb $1, (%0)", "r"(va + 0xfff));
  EXPECT("write to nothing", VEC_PF, PFEC_W, va + 0xfff);
  map_page(va, vtophys(page), 0);
  TRY("movb $1, (%0)", "r"(va + 5));
  EXPECT("write to a read-only page with CR0.WP", VEC_PF, PFEC_P | PFEC_W, va + 5);
  TRY("addl $1, (%0)", "r"(va + 12));
  EXPECT("read-modify-write of a read-only page", VEC_PF, PFEC_P | PFEC_W, va + 12);
  TRY("movq (%0), %%rdx", "r"(va + PAGE - 4));
  EXPECT("a read that runs into nothing", VEC_PF, 0, va + PAGE);
  lcr0(rcr0() & ~CR0_WP);
  TRY("movb $77, (%0)", "r"(va + 5));
  lcr0(rcr0() | CR0_WP);
  CHECK(fault.vector == -1 && page[5] == 77, "without CR0.WP the kernel may write to a read-only page");
  TRY("jmp *%0", "r"(va + 0x2000));
  EXPECT("jump to nothing", VEC_PF, pte_nx ? PFEC_I : 0, va + 0x2000);
  CHECK(fault.rip == va + 0x2000, "the saved rip of a fetch fault is not the target");
  TRY("movq (%0), %%rdx", "r"(0x8000000000000000));
  EXPECT("a non-canonical address", VEC_GP, 0, 0);
  if (pte_nx) {
    map_page(va, vtophys(page), PTE_W | pte_nx);
    TRY("jmp *%0", "r"(va));
    EXPECT("jump to an NX page", VEC_PF, PFEC_P | PFEC_I, va);
  }
  if (cpu_physical_bits < 52) {
    *page_entry(va, 1) |= 1UL << 51;
    invlpg(va);
    TRY("movq (%0), %%rdx", "r"(va));
    fault.error |= PFEC_P; /* QEMU 7.2 leaves P clear, hardware sets it */
    EXPECT("a reserved bit in a page table entry", VEC_PF, PFEC_P | PFEC_RSVD, va);
  }
  unmap_page(va);
  return NULL;
}

static NOINLINE const char *test_exceptions(void) {
  TRY("xorl %%edx, %%edx\n\tmovl $1, %%eax\n\txorl %%ecx, %%ecx\n\tdivl %%ecx", "i"(0));
  EXPECT("division by zero", VEC_DE, 0, 0);
  TRY("movl $0x80000000, %%eax\n\tcltd\n\tmovl $-1, %%ecx\n\tidivl %%ecx", "i"(0));
  EXPECT("quotient overflow", VEC_DE, 0, 0);
  TRY("ud2", "i"(0));
  EXPECT("UD2", VEC_UD, 0, 0);
  TRY("int3", "i"(0));
  EXPECT("INT3", VEC_BP, 0, 0);
  TRY("movl $0x28f8, %%eax\n\tmovl %%eax, %%ds", "i"(0));
  EXPECT("a selector past the GDT", VEC_GP, 0x28f8, 0);
  TRY("movl $0xdeadbeef, %%ecx\n\trdmsr", "i"(0));
  if (fault.vector != -1) EXPECT("RDMSR of no MSR", VEC_GP, 0, 0);
  TRY("pushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\tnop\n\tnop", "i"(0));
  EXPECT("single step", VEC_DB, 0, 0);
  return NULL;
}

static u64 nested_seen;

static bool nested_hook(struct trapframe *tf) {
  if (tf->vector != VEC_BP) return false;
  TRY("ud2", "i"(0));
  nested_seen = (u64)fault.vector;
  return true;
}

static NOINLINE const char *test_exceptions_nested(void) {
  nested_seen = 0;
  trap_hook = nested_hook;
  __asm__ volatile("int3");
  trap_hook = NULL;
  CHECK(nested_seen == VEC_UD, "#UD inside the #BP handler was not seen");
  return NULL;
}

static NOINLINE const char *test_exception_stacks(void) {
  idt_set_ist(VEC_UD, 2);
  TRY("ud2", "i"(0));
  idt_set_ist(VEC_UD, 0);
  EXPECT("UD2 on an interrupt stack", VEC_UD, 0, 0);
  CHECK(on_ist_stack(fault.handler_rsp, 2), "#UD with IST 2 ran on another stack");
  TRY("ud2", "i"(0));
  CHECK(!on_ist_stack(fault.handler_rsp, 2), "#UD without IST ran on the interrupt stack");
  /* A push on an unmapped stack: the #PF has nowhere to put its frame, so #DF on IST 1. */
  u64 stack = TEST_VA + 0x40000;
  TRY("movq %%rsp, %%rbx\n\tmovq %0, %%rsp\n\tpushq %%rax\n991:\tmovq %%rbx, %%rsp\n\tjmp 992f\n992:", "r"(stack));
  EXPECT("a push on an unmapped stack", VEC_DF, 0, 0);
  CHECK(on_ist_stack(fault.handler_rsp, 1), "#DF ran on another stack");
  return NULL;
}

static bool i8254_ticked(void *until) { return i8254_ticks >= *(u64 *)until; }
static bool lapic_ticked(void *until) { return lapic_timer_count >= *(u64 *)until; }
static bool rtc_ticked(void *until) { return rtc_ticks >= *(u64 *)until; }

static const char *i8254_three_ticks(void) {
  u64 until = i8254_ticks + 3;
  i8254_start(1193, true); /* 1 kHz */
  bool came = wait_for(i8254_ticked, &until, 100000);
  i8254_stop();
  return came ? NULL : "no three interrupts within 100 ms";
}

static NOINLINE const char *test_i8254_through_i8259(void) {
  CHECK(has_i8254 && has_i8259, "-no i8254 or no i8259");
  CHECK(has_lapic, "-no LAPIC timer to end the wait");
  bool ioapic = irq_routed_through_ioapic();
  irq_route(false);
  const char *wrong = i8254_three_ticks();
  irq_route(ioapic);
  return wrong;
}

static NOINLINE const char *test_i8254_through_ioapic(void) {
  CHECK(has_i8254 && has_ioapic, "-no i8254 or no IOAPIC");
  irq_route(true);
  return i8254_three_ticks();
}

/* With the LAPIC timer busy the i8254 ends the wait; where there is none, nothing can. */
static u64 other_timeout_us(void) { return has_i8254 ? 50000 : 0; }

static NOINLINE const char *test_lapic_one_shot(void) {
  CHECK(has_lapic && lapic_khz, "-no LAPIC");
  timeout_by_i8254(true);
  u64 until = lapic_timer_count + 1, start = rdtsc();
  lapic_timer_start((u32)(lapic_khz / 2), false); /* 500 us */
  bool came = wait_for(lapic_ticked, &until, other_timeout_us());
  u64 us = tsc_to_us(rdtsc() - start);
  timeout_by_i8254(false);
  CHECK(came, "no interrupt within 50 ms");
  CHECK(us >= 400, "500 us were over too soon");
  CHECK(lapic_timer_current() == 0, "the count goes on after a one-shot");
  lapic_timer_stop();
  return NULL;
}

static NOINLINE const char *test_lapic_periodic(void) {
  CHECK(has_lapic && lapic_khz, "-no LAPIC");
  timeout_by_i8254(true);
  u64 until = lapic_timer_count + 3;
  lapic_timer_start((u32)lapic_khz, true); /* 1 ms */
  bool came = wait_for(lapic_ticked, &until, other_timeout_us());
  lapic_timer_stop();
  timeout_by_i8254(false);
  CHECK(came, "no three interrupts within 50 ms");
  return NULL;
}

static NOINLINE const char *test_rtc_periodic(void) {
  CHECK(has_rtc, "-no RTC");
  u64 until = rtc_ticks + 2;
  rtc_periodic(true);
  bool came = wait_for(rtc_ticked, &until, 50000);
  rtc_periodic(false);
  CHECK(came, "no two interrupts of 1024 Hz within 50 ms");
  return NULL;
}

static NOINLINE const char *test_virtio_interrupt(void) {
  struct virtio *v = virtio_find(VIRTIO_ID_ENTROPY);
  u8 buffer[8];
  u64 before;
  if (v) {
    before = v->interrupts;
    CHECK(random_bytes(buffer, 8) > 0, "virtio-rng does not answer");
  } else if (disks_count && disks[0].sectors) {
    static u8 sector[512];
    v = disks[0].device;
    before = v->interrupts;
    const char *error = disk_read(&disks[0], 0, sector, 1);
    if (error) return error;
  } else return "-no virtio-rng and no disk";
  CHECK(v->interrupts > before, "the request was answered without an interrupt");
  return NULL;
}

static NOINLINE const char *test_user_mode(void) {
  u8 *code = pages_alloc(PAGE, PAGE), *stack = pages_alloc(PAGE, PAGE);
  memcpy(code, user_program, (u64)(user_program_end - user_program));
  map_page(0x400000, vtophys(code), PTE_U);
  map_page(0x7ff000, vtophys(stack), PTE_U | PTE_W | pte_nx);
  u64 code_result = user_run(0x400000 + (u64)(user_calls - user_program), 0x800000);
  if (code_result != 7) {
    snprintf(why, sizeof why, "the program ended with %lu, not 7", code_result);
    return why;
  }
  u64 ended = user_run(0x400000 + (u64)(user_faults - user_program), 0x800000);
  CHECK(ended == 0x100 + VEC_PF, "a read of kernel memory did not fault");
  EXPECT("ring 3 reading kernel memory", VEC_PF, PFEC_P | PFEC_U, DIRECT_MAP + 0x100000);
  ended = user_run(0x400000 + (u64)(user_privileged - user_program), 0x800000);
  CHECK(ended == 0x100 + VEC_GP, "CLI in ring 3 is not #GP");
  CHECK(user_run(TEST_VA, 0x800000) == 0x100 + VEC_PF, "ring 3 ran a page that is not there");
  EXPECT("ring 3 jumping to nothing", VEC_PF, PFEC_U | (pte_nx ? PFEC_I : 0), TEST_VA);
  unmap_page(0x400000);
  unmap_page(0x7ff000);
  return NULL;
}

static NOINLINE const char *test_sse_state(void) {
  static u8 image[512] ALIGNED(16), back[16] ALIGNED(16);
  u64 pattern[2] ALIGNED(16) = {0x0123456789abcdef, 0xfedcba9876543210};
  u32 mxcsr = 0x1fa0, got;
  u64 pi[2] = {0};
  __asm__ volatile(
      "fninit\n\tfldpi\n\tldmxcsr %2\n\t"
      "movdqu %3, %%xmm3\n\tmovdqu %3, %%xmm15\n\tpaddq %%xmm15, %%xmm15\n\t"
      "fxsaveq %0\n\t"
      "fninit\n\tpxor %%xmm3, %%xmm3\n\tpxor %%xmm15, %%xmm15\n\t"
      "fxrstorq %0\n\t"
      "movdqu %%xmm15, %1"
      : "+m"(image), "=m"(back)
      : "m"(mxcsr), "m"(pattern));
  __asm__ volatile("stmxcsr %0\n\tfstpt %1\n\tfninit" : "=m"(got), "=m"(pi));
  CHECK(got == mxcsr && *(u32 *)(image + 24) == mxcsr, "MXCSR was not kept");
  CHECK(*(u16 *)image == 0x37f && image[4] == 0x80, "the x87 control and tag words in the image");
  CHECK(pi[0] == 0xc90fdaa22168c235 && (u16)pi[1] == 0x4000, "FLDPI came back different");
  CHECK(!memcmp(image + 160 + 3 * 16, pattern, 16), "XMM3 in the image");
  CHECK(*(u64 *)back == 2 * pattern[0] && *(u64 *)(back + 8) == 2 * pattern[1], "XMM15 came back different");
  mxcsr = 0x1f80;
  __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
  lcr0(rcr0() | CR0_TS);
  TRY("movdqa %%xmm0, %%xmm1", "i"(0));
  __asm__ volatile("clts");
  EXPECT("SSE with CR0.TS", VEC_NM, 0, 0);
  return NULL;
}

static NOINLINE const char *test_cmpxchg16b(void) {
  CHECK(cpu_features_ecx >> CPUID_CX16_BIT & 1, "-CPUID offers no cx16");
  u64 cell[2] ALIGNED(16) = {1, 2}, low = 1, high = 2;
  u8 swapped;
  __asm__ volatile("lock cmpxchg16b %0\n\tsetz %3"
                   : "+m"(cell), "+a"(low), "+d"(high), "=q"(swapped)
                   : "b"(3UL), "c"(4UL)
                   : "cc");
  CHECK(swapped && cell[0] == 3 && cell[1] == 4, "equal: not exchanged");
  __asm__ volatile("lock cmpxchg16b %0\n\tsetz %3"
                   : "+m"(cell), "+a"(low), "+d"(high), "=q"(swapped)
                   : "b"(5UL), "c"(6UL)
                   : "cc");
  CHECK(!swapped && cell[0] == 3 && low == 3 && high == 4, "unequal: not loaded");
  TRY("lock cmpxchg16b 8(%0)", "r"(cell));
  EXPECT("a misaligned operand", VEC_GP, 0, 0);
  return NULL;
}

/* SDM 3A section 11.6: a store to code is seen at the latest after a jump. */
static NOINLINE const char *test_self_modifying_code(void) {
  u8 *page = pages_alloc(PAGE, PAGE);
  u64 va = TEST_VA + 0x20000;
  map_page(va, vtophys(page), PTE_W);
  volatile u8 *code = (volatile u8 *)va;
  u32 (*function)(void) = (u32(*)(void))va;
  static const u8 program[] = {0xb8, 0, 0, 0, 0, 0xc3}; /* mov $0, %eax; ret */
  for (u32 i = 0; i < sizeof program; i++) code[i] = program[i];
  for (u32 i = 0; i < 32; i++) {
    code[1] = (u8)i;
    CHECK(function() == i, "code written through its own mapping ran stale");
    page[2] = (u8)(i + 1); /* through the direct map */
    CHECK(function() == (i | (i + 1) << 8), "code written through another mapping ran stale");
    page[2] = 0;
  }
  /* A loop that patches the instruction just ahead of itself: mov $imm, %al after a store to imm. */
  u32 sum;
  __asm__ volatile(
      "movb $0xb0, (%1)\n\tmovb $0, 1(%1)\n\tmovb $0xc3, 2(%1)\n\t"
      "xorl %0, %0\n\tmovl $10, %%ecx\n"
      "1:\tmovb %%cl, 1(%1)\n\txorl %%eax, %%eax\n\tcall *%1\n\taddl %%eax, %0\n\tdecl %%ecx\n\tjnz 1b"
      : "=&r"(sum)
      : "r"(va)
      : "rax", "rcx", "memory", "cc");
  CHECK(sum == 55, "a patched immediate was not seen");
  unmap_page(va);
  return NULL;
}

static NOINLINE const char *test_tsc_monotonic(void) {
  u64 last = rdtsc();
  for (int i = 0; i < 500; i++) {
    u64 now = rdtsc();
    CHECK(now >= last, "the TSC went back");
    last = now;
  }
  u64 start = rdtsc();
  for (volatile int i = 0; i < 100; i++) continue;
  CHECK(rdtsc() > start, "the TSC stands still");
  return NULL;
}

static bool never(void *unused) {
  (void)unused;
  return false;
}

static NOINLINE const char *test_halt(void) {
  u64 idle = idle_tsc, start = rdtsc();
  wait_for(never, NULL, 300);
  u64 us = tsc_to_us(rdtsc() - start);
  CHECK(us >= 300, "HLT came back before the timer");
  CHECK(idle_tsc > idle, "the TSC stood still during HLT");
  return NULL;
}

static NOINLINE const char *test_strings(void) {
  static u8 a[300], b[300];
  for (u32 i = 0; i < sizeof a; i++) a[i] = (u8)(i * 7);
  memcpy(b, a, sizeof a);
  CHECK(!memcmp(a, b, sizeof a), "REP MOVSB");
  u8 *from = a + 255, *to = a + 265;
  u64 count = 256;
  __asm__ volatile("std\n\trep movsb\n\tcld" : "+S"(from), "+D"(to), "+c"(count)::"memory");
  CHECK(a[10] == 0 && a[265] == (u8)(255 * 7) && !memcmp(a + 10, b, 256), "REP MOVSB backwards over itself");
  u8 *found = b;
  count = sizeof b;
  __asm__ volatile("repne scasb" : "+D"(found), "+c"(count) : "a"(7 * 20) : "memory", "cc");
  CHECK(found == b + 21 && count == sizeof b - 21, "REPNE SCASB");
  return NULL;
}

static const struct {
  const char *name;
  const char *(*run)(void);
} tests[] = {
    {"long mode", test_long_mode},
    {"string instructions", test_strings},
    {"paging: map, remap, A and D", test_paging_map},
    {"paging: 2 MiB page", test_paging_large},
    {"page fault error codes", test_page_faults},
    {"exceptions", test_exceptions},
    {"nested exceptions", test_exceptions_nested},
    {"interrupt stacks, double fault", test_exception_stacks},
    {"ring 3, SYSCALL, int 0x80", test_user_mode},
    {"SSE and x87 state", test_sse_state},
    {"cmpxchg16b", test_cmpxchg16b},
    {"self-modifying code", test_self_modifying_code},
    {"TSC monotonic", test_tsc_monotonic},
    {"i8254 through the i8259", test_i8254_through_i8259},
    {"i8254 through the IOAPIC", test_i8254_through_ioapic},
    {"LAPIC timer one-shot", test_lapic_one_shot},
    {"LAPIC timer periodic", test_lapic_periodic},
    {"RTC periodic interrupt", test_rtc_periodic},
    {"halt until the timer", test_halt},
    {"virtio interrupt", test_virtio_interrupt},
};

NOINLINE int run_selftests(void) {
  int failed = 0;
  for (u32 i = 0; i < COUNT_OF(tests); i++) {
    u64 mark = pages_mark();
    const char *wrong = tests[i].run();
    pages_release(mark);
    if (!wrong) printf("selftest %s: ok\n", tests[i].name);
    else if (*wrong == '-') printf("selftest %s: skipped: %s\n", tests[i].name, wrong + 1);
    else {
      printf("selftest %s: FAILED: %s\n", tests[i].name, wrong);
      failed++;
    }
  }
  printf("selftest: %u tests, %u failed\n", (u32)COUNT_OF(tests), (u32)failed);
  return failed;
}
