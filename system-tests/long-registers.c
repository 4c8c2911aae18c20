/*
 * Control registers, EFER, MSRs, XCR0 and the instructions that privilege or a control register turns off: SDM 3A 2.5, 2B MOV CRn,
 * WRMSR, SDM 4 table 2-2.
 */
#include "long.h"

SNIPPET(to_cr0, "movq %rdi, %cr0")
SNIPPET(to_cr3, "movq %rdi, %cr3")
SNIPPET(to_cr4, "movq %rdi, %cr4")
SNIPPET(to_cr8, "movq %rdi, %cr8\n movq %cr8, %rax")
SNIPPET(from_cr0, "movq %cr0, %rax")
SNIPPET(from_cr3, "movq %cr3, %rax")
SNIPPET(from_cr8, "movq %cr8, %rax")
SNIPPET(from_cr1, ".byte 0x0f, 0x20, 0xc8")
SNIPPET(from_cr5, ".byte 0x0f, 0x20, 0xe8")
SNIPPET(to_cr1, ".byte 0x0f, 0x22, 0xc8")
SNIPPET(to_cr7, ".byte 0x0f, 0x22, 0xf8")
SNIPPET(from_cr9, ".byte 0x44, 0x0f, 0x20, 0xc8")
SNIPPET(from_cr15, ".byte 0x44, 0x0f, 0x20, 0xf8")
SNIPPET(mod0_cr0, ".byte 0x0f, 0x20, 0x00")
SNIPPET(lmsw_it, "lmsw %di\n movq %cr0, %rax\n movq %rsi, %cr0")
SNIPPET(smsw32_it, "movq $-1, %rax\n smswl %eax\n andl $0x3f, %eax")
SNIPPET(smsw16_it, "movq $-1, %rax\n smsww %ax\n andq $~0xc0, %rax")
SNIPPET(clts_it, "clts")
SNIPPET(rdmsr_it, "rdmsr\n xorl %eax, %eax")
SNIPPET(wrmsr_it, "wrmsr")
SNIPPET(rdtsc_it, "rdtsc\n xorl %eax, %eax")
SNIPPET(rdtscp_it, "rdtscp\n movl %ecx, %eax")
SNIPPET(rdpmc_it, "rdpmc")
SNIPPET(cli_it, "cli")
SNIPPET(sti_it, "sti\n cli")
SNIPPET(hlt_it, "hlt")
SNIPPET(invd_it, "invd")
SNIPPET(wbinvd_it, "wbinvd")
SNIPPET(in_it, "inb $0x80, %al\n xorl %eax, %eax")
SNIPPET(out_it, "outb %al, $0x80")
SNIPPET(inw_it, "movw $0x80, %dx\n inw %dx, %ax\n xorl %eax, %eax")
SNIPPET(insb_it, "movw $0x80, %dx\n insb")
SNIPPET(monitor_it, "monitor")
SNIPPET(mwait_it, "mwait")
SNIPPET(stac_it, "stac\n clac")
SNIPPET(xgetbv_it, "xgetbv")
SNIPPET(xsetbv_it, "xsetbv")
SNIPPET(xsave_it, "movl $7, %eax\n xsave (%rdi)")
SNIPPET(xrstor_it, "movl $3, %eax\n xorl %edx, %edx\n xrstor (%rdi)")
SNIPPET(invpcid_it, "invpcid (%rsi), %rdi")
SNIPPET(swapgs_it, "swapgs")
SNIPPET(lidt_it, "lidt (%rdi)")
SNIPPET(invlpg_it, "invlpg (%rdi)")
SNIPPET(fx_it, "fld1\n fstp %st(0)")
SNIPPET(sse_it, "pxor %xmm0, %xmm0")
SNIPPET(mmx_it, "pxor %mm0, %mm0\n emms")
SNIPPET(wait_it, "wait")
SNIPPET(ldmxcsr_it, "pushq %rdi\n ldmxcsr (%rsp)\n popq %rax\n pushq $0x1f80\n ldmxcsr (%rsp)\n popq %rcx")
SNIPPET(fxsave_plain, "fxsave (%rdi)")
SNIPPET(fxrstor_plain, "fxrstor (%rdi)")
SNIPPET(fence_it, "mfence\n lfence\n sfence")
SNIPPET(prefetch_it, "prefetcht0 (%rdi)")

