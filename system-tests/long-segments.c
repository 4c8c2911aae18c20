/*
 * Segment registers and descriptor tables in IA-32e mode: SDM 3A 3.4, 5.6-5.8, 8.2; SDM 2 MOV, LAR, LSL, VERR, LLDT, LTR,
 * JMP, CALL, RET.
 *
 * A matrix's cell is "-" for no fault, else the vector in hex and what the error code is: 0, s (the selector), or ?.
 */
#include "long.h"

SNIPPET(mov_es, "movl %edi, %es\n movl %es, %eax")
SNIPPET(mov_ss, "movl %edi, %ss\n movl %ss, %eax")
SNIPPET(mov_ds, "movl %edi, %ds\n movl %ds, %eax")
SNIPPET(mov_fs, "movl %edi, %fs\n movl %fs, %eax")
SNIPPET(mov_gs, "movl %edi, %gs\n movl %gs, %eax")
SNIPPET(mov_cs, ".byte 0x8e, 0xcf") /* MOV CS, EDI */
SNIPPET(mov_s6, ".byte 0x8e, 0xf7")
SNIPPET(mov_from_s7, ".byte 0x8c, 0xff")
SNIPPET(lss_it, "lss (%rdi), %eax")
SNIPPET(lfs_it, "lfs (%rdi), %eax")
SNIPPET(lgs64_it, ".byte 0x48, 0x0f, 0xb5, 0x07\n movq %rax, %rax")
SNIPPET(pop_fs, "pushq %rdi\n popq %fs\n movl %fs, %eax")
SNIPPET(pop_gs16, "pushw %di\n popw %gs\n movl %gs, %eax")
SNIPPET(push_fs, "movq $-1, %rax\n pushq %rax\n popq %rcx\n pushq %fs\n popq %rax")
SNIPPET(mov_sreg_mem, "movq $-1, %rax\n pushq %rax\n movw %ds, (%rsp)\n popq %rax")
SNIPPET(mov_sreg_reg32, "movq $-1, %rax\n movl %ss, %eax")
SNIPPET(mov_sreg_reg16, "movq $-1, %rax\n movw %ss, %ax")
SNIPPET(mov_sreg_reg64, "movq $-1, %rax\n movq %ss, %rax")
SNIPPET(lar_it, "movq $-1, %rax\n larl %edi, %eax\n setzb %cl")
SNIPPET(lar16_it, "movq $-1, %rax\n larw %di, %ax\n setzb %cl")
SNIPPET(lar64_it, "movq $-1, %rax\n larq %rdi, %rax\n setzb %cl")
SNIPPET(lsl_it, "movq $-1, %rax\n lsll %edi, %eax\n setzb %cl")
SNIPPET(verr_it, "verr %di\n setzb %al")
SNIPPET(verw_it, "verw %di\n setzb %al")
SNIPPET(lldt_it, "lldt %di\n sldt %eax")
SNIPPET(ltr_it, "ltr %di\n str %eax")
SNIPPET(sldt_it, "movq $-1, %rax\n sldt %rax")
SNIPPET(str_it, "movq $-1, %rax\n str %eax")
SNIPPET(smsw_it, "movq $-1, %rax\n smswq %rax")
SNIPPET(sidt_it, "subq $16, %rsp\n sidt (%rsp)\n movq 2(%rsp), %rax")
SNIPPET(lgdt_it, "lgdt (%rdi)")
SNIPPET(ljmp_it, "ljmpl *(%rdi)")
SNIPPET(ljmp64_it, "rex.w ljmpl *(%rdi)")
SNIPPET(lcall_it, "lcall *(%rdi)")
SNIPPET(lcall64_it, "rex.w lcall *(%rdi)")
SNIPPET(retf_it, "lretq")
SNIPPET(retf32_it, "lretl")
SNIPPET(retf_pop_it, "lretq $16")
SNIPPET(landing, "movl $0x1a, %eax")
SNIPPET(read_fs, "movl %fs:0, %eax")

#define S FREE_SELECTOR

