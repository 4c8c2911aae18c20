/*
 * Delivery of exceptions and interrupts in IA-32e mode: SDM 3A 6.10-6.15 (gates, frames, IST, error codes, double fault),
 * SDM 2A INT n. The event that is looked at comes in by vector 0x90; what goes wrong on the way is caught as ever.
 */
#include "long.h"

SNIPPET(int90, "int $0x90")
SNIPPET(int3_it, "int3")
SNIPPET(int3_long, ".byte 0xcd, 3")
SNIPPET(into_it, ".byte 0xce")
SNIPPET(icebp, ".byte 0xf1")
SNIPPET(ud2_it, "ud2")
SNIPPET(divide, "xorl %ecx, %ecx\n divl %ecx")
SNIPPET(hlt_it, "hlt")
SNIPPET(load_bad, "movl %edi, %ds")
SNIPPET(touch, "movl (%rdi), %eax")
SNIPPET(ss_bad, "movl %edi, %ss")
SNIPPET(stack_bad, "movq (%rbp), %rax")
SNIPPET(int255, "int $0xff")

#define S FREE_SELECTOR
#define S2 (FREE_SELECTOR + 8)

static void test_gate(u16 selector, u32 type, u32 dpl, u32 ist) {
  set_gate(0x90, (u64)vector_stubs + 0x90 * 16, selector, type, dpl, ist);
}
static void cell(u32 vector, u32 error) {
  if (trap.vector == vector) put("-");
  else if (trap.vector == 0x90 || trap.vector == EXIT_VECTOR) put("+");
  else print("%x%c", (u32)trap.vector, trap.error == 0 ? '0' : trap.error == error ? 'g' : '?');
}

static void gates(void) {
  for (u32 cpl = 0; cpl <= 3; cpl += 3) {
    print("gate.cpl%d.types ", cpl);
    for (u32 type = 0; type < 64; type++) {
      test_gate(KCODE, type & 31, 3, 1);
      if (type & 32) idt[0x90].low &= ~(0x8000ull << 32);
      struct context c = cpl ? user(int90) : kernel(int90);
      run(&c);
      cell(0x90, 0x90 * 8 + 2);
      if ((type & 31) == 31) put("/");
    }
    print("\ngate.cpl%d.dpl ", cpl);
    for (u32 dpl = 0; dpl < 4; dpl++) {
      test_gate(KCODE, 14, dpl, 1);
      struct context c = cpl ? user(int90) : kernel(int90);
      run(&c);
      cell(0x90, 0x90 * 8 + 2);
    }
    put("\n");
  }
  put("gate.code.types ");
  for (u32 type = 0; type < 64; type++) {
    set_descriptor(S, 0, 0xfffff, 0xa000 | (type & 31) | (type & 32 ? 0 : 0x80));
    test_gate(S, 14, 3, 1);
    struct context c = user(int90);
    run(&c);
    cell(0x90, S);
    if ((type & 31) == 31) put("/");
  }
  put("\n");
  for (u32 cpl = 0; cpl <= 3; cpl += 3) {
    print("gate.cpl%d.code.dpl ", cpl);
    for (u32 n = 0; n < 16; n++) {
      set_descriptor(S, 0, 0xfffff, 0xa09b | (n & 3) << 5 | (n & 4));
      test_gate(S | (n >> 3), 14, 3, 1);
      struct context c = cpl ? user(int90) : kernel(int90);
      run(&c);
      cell(0x90, S);
    }
    put("\n");
  }
  put("gate.code.l.d ");
  for (u32 n = 0; n < 4; n++) {
    set_descriptor(S, 0, 0xfffff, 0x809b | n << 13);
    test_gate(S, 14, 3, 1);
    struct context c = user(int90);
    run(&c);
    cell(0x90, S);
  }
  put("\n");
  static const u16 selectors[] = {0, 3, 0x1f8, 0x2f8, 0x14, KDATA, TSS_SELECTOR};
  for (u32 i = 0; i < ARRAY(selectors); i++) {
    test_gate(selectors[i], 14, 3, 1);
    print("gate.selector.%x", selectors[i]);
    check("", user(int90));
  }
  test_gate(KCODE, 14, 3, 1);
  idt[0x90].high |= 0x8000; /* offset bit 47 */
  check("gate.noncanonical", user(int90));
  idt[0x90].high = 0xffff0000;
  check("gate.noncanonical.2", kernel(int90));
  test_gate(KCODE, 14, 3, 1);
  idt[0x90].high |= 0x1full << 40;
  check("gate.upper.type", user(int90));
  test_gate(KCODE, 14, 3, 8 | 1); /* reserved bits beside IST */
  check("gate.ist.reserved", user(int90));
}