static struct context with(struct context c, u64 rdi) {
  c.r[RDI] = rdi;
  return c;
}
static struct context msr(const char *code, u32 index, u64 value) {
  struct context c = kernel(code);
  c.r[RCX] = index;
  c.r[RAX] = (u32)value;
  c.r[RDX] = value >> 32;
  return c;
}

static void control_registers(void) {
  u64 cr0 = rcr0(), cr3 = rcr3(), cr4 = rcr4();
  static const struct { const char *name; u64 flip; } cr0s[] = {
      {"nw", CR0_NW}, {"nw.cd", CR0_NW | CR0_CD}, {"bit32", 1ull << 32}, {"bit63", 1ull << 63},
      {"reserved", 0x10}, {"bit6", 0x40},
  };
  for (u32 i = 0; i < ARRAY(cr0s); i++) {
    print("cr0.%s", cr0s[i].name);
    struct context c = with(kernel(to_cr0), cr0 ^ cr0s[i].flip);
    run(&c);
    u64 now = rcr0();
    lcr0(cr0);
    print(" flipped %llx", now ^ cr0);
    report("", &c);
  }
  static const u64 cr4s[] = {CR4_PCIDE, CR4_TSD, CR4_SMEP | CR4_SMAP, CR4_UMIP, CR4_FSGSBASE, CR4_OSXSAVE, CR4_PGE, CR4_PCE, CR4_DE};
  for (u32 i = 0; i < ARRAY(cr4s); i++) {
    print("cr4.%llx", cr4s[i]);
    struct context c = with(kernel(to_cr4), cr4 ^ cr4s[i]);
    run(&c);
    u64 now = rcr4();
    lcr4(cr4);
    print(" flipped %llx", now ^ cr4);
    report("", &c);
  }
  static const u64 cr3s[] = {0x18, 0xfff};
  for (u32 i = 0; i < ARRAY(cr3s); i++) {
    struct context c = with(kernel(to_cr3), cr3 | cr3s[i]);
    run(&c);
    u64 now = rcr3();
    lcr3(cr3);
    print("cr3.%llx kept %llx", cr3s[i], now & ~cr3);
    report("", &c);
  }
  static const u64 cr8s[] = {0, 15, 16, 1ull << 63};
  for (u32 i = 0; i < ARRAY(cr8s); i++) {
    print("cr8.%llx", cr8s[i]);
    check("", with(kernel(to_cr8), cr8s[i]));
    lcr8(0);
  }
  static const struct { const char *name; const char *code; } odd[] = {
      {"from.cr1", from_cr1}, {"from.cr5", from_cr5}, {"to.cr1", to_cr1}, {"to.cr7", to_cr7}, {"from.cr9", from_cr9},
      {"from.cr15", from_cr15}, {"mod0", mod0_cr0}};
  for (u32 i = 0; i < ARRAY(odd); i++) {
    print("cr.%s", odd[i].name);
    struct context c = kernel(odd[i].code);
    run(&c);
    trap.r[RAX] = 0;
    report("", &c);
    print("cr.user.%s", odd[i].name);
    c = user(odd[i].code);
    run(&c);
    report("", &c);
  }
  for (u32 i = 0; i < 8; i++) {
    struct context c = with(kernel(lmsw_it), i << 1 | (i & 1));
    c.r[RSI] = cr0;
    run(&c);
    print("lmsw.%x %llx\n", (u32)c.r[RDI], trap.r[RAX] ^ cr0);
  }
  check("smsw32", user(smsw32_it));
  check("smsw16", user(smsw16_it));
  lcr0(cr0 | CR0_TS);
  check("clts", kernel(clts_it));
  print("clts.cr0 %llx\n", rcr0() ^ cr0);
}