/* One cell. */
static void cell(u16 selector) {
  if (trap.vector == EXIT_VECTOR) put("-");
  else print("%x%c", (u32)trap.vector, trap.error == 0 ? '0' : trap.error == (selector & ~3u) ? 's' : '?');
}
static struct context with(struct context c, u64 rdi) {
  c.r[RDI] = rdi;
  return c;
}

static const struct { const char *name; const char *code; } loads[] = {
    {"es", mov_es}, {"ss", mov_ss}, {"ds", mov_ds}, {"fs", mov_fs}, {"gs", mov_gs},
};

static void load_matrix(void) {
  for (u32 i = 0; i < ARRAY(loads); i++)
    for (u32 cpl = 0; cpl <= 3; cpl += 3) {
      /* Every type, present and not, at the DPL and RPL of the CPL. */
      print("load.%s.cpl%d.types ", loads[i].name, cpl);
      for (u32 type = 0; type < 64; type++) {
        set_descriptor(S, 0x1000, 0xfffff, 0xc000 | (type & 31) | cpl << 5 | (type & 32 ? 0 : 0x80));
        struct context c = with(cpl ? user(loads[i].code) : kernel(loads[i].code), S | cpl);
        run(&c);
        cell(S);
        if ((type & 31) == 31) put("/");
      }
      put("\n");
      for (u32 kind = 0; kind < 3; kind++) {
        static const u8 types[] = {0x13, 0x1a, 0x1e};
        print("load.%s.cpl%d.%s ", loads[i].name, cpl, kind == 0 ? "data" : kind == 1 ? "code" : "conforming");
        for (u32 dpl = 0; dpl < 4; dpl++)
          for (u32 rpl = 0; rpl < 4; rpl++) {
            set_descriptor(S, 0, 0xfffff, 0xc080 | types[kind] | dpl << 5);
            struct context c = with(cpl ? user(loads[i].code) : kernel(loads[i].code), S | rpl);
            run(&c);
            cell(S);
          }
        put("\n");
      }
      print("load.%s.cpl%d.null ", loads[i].name, cpl);
      for (u32 rpl = 0; rpl < 4; rpl++) {
        struct context c = with(cpl ? user(loads[i].code) : kernel(loads[i].code), rpl);
        run(&c);
        cell(rpl);
      }
      put(" limit ");
      struct context c = with(cpl ? user(loads[i].code) : kernel(loads[i].code), 0x200 | cpl);
      run(&c);
      cell(0x200);
      c.r[RDI] = 0xfff8 | cpl;
      run(&c);
      cell(0xfff8);
      put(" no-ldt ");
      c.r[RDI] = 0x1c | cpl;
      run(&c);
      cell(0x1c);
      put("\n");
    }
  check("load.cs", with(kernel(mov_cs), KCODE));
  check("load.seg6", with(kernel(mov_s6), KDATA));
  check("store.seg7", with(kernel(mov_from_s7), KDATA));
}

static void accessed_bit(void) {
  set_descriptor(S, 0, 0xfffff, 0xc092);
  check("accessed.load", with(kernel(mov_ds), S));
  print("accessed.after %x\n", (u32)(gdt[S >> 3] >> 40 & 0xff));
  set_descriptor(S, 0, 0xfffff, 0xc012);
  check("accessed.absent.load", with(kernel(mov_ds), S));
  print("accessed.absent.after %x\n", (u32)(gdt[S >> 3] >> 40 & 0xff));
}

static void bases(void) {
  /* FS and GS: a selector's base has 32 bits; a null selector; the MSR's has 64. */
  static u32 words[4] = {0x111, 0x222};
  set_descriptor(S, (u32)(uptr)words, 0xfffff, 0xc093);
  struct context c = with(kernel(mov_fs), S);
  run(&c);
  print("fs.base %x", (u32)rdmsr(0xc0000100) == (u32)(uptr)words);
  wrmsr(0xc0000100, 0xffff800000000000);
  run(&c);
  print(" reload %x", rdmsr(0xc0000100) == (u64)words);
  put("\n");
  c = kernel(read_fs);
  c.fs = S;
  check("fs.read", c);
  /* The segment's limit does not count in 64-bit mode. */
  set_descriptor(S, (u32)(uptr)words, 0, 0x0093);
  check("fs.limit.ignored", c);
  set_descriptor(S, 0, 0xfffff, 0xc093);
}