static void frame(const char *name, struct context c) {
  run(&c);
  u64 *f = (u64 *)trap.frame;
  print("%s ", name);
  put_vector((u32)trap.vector, (u32)trap.error);
  print(" rip+%llx cs %llx rflags %llx ss %llx rsp%c%llx stack&15 %x now cs %x\n", f[0] - c.rip, f[1], f[2], f[4],
        f[3] == c.rsp ? '=' : '?', f[3] == c.rsp ? 0 : f[3], (u32)trap.frame & 15, 0);
}
static u64 flags_in_handler;
static int see_flags(void) {
  __asm__ volatile("pushfq; popq %0" : "=r"(flags_in_handler));
  return 0;
}
static void frames(void) {
  test_gate(KCODE, 14, 3, 1);
  frame("frame.user.ist", user(int90));
  frame("frame.kernel.ist", kernel(int90));
  test_gate(KCODE, 14, 3, 0);
  frame("frame.user", user(int90));
  struct context c = kernel(int90);
  c.rsp -= 5;
  frame("frame.kernel.unaligned", c);
  print("frame.kernel.at %llx\n", (u64)c.rsp - trap.frame);
  c.ss = 0;
  frame("frame.kernel.null.ss", c);
  frame("frame.compat", user32(int90));
  frame("frame.kernel.compat", kernel32(int90));
  hook = see_flags;
  for (u32 i = 0; i < 2; i++)
    for (u32 cpl = 0; cpl <= 3; cpl += 3) {
      test_gate(KCODE, 14 + i, 3, 1);
      c = cpl ? user(int90) : kernel(int90);
      c.rflags = 0x202 | FL_IOPL3 | FL_NT | FL_AC | FL_ID | FL_DF | 0x8d5;
      run(&c);
      print("flags.%s.cpl%d pushed %llx handler %llx\n", i ? "trap" : "interrupt", cpl, trap.rflags, flags_in_handler & ~(u64)FL_CF & ~0x8d4ull);
    }
  hook = 0;
  frame("frame.int3", user(int3_it));
  frame("frame.int3.long", user(int3_long));
  frame("frame.into", user(into_it));
  frame("frame.ud2", user(ud2_it));
  c = user32(into_it);
  c.rflags |= FL_OF;
  frame("frame.into.compat", c);
  c.rflags &= ~(u64)FL_OF;
  frame("frame.into.compat.clear", c);
  frame("frame.divide", user(divide));
  frame("frame.icebp", user(icebp));
  check("icebp.dr6", user(icebp));
  frame("frame.hlt.user", user(hlt_it));
  set_gate(3, (u64)vector_stubs + 3 * 16, KCODE, 14, 0, 1);
  check("int3.dpl0", user(int3_it));
  reset_gate(3);
  set_gate(1, (u64)vector_stubs + 16, KCODE, 14, 0, 1);
  check("icebp.dpl0", user(icebp));
  reset_gate(1);
  /* Inner events with IST 0 take RSP0; level 0 code stays on its stack. */
  static const u8 ists[] = {0, 1, 7};
  for (u32 i = 0; i < ARRAY(ists); i++) {
    test_gate(KCODE, 14, 3, ists[i]);
    tss.ist[6] = (u64)ist_stack + 6000;
    c = user(int90);
    run(&c);
    print("ist%d.user %llx", ists[i], trap.frame - (u64)ist_stack);
    c = kernel(int90);
    run(&c);
    print(" kernel %llx\n", trap.frame - (u64)ist_stack < 8192 ? trap.frame - (u64)ist_stack : trap.frame - (u64)test_stack);
  }
}