static void privileged(void) {
  static const struct { const char *name; const char *code; } list[] = {
      {"mov.cr0", from_cr0}, {"mov.cr3", from_cr3}, {"mov.cr8", from_cr8}, {"to.cr8", to_cr8}, {"clts", clts_it},
      {"rdmsr", rdmsr_it}, {"wrmsr", wrmsr_it}, {"rdpmc", rdpmc_it}, {"cli", cli_it}, {"sti", sti_it}, {"hlt", hlt_it},
      {"invd", invd_it}, {"wbinvd", wbinvd_it}, {"in", in_it}, {"out", out_it}, {"ins", insb_it}, {"monitor", monitor_it},
      {"mwait", mwait_it}, {"stac", stac_it}, {"xsetbv", xsetbv_it}, {"invpcid", invpcid_it}, {"swapgs", swapgs_it},
      {"lidt", lidt_it}, {"lmsw", lmsw_it}, {"invlpg", invlpg_it}, {"rdtsc", rdtsc_it},
  };
  for (u32 i = 0; i < ARRAY(list); i++) {
    print("user.%s", list[i].name);
    struct context c = with(user(list[i].code), (u64)user_stack + USER_ALIAS);
    run(&c);
    trap.r[RAX] = 0;
    report("", &c);
  }
  for (u32 iopl = 0; iopl < 4; iopl++) {
    struct context c = user(cli_it);
    c.rflags = 0x202 | iopl << 12;
    print("iopl%d.cli %x in %x\n", iopl, vector_of(c), (c.rip = (u64)in_it + USER_ALIAS, vector_of(c)));
  }
  /* The I/O permission map. */
  tss.bitmap[0x80 / 8] = 0xfe;
  check("iomap.byte", user(in_it));
  check("iomap.word", user(inw_it));
  tss.bitmap[0x80 / 8] = 0xfc;
  check("iomap.word.both", user(inw_it));
  tss.bitmap[0x80 / 8] = 0xff;
  tss.iomap = 0xffff;
  check("iomap.beyond", user(in_it));
  tss.iomap = __builtin_offsetof(struct tss, bitmap);
  lcr4(rcr4() | CR4_TSD);
  check("tsd.user", user(rdtsc_it));
  check("tsd.kernel", kernel(rdtsc_it));
  check("tsd.rdtscp.user", user(rdtscp_it));
  lcr4(rcr4() & ~(u64)CR4_TSD);
  wrmsr(0xc0000103, 0x55);
  check("rdtscp.aux", user(rdtscp_it));
  lcr4(rcr4() | CR4_PCE);
  check("rdpmc.bad", with(kernel(rdpmc_it), 0));
  lcr4(rcr4() & ~(u64)CR4_PCE);
}