static void forms(void) {
  static struct { u64 offset; u16 selector; } __attribute__((packed)) far64 = {0x123456789, KDATA};
  static struct { u32 offset; u16 selector; } __attribute__((packed)) far32 = {0x12345678, KDATA};
  check("lss", with(kernel(lss_it), (u64)&far32));
  print("lss.ss %x\n", (u32)trap.ss);
  check("lfs", with(kernel(lfs_it), (u64)&far32));
  check("lgs64", with(kernel(lgs64_it), (u64)&far64));
  far32.selector = 0x1f8;
  check("lfs.bad", with(kernel(lfs_it), (u64)&far32));
  struct context c = with(kernel(pop_fs), KDATA);
  check("pop.fs", c);
  print("pop.fs.rsp %llx\n", c.rsp - trap.rsp);
  check("pop.fs.bad", with(kernel(pop_fs), 0x1f8));
  print("pop.fs.bad.rsp %llx\n", c.rsp - trap.rsp);
  check("pop.gs16", with(kernel(pop_gs16), KDATA));
  print("pop.gs16.rsp %llx\n", c.rsp - trap.rsp);
  c = kernel(push_fs);
  c.fs = KDATA;
  check("push.fs", c);
  c = kernel(mov_sreg_mem);
  c.ds = KDATA;
  check("mov.mem.sreg", c);
  check("mov.r32.sreg", kernel(mov_sreg_reg32));
  check("mov.r16.sreg", kernel(mov_sreg_reg16));
  check("mov.r64.sreg", kernel(mov_sreg_reg64));
}

static void inspect(void) {
  static const struct { const char *name; const char *code; } kinds[] = {
      {"lar", lar_it}, {"lar16", lar16_it}, {"lar64", lar64_it}, {"lsl", lsl_it}};
  for (u32 i = 0; i < ARRAY(kinds); i++)
    for (u32 cpl = 0; cpl <= 3; cpl += 3) {
      print("%s.cpl%d.types", kinds[i].name, cpl);
      gdt[(S >> 3) + 1] = 0;
      for (u32 type = 0; type < 32; type++) {
        set_descriptor(S, 0x1000, 0x12345, 0xd080 | type | cpl << 5);
        struct context c = with(cpl ? user(kinds[i].code) : kernel(kinds[i].code), S | cpl);
        run(&c);
        if (trap.vector != EXIT_VECTOR) cell(S);
        else if (trap.r[RCX] & 1) print(" %llx", trap.r[RAX]);
        else print(" %s", trap.r[RAX] == ~0ull ? "no" : "changed");
      }
      put("\n");
    }
  print("lsl.granular");
  for (u32 g = 0; g < 2; g++) {
    set_descriptor(S, 0, 0xabcde, 0x4093 | g << 15);
    struct context c = with(kernel(lsl_it), S);
    run(&c);
    print(" %llx", trap.r[RAX]);
  }
  put("\n");
  static const struct { const char *name; const char *code; } verify[] = {{"verr", verr_it}, {"verw", verw_it}};
  for (u32 i = 0; i < 2; i++)
    for (u32 cpl = 0; cpl <= 3; cpl += 3) {
      print("%s.cpl%d ", verify[i].name, cpl);
      for (u32 type = 0; type < 32; type++) {
        set_descriptor(S, 0, 0xfffff, 0xc080 | type | cpl << 5);
        struct context c = with(cpl ? user(verify[i].code) : kernel(verify[i].code), S | cpl);
        run(&c);
        print("%d", (u32)trap.r[RAX] & 1);
      }
      put(" dpl/rpl ");
      for (u32 n = 0; n < 32; n++) {
        set_descriptor(S, 0, 0xfffff, 0xc080 | (n & 16 ? 0x1e : 0x13) | (n >> 2 & 3) << 5);
        struct context c = with(cpl ? user(verify[i].code) : kernel(verify[i].code), S | (n & 3));
        run(&c);
        print("%d", (u32)trap.r[RAX] & 1);
      }
      struct context c = with(cpl ? user(verify[i].code) : kernel(verify[i].code), 0);
      run(&c);
      print(" null %d", (u32)trap.r[RAX] & 1);
      c.r[RDI] = 0x1f8;
      run(&c);
      print(" empty %d", (u32)trap.r[RAX] & 1);
      c.r[RDI] = 0x2f8;
      run(&c);
      print(" beyond %d\n", (u32)trap.r[RAX] & 1);
    }
}