/* The first event cannot be delivered; what comes then? */
static void set_first(u32 vector, u32 how) {
  /* how: 0 gate not present, 1 not a gate, 2 gate to a null selector, 3 stack at an absent page, 4 stack not canonical */
  reset_gate(vector);
  switch (how) {
    case 0: idt[vector].low &= ~(0x8000ull << 32); break;
    case 1: set_gate(vector, (u64)vector_stubs + vector * 16, KCODE, 2, 0, 1); break;
    case 2: set_gate(vector, (u64)vector_stubs + vector * 16, 0, 14, 0, 1); break;
    case 3: set_gate(vector, (u64)vector_stubs + vector * 16, KCODE, 14, 0, 3); break;
    case 4: set_gate(vector, (u64)vector_stubs + vector * 16, KCODE, 14, 0, 4); break;
    case 5: set_gate(vector, (u64)vector_stubs + vector * 16, KCODE32, 14, 0, 1); break;
    case 6: set_gate(vector, 0x800000000000, KCODE, 14, 0, 1); break;
  }
}
static void nested(void) {
  tss.ist[2] = WINDOW + 0x1ff000; /* made absent */
  window_pt[0x1fe] = 0;
  invlpg(WINDOW + 0x1fe000);
  tss.ist[3] = 0x800000001000;
  set_descriptor(S, 0, 0xfffff, 0x4013); /* data, not present */
  set_descriptor(S2, 0, 0xfffff, 0x4093);
  static const struct { const char *name; const char *code; u64 rdi; u32 vector; } firsts[] = {
      {"DE", divide, 0, 0},       {"UD", ud2_it, 0, 6},  {"NP", load_bad, S, 11}, {"GP", load_bad, 0x1f8, 13},
      {"PF", touch, WINDOW + 0x1fe000, 14}, {"SS", ss_bad, S, 12}, {"BP", int3_it, 0, 3}, {"int90", int90, 0, 0x90},
  };
  for (u32 i = 0; i < ARRAY(firsts); i++)
    for (u32 cpl = 0; cpl <= 3; cpl += 3) {
      if (cpl && firsts[i].vector == 12) continue;
      print("nested.%s.cpl%d", firsts[i].name, cpl);
      for (u32 how = 0; how < 7; how++) {
        /* QEMU jumps to a handler that is not canonical, and fetching there faults: for ever. */
        if (how == 6 && (firsts[i].vector == 13 || firsts[i].vector == 14)) continue;
        set_first(firsts[i].vector, how);
        if (firsts[i].vector == 0x90 || firsts[i].vector == 3) idt[firsts[i].vector].low |= 3ull << 45;
        struct context c = cpl ? user(firsts[i].code) : kernel(firsts[i].code);
        c.r[RDI] = firsts[i].rdi;
        run(&c);
        put(" ");
        put_vector((u32)trap.vector, (u32)trap.error);
        if (trap.rip - c.rip > 64) put("?");
        reset_gate(firsts[i].vector);
      }
      put("\n");
    }
  /* CR2 and the pushed RIP of a #PF while delivering. */
  set_first(6, 3);
  check("nested.UD.PF", user(ud2_it));
  set_first(14, 3);
  struct context c = user(touch);
  c.r[RDI] = 0x7000000000;
  check("nested.PF.PF", c);
  print("nested.PF.PF.cr2 %llx\n", trap.cr2);
  reset_gate(6);
  reset_gate(14);
  reset_window();
}

static void limits(void) {
  static struct { u16 limit; u64 base; } __attribute__((packed)) table;
  table.base = (u64)idt;
  static const u16 sizes[] = {0xff0, 0xffe, 0xfff};
  for (u32 i = 0; i < ARRAY(sizes); i++) {
    table.limit = sizes[i];
    __asm__ volatile("lidt %0" ::"m"(table));
    set_gate(0xff, (u64)vector_stubs + 0xff * 16, KCODE, 14, 3, 1);
    print("idt.limit.%x", sizes[i]);
    check("", user(int255));
  }
  reset_gate(0xff);
  /* A TSS that ends before IST2, and before RSP0. */
  tss.ist[1] = (u64)ist_stack + 7000;
  set_gate(0x90, (u64)vector_stubs + 0x90 * 16, KCODE, 14, 3, 2);
  static const u16 tss_limits[] = {0x33, 0x32, 0x2c};
  for (u32 i = 0; i < ARRAY(tss_limits); i++) {
    set_descriptor(S, (u32)(uptr)&tss, tss_limits[i], 0x89);
    gdt[(S >> 3) + 1] = 0;
    __asm__ volatile("ltr %w0" ::"r"(S));
    print("tss.limit.%x", tss_limits[i]);
    check("", user(int90));
  }
  set_descriptor(TSS_SELECTOR, (u32)(uptr)&tss, sizeof tss - 1, 0x89);
  __asm__ volatile("ltr %w0" ::"r"(TSS_SELECTOR));
}

/* Each ends the machine. */
void triple_null_idt(void) {
  put("about to triple fault: IDT limit 0\n");
  static struct { u16 limit; u64 base; } __attribute__((packed)) table;
  __asm__ volatile("lidt %0; ud2" ::"m"(table));
}
void triple_df_gate(void) {
  put("about to triple fault: #DF gate not present\n");
  idt[8].low &= ~(0x8000ull << 32);
  idt[13].low &= ~(0x8000ull << 32);
  idt[11].low &= ~(0x8000ull << 32);
  struct context c = user(load_bad);
  c.r[RDI] = 0x1f8;
  run(&c);
  put("still here\n");
}

void event_tests(void) {
  gates();
  frames();
  nested();
  limits();
}