static void msrs(void) {
  static const u32 unknown[] = {0x0, 0x12345, 0x40000000, 0xc0001000, 0xffffffff};
  for (u32 i = 0; i < ARRAY(unknown); i++) {
    struct context c = msr(rdmsr_it, unknown[i], 0);
    print("rdmsr.%x v%x", unknown[i], vector_of(c));
    c = msr(wrmsr_it, unknown[i], 0);
    print(" wrmsr v%x\n", vector_of(c));
  }
  static const struct { const char *name; u32 index; u64 value; } bad[] = {
      {"efer.reserved", 0xc0000080, 1ull << 20}, {"efer.bit9", 0xc0000080, 0xd00 | 0x200}, {"efer.lme.off", 0xc0000080, 0x801},
      {"lstar", 0xc0000082, 0x800000000000}, {"cstar", 0xc0000083, 0x800000000000}, {"fmask.high", 0xc0000084, 1ull << 32},
      {"fs.base", 0xc0000100, 0x800000000000}, {"gs.base", 0xc0000101, 0x8000000000000000}, {"kernel.gs", 0xc0000102, 0x800000000000},
      {"sysenter.esp", 0x175, 0x800000000000}, {"sysenter.eip", 0x176, 0x800000000000}, {"pat.type2", 0x277, 0x0007040600070402},
      {"pat.type3", 0x277, 0x0307040600070406}, {"pat.8", 0x277, 0x0807040600070406}, {"apic.base.reserved", 0x1b, 0xfee00901},
      {"mtrrcap", 0xfe, 0}, {"mtrr.type", 0x2ff, 2}, {"tsc.aux.high", 0xc0000103, 1ull << 32}, {"mtrr.fixed", 0x250, 0x02},
      {"mtrr.base.type", 0x200, 3}, {"star", 0xc0000081, ~0ull},
  };
  for (u32 i = 0; i < ARRAY(bad); i++) {
    print("wrmsr.%s", bad[i].name);
    u64 before = bad[i].index == 0xfe ? 0 : rdmsr(bad[i].index);
    struct context c = msr(wrmsr_it, bad[i].index, bad[i].value);
    run(&c);
    print(" v%x\n", (u32)trap.vector);
    if (bad[i].index != 0xfe) wrmsr(bad[i].index, before);
  }
  struct context c = msr(wrmsr_it, 0x10, 0);
  c.r[RCX] |= 0xdeadbeef00000000; /* only ECX counts */
  c.r[RCX] = 0xdeadbeefc0000102;
  c.r[RAX] = 0xffffffff00001234;
  c.r[RDX] = 0xffffffff00000000;
  run(&c);
  print("wrmsr.upper.ignored %llx\n", rdmsr(0xc0000102));
  c = msr(rdmsr_it, 0xc0000102, 0);
  c.r[RAX] = c.r[RDX] = ~0ull;
  run(&c);
  print("rdmsr.zero.extends %llx\n", trap.r[RDX]);
}