static void upper_half(const char *name, const char *code, u32 attributes) {
  set_descriptor(S, (u32)(uptr)&tss, sizeof tss - 1, attributes);
  gdt[(S >> 3) + 1] = 1ull << 40; /* a type in the upper half */
  print("%s.upper.type ", name);
  check("is", with(kernel(code), S));
  set_descriptor(S, (u32)(uptr)&tss, sizeof tss - 1, attributes);
  gdt[(S >> 3) + 1] = 0x00008000; /* base bit 47: not canonical */
  print("%s.noncanonical ", name);
  check("is", with(kernel(code), S));
}

static struct { u16 limit; u64 base; } __attribute__((packed)) table = {0xff, 0x800000000000};
static void tables(void) {
  static const struct { const char *name; const char *code; } kinds[] = {{"lldt", lldt_it}, {"ltr", ltr_it}};
  for (u32 i = 0; i < 2; i++) {
    print("%s.types ", kinds[i].name);
    for (u32 type = 0; type < 64; type++) {
      set_descriptor(S, (u32)(uptr)&tss, sizeof tss - 1, (type & 31) | (type & 32 ? 0 : 0x80));
      gdt[(S >> 3) + 1] = 0;
      struct context c = with(kernel(kinds[i].code), S);
      run(&c);
      cell(S);
      if ((type & 31) == 31) put("/");
    }
    put("\n");
    u32 good = i ? 0x89 : 0x82;
    set_descriptor(S, (u32)(uptr)&tss, sizeof tss - 1, good);
    gdt[(S >> 3) + 1] = 0;
    if (i == 0) check("lldt.null", with(kernel(kinds[i].code), 0)); /* LTR: its own section, QEMU does not survive it */
    print("%s.rpl ", kinds[i].name);
    check("is", with(kernel(kinds[i].code), S | 3));
    print("%s.ti ", kinds[i].name);
    check("is", with(kernel(kinds[i].code), S | 4));
    print("%s.user ", kinds[i].name);
    check("is", with(user(kinds[i].code), S));
    if (i == 0) upper_half("lldt", lldt_it, good);
    gdt[(S >> 3) + 1] = 0;
    set_descriptor(0x1f8, (u32)(uptr)&tss, sizeof tss - 1, good);
    print("%s.straddles.limit ", kinds[i].name);
    check("is", with(kernel(kinds[i].code), 0x1f8));
    gdt[0x1f8 >> 3] = 0;
    set_descriptor(S, (u32)(uptr)&tss, sizeof tss - 1, good);
    print("%s.good ", kinds[i].name);
    check("is", with(kernel(kinds[i].code), S));
    print("%s.descriptor.after %x\n", kinds[i].name, (u32)(gdt[S >> 3] >> 40 & 0xff));
  }
  /* LDT: a segment from it. */
  static u64 ldt[4];
  ldt[2] = 0x00cff3000000ffff;
  set_descriptor(S, (u32)(uptr)ldt, sizeof ldt - 1, 0x82);
  gdt[(S >> 3) + 1] = 0;
  struct context c = with(kernel(lldt_it), S);
  run(&c);
  check("ldt.load", with(kernel(mov_ds), 0x14));
  check("ldt.load.beyond", with(kernel(mov_ds), 0x24));
  check("ldt.load.empty", with(kernel(mov_ds), 0x0c));
  check("sldt", kernel(sldt_it));
  check("str", kernel(str_it));
  c = with(kernel(lldt_it), 0);
  run(&c);
  check("ldt.load.none", with(kernel(mov_ds), 0x14));
  set_descriptor(TSS_SELECTOR, (u32)(uptr)&tss, sizeof tss - 1, 0x89);
  __asm__ volatile("ltr %w0" ::"r"(TSS_SELECTOR));
  for (u32 umip = 0; umip < 2; umip++) {
    if (umip) lcr4(rcr4() | CR4_UMIP);
    print("umip%d", umip);
    check(".sldt", user(sldt_it));
    print("umip%d", umip);
    check(".str", user(str_it));
    print("umip%d", umip);
    struct context u = user(smsw_it);
    run(&u);
    trap.r[RAX] &= 0xffffffff;
    report(".smsw", &u);
    print("umip%d", umip);
    u = user(sidt_it);
    run(&u);
    trap.r[RAX] = 0;
    report(".sidt", &u);
  }
  lcr4(rcr4() & ~(u64)CR4_UMIP);
  check("lgdt.user", with(user(lgdt_it), (u64)&table));
}

