/* The runtime of the IA-32e tests: tables, contexts, reports. */
#include "long.h"

struct trap trap;
int (*hook)(void);
/* base 0, limit 4 GiB. 0x9b: code, 0x93: data, DPL 3: 0xfb, 0xf3. */
u64 gdt[GDT_ENTRIES] __attribute__((aligned(16))) = {
    0,
    0x00af9b000000ffff, /* 08 KCODE */
    0x00cf93000000ffff, /* 10 KDATA */
    0x00cffb000000ffff, /* 18 UCODE32 */
    0x00cff3000000ffff, /* 20 UDATA */
    0x00affb000000ffff, /* 28 UCODE */
    0x00cf9b000000ffff, /* 30 KCODE32 */
    0x008f9b000000ffff, /* 38 KCODE16 */
    0x008ffb000000ffff, /* 40 UCODE16 */
};
struct gate idt[256] __attribute__((aligned(16)));
struct tss tss __attribute__((aligned(16)));


void set_gate(u32 vector, u64 handler, u16 selector, u32 type, u32 dpl, u32 ist) {
  u32 low = (u32)selector << 16 | (handler & 0xffff);
  u32 high = (u32)(handler & 0xffff0000) | 0x8000 | dpl << 13 | type << 8 | ist;
  idt[vector].low = (u64)high << 32 | low;
  idt[vector].high = handler >> 32;
}
void reset_gate(u32 vector) {
  set_gate(vector, (u64)vector_stubs + vector * 16, KCODE, 14, vector == EXIT_VECTOR || vector == 3 || vector == 4 ? 3 : 0, 1);
}
/* `attributes`: bits 40..55 of the descriptor, the G bit included; the limit is in its units. */
void set_descriptor(u16 selector, u32 base, u32 limit, u32 attributes) {
  u32 low = (limit & 0xffff) | base << 16;
  u32 high = (base >> 16 & 0xff) | (attributes & 0xf0ff) << 8 | (limit & 0xf0000) | (base & 0xff000000);
  gdt[selector >> 3] = (u64)high << 32 | low;
}

void reset_window(void) {
  pml4[1] = (u64)window_pdpt | PTE_P | PTE_W | PTE_U;
  fill(window_pdpt, 0, 4096);
  fill(window_pd, 0, 4096);
  window_pdpt[0] = (u64)window_pd | PTE_P | PTE_W | PTE_U;
  window_pd[0] = (u64)window_pt | PTE_P | PTE_W | PTE_U;
  for (u32 i = 0; i < 512; i++) window_pt[i] = ((u64)pool + i * 4096ull) | PTE_P | PTE_W | PTE_U;
  lcr3(rcr3());
}

static struct context context(u64 code, u16 cs, u16 ss, u64 rsp) {
  struct context c;
  fill(&c, 0, sizeof c);
  c.rip = code;
  c.cs = cs;
  c.ss = ss;
  c.rsp = rsp;
  c.rflags = 2;
  return c;
}
struct context kernel(const char *code) { return context((u64)code, KCODE, KDATA, (u64)test_stack + STACK_BYTES); }
struct context kernel32(const char *code) {
  struct context c = context((u64)code, KCODE32, KDATA, (u64)test_stack + STACK_BYTES);
  c.ds = c.es = KDATA;
  return c;
}
struct context user(const char *code) {
  return context((u64)code + USER_ALIAS, UCODE, UDATA, (u64)user_stack + STACK_BYTES + USER_ALIAS);
}
struct context user32(const char *code) {
  struct context c = context((u64)code + USER_ALIAS, UCODE32, UDATA, (u64)user_stack + STACK_BYTES + USER_ALIAS);
  c.ds = c.es = UDATA;
  return c;
}

void report(const char *name, struct context *c) {
  print("%s ", name);
  put_vector((u32)trap.vector, (u32)trap.error);
  if (trap.vector == EXIT_VECTOR) print(" rax=%llx", trap.r[RAX]);
  else if (trap.rip == (u64)iretq_of_run) put(" at iretq");
  else if (trap.rip - c->rip < 0x1000) print(" rip+%llx", trap.rip - c->rip);
  else print(" rip=%llx", trap.rip);
  if (trap.vector == 14) print(" cr2=%llx", trap.cr2);
  if (trap.vector == 1) print(" dr6=%llx", rdr6());
  put("\n");
}
void check(const char *name, struct context c) {
  run(&c);
  report(name, &c);
}
u32 vector_of(struct context c) {
  run(&c);
  return (u32)trap.vector;
}

__attribute__((used)) void unexpected_event(void) {
  print("unexpected ");
  put_vector((u32)trap.vector, (u32)trap.error);
  print(" rip=%llx rsp=%llx cr2=%llx\n", trap.rip, trap.rsp, trap.cr2);
  finish();
}

struct start_info { u32 magic, version, flags, nr_modules; u64 modlist, cmdline; };

static struct { u16 limit; u64 base; } __attribute__((packed)) idtr;

__attribute__((used)) void main(struct start_info *info) {
  command_line = (const char *)info->cmdline;
  for (u32 i = 0; i < 256; i++) reset_gate(i);
  idtr.limit = sizeof idt - 1;
  idtr.base = (u64)idt;
  __asm__ volatile("lidt %0" ::"m"(idtr));
  tss.rsp[0] = (u64)ist_stack + 4096;
  for (u32 i = 0; i < 7; i++) tss.ist[i] = (u64)ist_stack + 8192;
  tss.iomap = __builtin_offsetof(struct tss, bitmap);
  fill(tss.bitmap, 0xff, sizeof tss.bitmap);
  set_descriptor(TSS_SELECTOR, (u32)(uptr)&tss, sizeof tss - 1, 0x89);
  __asm__ volatile("ltr %w0" ::"r"(TSS_SELECTOR));
  lcr4(rcr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
  __asm__ volatile("fninit");
  reset_window();
  static const struct { const char *name; void (*test)(void); } tests[] = {
      {"triple-null-idt", triple_null_idt}, {"triple-df-gate", triple_df_gate},
      {"cr0", cr0_tests},      {"ltr-null", ltr_null_tests}, {"lgdt", lgdt_tests}, {"ltr-upper", ltr_upper_tests}, {"paging", paging_tests},   {"segments", segment_tests},   {"events", event_tests},
      {"returns", return_tests},  {"syscalls", syscall_tests},   {"debug", debug_tests},
      {"registers", register_tests}, {"instructions", instruction_tests}, {"fpu", fpu_tests},
      {"interrupts", interrupt_tests},
  };
  for (u32 i = 0; i < ARRAY(tests); i++)
    if (has_word(command_line, tests[i].name)) tests[i].test();
  finish();
}