/* CR0.EM, TS, MP, NE and CR4.OSFXSR against kinds of instruction: SDM 3A tables 2-2, 13-1. */
static void fpu_switches(void) {
  static const struct { const char *name; const char *code; } kinds[] = {
      {"x87", fx_it}, {"wait", wait_it}, {"mmx", mmx_it}, {"sse", sse_it}, {"fxsave", fxsave_plain}, {"ldmxcsr", ldmxcsr_it},
      {"fence", fence_it}, {"prefetch", prefetch_it}};
  u64 cr0 = rcr0(), cr4 = rcr4();
  static u8 area[512] __attribute__((aligned(64)));
  for (u32 k = 0; k < ARRAY(kinds); k++) {
    print("fpu.%s", kinds[k].name);
    for (u32 n = 0; n < 16; n++) {
      lcr4(n & 8 ? cr4 & ~(u64)CR4_OSFXSR : cr4);
      lcr0((cr0 & ~(u64)(CR0_EM | CR0_TS | CR0_MP)) | (n & 1 ? CR0_EM : 0) | (n & 2 ? CR0_TS : 0) | (n & 4 ? CR0_MP : 0));
      struct context c = with(kernel(kinds[k].code), kinds[k].code == ldmxcsr_it ? 0x1f80 : (u64)area);
      run(&c);
      lcr0(cr0 & ~(u64)CR0_TS);
      lcr4(cr4);
      print(" %x", (u32)trap.vector);
    }
    put("\n");
  }
  check("ldmxcsr.reserved", with(kernel(ldmxcsr_it), 0x10000));
  check("fxsave.unaligned", with(kernel(fxsave_plain), (u64)area + 8));
  *(u32 *)(area + 24) = 0x10000;
  check("fxrstor.mxcsr", with(kernel(fxrstor_plain), (u64)area));
  /* XSAVE's switch. */
  check("xgetbv.off", kernel(xgetbv_it));
  check("xsave.off", with(kernel(xsave_it), (u64)area));
  lcr4(rcr4() | CR4_OSXSAVE);
  check("xgetbv", kernel(xgetbv_it));
  struct context c = kernel(xgetbv_it);
  c.r[RCX] = 5;
  check("xgetbv.5", c);
  static const u64 xcr0[] = {0, 2, 1, 3, 1 | 4, 1ull << 63 | 1, 1 | 2 | 8};
  for (u32 i = 0; i < ARRAY(xcr0); i++) {
    c = kernel(xsetbv_it);
    c.r[RAX] = (u32)xcr0[i];
    c.r[RDX] = xcr0[i] >> 32;
    print("xsetbv.%llx v%x\n", xcr0[i], vector_of(c));
  }
  c = kernel(xsetbv_it);
  c.r[RAX] = 3;
  run(&c);
  c.r[RCX] = 1;
  print("xsetbv.1 v%x\n", vector_of(c));
  c = user(xsetbv_it);
  print("xsetbv.user v%x\n", vector_of(c));
  static u8 xarea[1024] __attribute__((aligned(64)));
  fill(xarea, 0, sizeof xarea);
  c = with(kernel(xsave_it), (u64)xarea);
  run(&c);
  print("xsave v%x bv %llx comp %llx\n", (u32)trap.vector, *(u64 *)(xarea + 512) & 1, *(u64 *)(xarea + 520));
  check("xsave.unaligned", with(kernel(xsave_it), (u64)xarea + 16));
  static const struct { const char *name; u32 at; u64 value; } headers[] = {
      {"fine", 512, 3}, {"bv.4", 512, 4 | 3}, {"bv.63", 512, 1ull << 63}, {"comp.63", 520, 1ull << 63}, {"comp.1", 520, 1},
      {"reserved", 528, 1}};
  for (u32 i = 0; i < ARRAY(headers); i++) {
    fill(xarea + 512, 0, 64);
    fill(xarea, 0, 512);
    *(u32 *)(xarea + 24) = 0x1f80;
    xarea[0] = 0x7f, xarea[1] = 3;
    *(u64 *)(xarea + headers[i].at) = headers[i].value;
    c = with(kernel(xrstor_it), (u64)xarea);
    print("xrstor.%s v%x\n", headers[i].name, vector_of(c));
  }
  lcr0(rcr0() | CR0_TS);
  check("xsave.ts", with(kernel(xsave_it), (u64)xarea));
  lcr0(rcr0() & ~(u64)CR0_TS);
  lcr4(rcr4() & ~(u64)CR4_OSXSAVE);
}

/* QEMU leaves paging or protection on the spot. */
void cr0_tests(void) {
  static const u64 reserved[] = {1ull << 32, 1ull << 63, 1 << 15, 1 << 19, 1ull << 31};
  for (u32 i = 0; i < ARRAY(reserved); i++) {
    print("cr4.%llx ", reserved[i]);
    check("is", with(kernel(to_cr4), rcr4() | reserved[i]));
  }
  static const u64 cr3s[] = {1ull << 63, 1ull << 52, 1ull << 40};
  for (u32 i = 0; i < ARRAY(cr3s); i++) {
    print("cr3.%llx ", cr3s[i]);
    check("is", with(kernel(to_cr3), rcr3() | cr3s[i]));
  }
  check("cr4.pae", with(kernel(to_cr4), rcr4() & ~(u64)CR4_PAE));
  check("cr0.pg", with(kernel(to_cr0), rcr0() & ~(u64)CR0_PG));
  check("cr0.pe", with(kernel(to_cr0), rcr0() & ~(u64)CR0_PE));
}

void register_tests(void) {
  control_registers();
  privileged();
  msrs();
  fpu_switches();
}