static struct { u64 offset; u16 selector; } __attribute__((packed)) far64;
static struct { u32 offset; u16 selector; } __attribute__((packed)) far32;

static void far_one(const char *code, u32 cpl, u64 offset, u16 selector) {
  u64 alias = cpl ? USER_ALIAS : 0;
  far64.offset = offset;
  far64.selector = far32.selector = selector;
  far32.offset = (u32)offset;
  u64 operand = (code == ljmp64_it || code == lcall64_it ? (u64)&far64 : (u64)&far32) + alias;
  struct context c = with(cpl ? user(code) : kernel(code), operand);
  run(&c);
}
static void far_transfers(void) {
  static const struct { const char *name; const char *code; } kinds[] = {
      {"ljmp", ljmp_it}, {"ljmp64", ljmp64_it}, {"lcall", lcall_it}, {"lcall64", lcall64_it}};
  for (u32 i = 0; i < ARRAY(kinds); i++)
    for (u32 cpl = 0; cpl <= 3; cpl += 3) {
      u64 target = (u64)landing + (cpl ? USER_ALIAS : 0);
      print("%s.cpl%d.types ", kinds[i].name, cpl);
      for (u32 type = 0; type < 64; type++) {
        if ((type & 31) == 12) { put("x"); continue; } /* call gate: below */
        set_descriptor(S, 0, 0xfffff, 0xa000 | (type & 31) | cpl << 5 | (type & 32 ? 0 : 0x80));
        gdt[(S >> 3) + 1] = 0;
        far_one(kinds[i].code, cpl, target, S | cpl);
        cell(S);
      }
      put("\n");
      for (u32 conforming = 0; conforming < 2; conforming++) {
        print("%s.cpl%d.%s ", kinds[i].name, cpl, conforming ? "conforming" : "code");
        for (u32 n = 0; n < 16; n++) {
          set_descriptor(S, 0, 0xfffff, 0xa09b | (conforming ? 4 : 0) | (n >> 2) << 5);
          far_one(kinds[i].code, cpl, target, S | (n & 3));
          cell(S);
          if (trap.vector == EXIT_VECTOR) print("%x", (u32)trap.cs & 3);
        }
        put("\n");
      }
      set_descriptor(S, 0, 0xfffff, 0xe09b | cpl << 5); /* L and D */
      print("%s.cpl%d ld ", kinds[i].name, cpl);
      far_one(kinds[i].code, cpl, target, S | cpl);
      cell(S);
      set_descriptor(S, 0, 0, 0x409b | cpl << 5); /* 32-bit, limit 0 */
      put(" limit ");
      far_one(kinds[i].code, cpl, target, S | cpl);
      cell(S);
      set_descriptor(S, 0, 0xfffff, 0xc09b | cpl << 5);
      put(" compat ");
      far_one(kinds[i].code, cpl, target, S | cpl);
      cell(S);
      print("(%x) null ", (u32)trap.cs == (S | cpl));
      far_one(kinds[i].code, cpl, target, 0);
      cell(0);
      if (i & 1) {
        put(" noncanonical ");
        set_descriptor(S, 0, 0xfffff, 0xa09b | cpl << 5);
        far_one(kinds[i].code, cpl, 0x800000000000, S | cpl);
        cell(S);
      }
      put("\n");
    }
}

