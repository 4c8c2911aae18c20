/* The end: registers, a stack trace with names from .ksyms (written by build.ts), one `panic:` line, halt. All on com0. */
#include "x86.h"

struct ksym {
  u32 address; /* low half: all are in the top 2 GiB */
  u32 name;
};
extern const u32 ksyms_count;
extern const struct ksym ksyms[];
extern const char ksyms_names[];
extern u8 __text_start[], __rodata_start[], kernel_stack[], kernel_stack_top[];

void halt_forever(void) {
  for (;;) __asm__ volatile("cli\n\thlt");
}

void print_symbol(u64 address) {
  const struct ksym *best = NULL;
  if (address >= (u64)__text_start && address < (u64)__rodata_start)
    for (u32 i = 0; i < ksyms_count && ksyms[i].address <= (u32)address; i++) best = &ksyms[i];
  if (best) printf("%s+0x%x", ksyms_names + best->name, (u32)address - best->address);
  else printf("?");
}

static bool is_stack(u64 address) {
  return address >= (u64)kernel_stack && address + 16 <= (u64)kernel_stack_top && !(address & 7);
}

static NOINLINE void stack_trace(u64 rip, u64 rbp) {
  printf("stack trace:\n");
  for (int i = 0; i < 20; i++) {
    printf("  %016lx ", rip);
    print_symbol(rip);
    printf("\n");
    if (!is_stack(rbp)) break;
    rip = ((u64 *)rbp)[1];
    rbp = ((u64 *)rbp)[0];
    if (!rip) break;
  }
}

void panic(const char *format, ...) {
  cli();
  console_use_com0();
  stack_trace((u64)__builtin_return_address(0), *(u64 *)__builtin_frame_address(0));
  char message[200];
  /* Every caller passes at most three arguments of 64 bits or fewer. */
  __builtin_va_list arguments;
  __builtin_va_start(arguments, format);
  u64 a = __builtin_va_arg(arguments, u64), b = __builtin_va_arg(arguments, u64), c = __builtin_va_arg(arguments, u64);
  __builtin_va_end(arguments);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
  snprintf(message, sizeof message, format, a, b, c);
#pragma GCC diagnostic pop
  printf("panic: %s\n", message);
  halt_forever();
}

static const char *const exception_names[32] = {
    "#DE divide error", "#DB debug", "NMI", "#BP breakpoint", "#OF overflow", "#BR bound range", "#UD invalid opcode",
    "#NM device not available", "#DF double fault", "coprocessor overrun", "#TS invalid TSS", "#NP segment not present",
    "#SS stack fault", "#GP general protection", "#PF page fault", "reserved", "#MF x87 error", "#AC alignment check",
    "#MC machine check", "#XM SIMD error"};

void crash(struct trapframe *tf) {
  cli();
  console_use_com0();
  u64 cr2 = rcr2();
  const char *name = exception_names[tf->vector] ? exception_names[tf->vector] : "reserved";
  printf("\nexception %lu (%s), error code 0x%lx, cr2 %016lx\n", tf->vector, name, tf->error, cr2);
  printf("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", tf->rax, tf->rbx, tf->rcx, tf->rdx);
  printf("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", tf->rsi, tf->rdi, tf->rbp, tf->rsp);
  printf("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", tf->r8, tf->r9, tf->r10, tf->r11);
  printf("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", tf->r12, tf->r13, tf->r14, tf->r15);
  printf("rip %016lx cs %02lx ss %02lx rflags %08lx\n", tf->rip, tf->cs, tf->ss, tf->rflags);
  printf("cr0 %08lx cr3 %08lx cr4 %08lx efer %lx\n", rcr0(), rcr3(), rcr4(), rdmsr(MSR_EFER));
  stack_trace(tf->rip, tf->rbp);
  printf("panic: %s at ", name);
  print_symbol(tf->rip);
  printf("\n");
  halt_forever();
}