static void call_gate(u64 offset, u16 selector, u32 dpl, u32 type) {
  gdt[S >> 3] = (u64)((u32)(offset & 0xffff0000) | 0x8000 | dpl << 13 | type << 8) << 32 | (u32)selector << 16 | (offset & 0xffff);
  gdt[(S >> 3) + 1] = offset >> 32;
}
#define S2 (FREE_SELECTOR + 0x18)
static void call_gates(void) {
  u64 in = (u64)landing;
  call_gate(in, KCODE, 3, 12);
  far_one(lcall_it, 3, 0, S | 3);
  print("gate.inner vector %x cs %x ss %x rsp %llx\n", (u32)trap.vector, (u32)trap.cs, (u32)trap.ss, tss.rsp[0] - trap.rsp);
  u64 *stack = (u64 *)(tss.rsp[0] - 32);
  print("gate.inner.frame %llx %llx %llx %llx\n", stack[0] - (u64)lcall_it - USER_ALIAS, stack[1],
        stack[2] - (u64)user_stack - USER_ALIAS, stack[3]);
  far_one(ljmp_it, 3, 0, S | 3);
  put("gate.jmp.inner ");
  cell(KCODE);
  put("\n");
  for (u32 dpl = 0; dpl < 4; dpl++)
    for (u32 rpl = 0; rpl < 4; rpl++) {
      call_gate(in, KCODE, dpl, 12);
      far_one(lcall_it, 3, 0, S | rpl);
      print("%s", dpl == 0 && rpl == 0 ? "gate.dpl.rpl " : "");
      cell(S);
    }
  put("\n");
  call_gate(in, KCODE, 0, 12);
  far_one(lcall_it, 0, 0, S);
  print("gate.same vector %x cs %x ss %x\n", (u32)trap.vector, (u32)trap.cs, (u32)trap.ss);
  far_one(ljmp_it, 0, 0, S);
  print("gate.jmp.same vector %x cs %x\n", (u32)trap.vector, (u32)trap.cs);
  call_gate(in + USER_ALIAS, UCODE, 3, 12);
  far_one(lcall_it, 3, 0, S | 3);
  print("gate.user.user vector %x cs %x\n", (u32)trap.vector, (u32)trap.cs);
  put("gate.errors ");
  call_gate(in, KCODE, 3, 4);
  far_one(lcall_it, 3, 0, S | 3);
  cell(S); /* a 16-bit gate */
  call_gate(in, 0, 3, 12);
  far_one(lcall_it, 3, 0, S | 3);
  cell(S); /* null target */
  call_gate(in, KDATA, 3, 12);
  far_one(lcall_it, 3, 0, S | 3);
  cell(KDATA);
  call_gate(in, KCODE32, 3, 12);
  far_one(lcall_it, 3, 0, S | 3);
  cell(KCODE32); /* not 64-bit */
  call_gate(in, UCODE, 3, 12);
  far_one(lcall_it, 0, 0, S);
  cell(UCODE); /* DPL above CPL */
  call_gate(in, 0x2f8, 3, 12);
  far_one(lcall_it, 3, 0, S | 3);
  cell(0x2f8);
  set_descriptor(S2, 0, 0xfffff, 0xa01b);
  call_gate(in, S2, 3, 12);
  far_one(lcall_it, 3, 0, S | 3);
  cell(S2); /* target not present */
  call_gate(in, KCODE, 3, 12);
  gdt[S >> 3] &= ~(0x8000ull << 32);
  far_one(lcall_it, 3, 0, S | 3);
  cell(S); /* gate not present */
  call_gate(0x800000000000, KCODE, 3, 12);
  far_one(lcall_it, 3, 0, S | 3);
  cell(S); /* target not canonical */
  call_gate(in, KCODE, 3, 12);
  gdt[(S >> 3) + 1] |= 1ull << 40;
  far_one(lcall_it, 3, 0, S | 3);
  cell(S); /* type in the upper half */
  call_gate(in, KCODE, 3, 12);
  tss.rsp[0] ^= 1ull << 47;
  far_one(lcall_it, 3, 0, S | 3);
  cell(S); /* RSP0 not canonical */
  tss.rsp[0] ^= 1ull << 47;
  put("\n");
  /* Conforming target: the level stays. */
  set_descriptor(S2, 0, 0xfffff, 0xa09f);
  call_gate(in + USER_ALIAS, S2, 3, 12);
  far_one(lcall_it, 3, 0, S | 3);
  print("gate.conforming vector %x cs %x\n", (u32)trap.vector, (u32)trap.cs);
}

/* QEMU loads TR with these, and survives none. */
void ltr_null_tests(void) { check("ltr.null", with(kernel(ltr_it), 0)); }
void lgdt_tests(void) { check("lgdt.noncanonical", with(kernel(lgdt_it), (u64)&table)); }
void ltr_upper_tests(void) { upper_half("ltr", ltr_it, 0x89); }

static void far_returns(void) {
  u64 *stack = (u64 *)(test_stack + STACK_BYTES - 64);
  static const struct { const char *name; u16 cs; u16 ss; u64 rip; } cases[] = {
      {"same", KCODE, 0, 0},          {"outer", UCODE, UDATA, 0},       {"outer.compat", UCODE32, UDATA, 0},
      {"same.compat", KCODE32, 0, 0}, {"null", 0, 0, 0},                {"data", KDATA, 0, 0},
      {"rpl.above", KCODE | 3, UDATA, 0}, {"outer.null.ss", UCODE, 3, 0}, {"outer.ss.rpl", UCODE, UDATA & ~3, 0},
      {"outer.ss.code", UCODE, UCODE, 0}, {"outer.ss.kernel", UCODE, KDATA | 3, 0}, {"beyond", 0x2f8, UDATA, 0},
      {"noncanonical", KCODE, 0, 0x800000000000}, {"outer.noncanonical", UCODE, UDATA, 0x800000000000},
      {"outer.rpl1", UCODE - 2, UDATA, 0}, {"compat.limit", UCODE32, UDATA, 0x100000000},
  };
  for (u32 i = 0; i < ARRAY(cases); i++)
    for (u32 form = 0; form < 3; form++) {
      u32 outer = (cases[i].cs & 3) == 3;
      u64 rip = cases[i].rip ? cases[i].rip : (u64)landing + (outer ? USER_ALIAS : 0);
      fill(stack, 0, 64);
      u64 ursp = (u64)user_stack + USER_ALIAS + 2048;
      if (form == 1) {
        u32 *s = (u32 *)stack;
        s[0] = (u32)rip, s[1] = cases[i].cs, s[2] = (u32)ursp, s[3] = cases[i].ss;
      } else {
        stack[0] = rip, stack[1] = cases[i].cs;
        u32 skip = form == 2 ? 2 : 0;
        stack[2 + skip] = ursp, stack[3 + skip] = cases[i].ss;
      }
      if (form == 1 && cases[i].rip) continue;
      struct context c = kernel(form == 0 ? retf_it : form == 1 ? retf32_it : retf_pop_it);
      c.rsp = (u64)stack;
      c.ds = KDATA, c.es = UDATA, c.fs = KDATA, c.gs = 0;
      run(&c);
      print("retf%s.%s ", form == 0 ? "q" : form == 1 ? "l" : "q.imm", cases[i].name);
      put_vector((u32)trap.vector, (u32)trap.error);
      print(" cs %x ss %x rsp %llx\n", (u32)trap.cs, (u32)trap.ss, outer && trap.vector == EXIT_VECTOR ? trap.rsp - ursp : trap.rsp - (u64)stack);
    }
}

void segment_tests(void) {
  load_matrix();
  accessed_bit();
  bases();
  forms();
  inspect();
  tables();
  far_transfers();
  call_gates();
  far_returns();
}
