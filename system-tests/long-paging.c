/*
 * Paging, SDM 3A chapter 4: access rights with exact error codes, accessed and dirty flags, reserved bits, page sizes,
 * what the TLB may keep, accesses that cross into a page that faults.
 */
#include "long.h"

SNIPPET(load, "movl (%rdi), %eax")
SNIPPET(store, "movl %ecx, (%rdi)")
SNIPPET(load1, "movb (%rdi), %al")
SNIPPET(jump, "jmp *%rdi")
SNIPPET(stac_load, "stac\n movl (%rdi), %eax")
SNIPPET(add_memory, "addq %rcx, (%rdi)")
SNIPPET(cmpxchg_fail, "xorl %eax, %eax\n cmpxchgq %rcx, (%rdi)")
SNIPPET(cmpxchg16, "lock cmpxchg16b (%rdi)")
SNIPPET(push_it, "pushq %rcx")
SNIPPET(pop_it, "popq (%rdi)")
SNIPPET(push_memory, "pushq (%rdi)")
SNIPPET(call_memory, "call *(%rdi)")
SNIPPET(movs_it, "rep movsb")
SNIPPET(stos_it, "rep stosq")
SNIPPET(cmps_it, "repe cmpsb")
SNIPPET(xchg_it, "xchgq %rcx, (%rdi)")
SNIPPET(fxsave_it, "fxsave (%rdi)")
SNIPPET(fxrstor_it, "fxrstor (%rdi)")
SNIPPET(movdqu_store, "movdqu %xmm0, (%rdi)")
SNIPPET(bts_it, "btsq %rcx, (%rdi)")
SNIPPET(enter_it, "enter $64, $4")
SNIPPET(sgdt_it, "sgdt (%rdi)")
SNIPPET(prefetch_it, "prefetcht0 (%rdi)\n nopl (%rdi)")
SNIPPET(clflush_it, "clflush (%rdi)")
SNIPPET(invlpg_it, "invlpg (%rdi)")
SNIPPET(fnstenv_it, "fnstenv (%rdi)")
SNIPPET(verr_it, "verr (%rdi)")

#define PAGE_OF(n) (WINDOW + (n) * 4096ull)

static struct context at(struct context c, u64 rdi) {
  c.r[RDI] = rdi;
  c.r[RSI] = rdi;
  c.r[RCX] = 0x11;
  return c;
}
/* "--" or the error code in hex; "??" for another vector or a wrong CR2. */
static void put_code(struct context c, u64 address) {
  run(&c);
  if (trap.vector == 14 && trap.cr2 == address) print("%x%x", (u32)trap.error >> 4 & 15, (u32)trap.error & 15);
  else put(trap.vector == EXIT_VECTOR ? "--" : "??");
}

/* The page's first bytes: INT 0x80, so that it can be executed. */
static void make_executable(u64 physical) {
  u8 *p = (u8 *)physical;
  p[0] = 0xcd;
  p[1] = EXIT_VECTOR;
}

/* All of P, R/W, U/S of the leaf, R/W, U/S of an upper entry, NX of leaf: 64 leaves a line. */
static void matrix(const char *size, u64 *upper, u64 *leaf, u64 leaf_value) {
  u64 upper_value = *upper;
  make_executable(leaf_value & 0x000ffffffffff000);
  for (u32 mode = 0; mode < 16; mode++) {
    u32 wp = mode & 1, smep = mode >> 1 & 1, smap = mode >> 2 & 1, ac = mode >> 3 & 1;
    if (ac && !smap) continue;
    for (u32 who = 0; who < 6; who++) {
      u32 is_user = who & 1, access = who >> 1;
      if (is_user && (smep || smap)) continue;
      if (access != 2 && smep) continue;
      if (access == 2 && (smap || wp)) continue;
      if (is_user && wp && access != 1) continue;
      print("%s.%s%s%s%s%s.%s.%s ", size, wp ? "wp" : "-", smep ? "smep" : "-", smap ? "smap" : "-", ac ? "ac" : "-", "",
            is_user ? "user" : "kernel", access == 0 ? "read" : access == 1 ? "write" : "execute");
      for (u32 bits = 0; bits < 64; bits++) {
        *upper = (upper_value & ~7ull) | PTE_P | (bits & 1 ? PTE_W : 0) | (bits & 2 ? PTE_U : 0);
        *leaf = leaf_value | (bits & 4 ? PTE_P : 0) | (bits & 8 ? PTE_W : 0) | (bits & 16 ? PTE_U : 0) | (bits & 32 ? PTE_NX : 0);
        invlpg(WINDOW);
        u64 cr0 = rcr0(), cr4 = rcr4();
        lcr0(wp ? cr0 | CR0_WP : cr0 & ~(u64)CR0_WP);
        lcr4((cr4 & ~(u64)(CR4_SMEP | CR4_SMAP)) | (smep ? CR4_SMEP : 0) | (smap ? CR4_SMAP : 0));
        const char *code = access == 0 ? load : access == 1 ? store : jump;
        struct context c = at(is_user ? user(code) : kernel(code), WINDOW + (access == 1 ? 64 : 0));
        if (ac) c.rflags |= FL_AC;
        put_code(c, c.r[RDI]);
        lcr4(cr4);
        lcr0(cr0);
      }
      put("\n");
    }
  }
  *upper = upper_value;
}

static void rights(void) {
  matrix("4k", &window_pd[0], &window_pt[0], (u64)pool);
  reset_window();
  matrix("2m", &window_pdpt[0], &window_pd[0], (u64)pool | PTE_PS);
  reset_window();
  window_pdpt[0] = 0;
  u64 upper = pml4[1];
  make_executable(0); /* the 1 GiB page begins at 0 */
  matrix("1g", &pml4[1], &window_pdpt[0], 0 | PTE_PS);
  pml4[1] = upper;
  reset_window();
  /* NX of upper levels, NXE off: bit 63 is reserved. */
  window_pd[0] |= PTE_NX;
  invlpg(WINDOW);
  check("nx.pd", at(kernel(jump), WINDOW));
  check("nx.pd.read", at(kernel(load), WINDOW));
  wrmsr(0xc0000080, rdmsr(0xc0000080) & ~(u64)EFER_NXE);
  check("nx.pd.off", at(kernel(load), WINDOW));
  check("nx.pd.off.user", at(user(store), WINDOW));
  check("nx.pd.off.execute", at(user(jump), WINDOW));
  window_pd[0] &= ~PTE_NX;
  window_pt[0] &= ~(PTE_P | PTE_U);
  invlpg(WINDOW);
  check("nxe.off.execute", at(user(jump), WINDOW)); /* no I bit without NXE and SMEP */
  lcr4(rcr4() | CR4_SMEP);
  check("nxe.off.smep.execute", at(user(jump), WINDOW));
  lcr4(rcr4() & ~(u64)CR4_SMEP);
  wrmsr(0xc0000080, rdmsr(0xc0000080) | EFER_NXE);
  reset_window();
}

static void reserved(void) {
  /* MAXPHYADDR is 40 on both machines. */
  static const struct { const char *name; u64 *entry; u64 bits; } cases[] = {
      {"rsvd.pml4.ps", &pml4[1], PTE_PS},
      {"rsvd.pml4.g", &pml4[1], PTE_G},
      {"rsvd.pml4.bit51", &pml4[1], 1ull << 51},
      {"rsvd.pml4.bit40", &pml4[1], 1ull << 40},
      {"rsvd.pml4.bit52", &pml4[1], 1ull << 52},
      {"rsvd.pdpt.bit51", &window_pdpt[0], 1ull << 51},
      {"rsvd.pdpt.g", &window_pdpt[0], PTE_G},
      {"rsvd.pd.bit51", &window_pd[0], 1ull << 51},
      {"rsvd.pd.bit62", &window_pd[0], 1ull << 62},
      {"rsvd.pt.bit51", &window_pt[0], 1ull << 51},
      {"rsvd.pt.bit40", &window_pt[0], 1ull << 40},
      {"rsvd.pt.pat", &window_pt[0], PTE_PS},
  };
  for (u32 i = 0; i < ARRAY(cases); i++) {
    *cases[i].entry ^= cases[i].bits;
    lcr3(rcr3());
    check(cases[i].name, at(kernel(load), WINDOW + 16));
    *cases[i].entry ^= cases[i].bits;
  }
  /* Reserved bits of a not-present entry do not count; in a deeper entry than a rights violation they do. */
  window_pt[0] = 1ull << 51;
  lcr3(rcr3());
  check("rsvd.notpresent", at(kernel(load), WINDOW));
  reset_window();
  window_pd[0] &= ~(PTE_U | PTE_W);
  window_pt[0] |= 1ull << 51;
  lcr3(rcr3());
  check("rsvd.before.rights", at(user(store), WINDOW));
  reset_window();
  static const u64 large[] = {1 << 13, 1 << 20, 1 << 12};
  for (u32 i = 0; i < ARRAY(large); i++) {
    window_pd[0] = (u64)pool | large[i] | PTE_PS | PTE_P | PTE_W | PTE_U;
    lcr3(rcr3());
    print("rsvd.2m.bit%x ", (u32)large[i]);
    check("is", at(user(store), WINDOW + 64));
  }
  reset_window();
  static const u64 huge[] = {1 << 13, 1 << 29, 1 << 12, 1 << 21};
  for (u32 i = 0; i < ARRAY(huge); i++) {
    window_pdpt[0] = 0 | huge[i] | PTE_PS | PTE_P | PTE_W | PTE_U;
    lcr3(rcr3());
    print("rsvd.1g.bit%x ", (u32)huge[i]);
    check("is", at(user(load), WINDOW + 64));
  }
  reset_window();
}

#define AD(e) (u32)((e) >> 5 & 3)
static void show_ad(const char *name) {
  print("%s pml4=%x pdpt=%x pd=%x pt=%x\n", name, AD(pml4[1]), AD(window_pdpt[0]), AD(window_pd[0]), AD(window_pt[0]));
}
static void clear_ad(void) {
  reset_window();
  pml4[1] &= ~0x60ull;
  lcr3(rcr3());
}
static void accessed_dirty(void) {
  clear_ad();
  show_ad("ad.none");
  vector_of(at(kernel(load), WINDOW));
  show_ad("ad.read");
  vector_of(at(kernel(store), WINDOW));
  show_ad("ad.read.write");
  clear_ad();
  vector_of(at(kernel(store), WINDOW + 64));
  show_ad("ad.write");
  clear_ad();
  make_executable((u64)pool);
  vector_of(at(user(jump), WINDOW));
  show_ad("ad.execute");
  clear_ad();
  window_pt[0] &= ~PTE_W;
  vector_of(at(user(store), WINDOW));
  show_ad("ad.write.denied");
  clear_ad();
  window_pt[0] = 0;
  vector_of(at(user(store), WINDOW));
  show_ad("ad.notpresent.pt");
  clear_ad();
  window_pd[0] = 0;
  vector_of(at(user(store), WINDOW));
  show_ad("ad.notpresent.pd");
  clear_ad();
  window_pt[0] |= 1ull << 51;
  vector_of(at(user(load), WINDOW));
  show_ad("ad.reserved.pt");
  clear_ad();
  window_pd[0] &= ~PTE_U;
  vector_of(at(user(load), WINDOW));
  show_ad("ad.user.denied.above");
  clear_ad();
  window_pt[0] &= ~PTE_W;
  lcr0(rcr0() & ~(u64)CR0_WP);
  vector_of(at(kernel(store), WINDOW));
  lcr0(rcr0() | CR0_WP);
  show_ad("ad.write.wp0");
  clear_ad();
  vector_of(at(kernel(cmpxchg_fail), WINDOW));
  show_ad("ad.cmpxchg");
  clear_ad();
  vector_of(at(kernel(prefetch_it), WINDOW));
  show_ad("ad.prefetch"); /* NOP r/m does not access; PREFETCH need not */
  clear_ad();
  window_pd[0] = (u64)pool | PTE_PS | PTE_P | PTE_W | PTE_U;
  lcr3(rcr3());
  vector_of(at(user(load), WINDOW + 64));
  show_ad("ad.2m.read");
  vector_of(at(user(store), WINDOW + 64));
  show_ad("ad.2m.write");
  clear_ad();
  window_pdpt[0] = PTE_PS | PTE_P | PTE_W | PTE_U;
  lcr3(rcr3());
  vector_of(at(user(load), WINDOW + 64));
  show_ad("ad.1g.read");
  clear_ad();
  /* A cached translation does not set the flags again (SDM 3A 4.8); a write through a clean one sets D. */
  vector_of(at(kernel(load), WINDOW));
  window_pt[0] &= ~0x60ull;
  invlpg(WINDOW);
  vector_of(at(kernel(load), WINDOW));
  show_ad("ad.again.after.invlpg");
  reset_window();
}

static u32 value_at(u64 address) {
  struct context c = at(kernel(load), address);
  c.r[RAX] = 0xdead;
  run(&c);
  return trap.vector == EXIT_VECTOR ? (u32)trap.r[RAX] : 0xf0000000 + (u32)trap.vector;
}
/* What the TLB must forget, when (SDM 3A 4.10.4). What it may keep is not tested: both behaviours are right. */
static void tlb(void) {
  *(u32 *)pool = 0xa;
  *(u32 *)(pool + 4096) = 0xb;
  *(u32 *)(pool + (2 << 20)) = 0xc;
  reset_window();
  print("tlb.first %x\n", value_at(WINDOW));
  window_pt[0] = window_pt[1];
  invlpg(WINDOW);
  print("tlb.invlpg %x\n", value_at(WINDOW));
  window_pt[0] = 0;
  invlpg(WINDOW + 123);
  print("tlb.invlpg.unaligned %x\n", value_at(WINDOW));
  reset_window();
  value_at(WINDOW);
  window_pt[0] = window_pt[1];
  lcr3(rcr3());
  print("tlb.cr3 %x\n", value_at(WINDOW));
  window_pt[0] |= PTE_G;
  lcr4(rcr4() | CR4_PGE);
  value_at(WINDOW);
  window_pt[0] = (u64)pool | 7;
  lcr4(rcr4() & ~(u64)CR4_PGE);
  print("tlb.pge.off %x\n", value_at(WINDOW));
  lcr4(rcr4() | CR4_PGE);
  window_pt[0] |= PTE_G;
  value_at(WINDOW);
  window_pt[0] = window_pt[1];
  invlpg(WINDOW);
  print("tlb.global.invlpg %x\n", value_at(WINDOW));
  lcr4(rcr4() & ~(u64)CR4_PGE);
  /* Not-present entries are never cached: no invalidation needed (4.10.2.3). */
  window_pt[7] = 0;
  invlpg(PAGE_OF(7));
  print("tlb.notpresent %x\n", value_at(PAGE_OF(7)));
  window_pt[7] = (u64)pool | 7;
  print("tlb.made.present %x\n", value_at(PAGE_OF(7)));
  /* After a fault the CPU walks again: more rights need no INVLPG to be seen at last (4.10.4.3). */
  window_pt[7] = (u64)pool | 1;
  invlpg(PAGE_OF(7));
  value_at(PAGE_OF(7));
  window_pt[7] = (u64)pool | 7;
  struct context c = at(user(store), PAGE_OF(7) + 64);
  run(&c);
  if (trap.vector == 14) run(&c);
  report("tlb.more.rights", &c);
  /* Large pages: INVLPG of any address in it drops all of it. */
  reset_window();
  window_pd[0] = (u64)pool | PTE_PS | 7;
  lcr3(rcr3());
  value_at(WINDOW);
  value_at(PAGE_OF(1));
  window_pd[0] = (u64)(pool + (2 << 20)) | PTE_PS | 7;
  invlpg(WINDOW + 0x1ff000);
  print("tlb.2m.invlpg %x\n", value_at(WINDOW));
  reset_window();
  /* A changed upper entry: INVLPG drops the paging-structure caches too (4.10.4.1). */
  value_at(WINDOW);
  static u64 other_pt[512] __attribute__((aligned(4096)));
  other_pt[0] = (u64)(pool + 4096) | 7;
  window_pd[0] = (u64)other_pt | 7;
  invlpg(WINDOW);
  print("tlb.upper.invlpg %x\n", value_at(WINDOW));
  reset_window();
  /* CR0.WP and CR4.SMAP take effect at once. */
  window_pt[0] &= ~PTE_W;
  invlpg(WINDOW);
  lcr0(rcr0() & ~(u64)CR0_WP);
  print("tlb.wp0 %x ", vector_of(at(kernel(store), WINDOW)));
  lcr0(rcr0() | CR0_WP);
  print("then wp1 %x\n", vector_of(at(kernel(store), WINDOW)));
  reset_window();
  print("tlb.smap0 %x ", vector_of(at(kernel(load), WINDOW)));
  lcr4(rcr4() | CR4_SMAP);
  print("then smap1 %x ", vector_of(at(kernel(load), WINDOW)));
  print("then stac %x\n", vector_of(at(kernel(stac_load), WINDOW)));
  lcr4(rcr4() & ~(u64)CR4_SMAP);
  /* Code too: a changed mapping of an executed page. */
  make_executable((u64)pool);
  pool[4096] = 0x0f;
  pool[4097] = 0x0b;
  reset_window();
  check("tlb.code", at(user(jump), WINDOW));
  window_pt[0] = window_pt[1];
  invlpg(WINDOW);
  check("tlb.code.invlpg", at(user(jump), WINDOW));
  window_pt[0] = ((u64)pool) | 7 | PTE_NX;
  lcr3(rcr3());
  check("tlb.code.nx", at(user(jump), WINDOW));
  /* The same physical page under two addresses, one written: the code that the other runs changes. */
  reset_window();
  window_pt[2] = window_pt[0];
  check("alias.before", at(user(jump), WINDOW));
  *(u16 *)pool = 0x0b0f;
  check("alias.after", at(user(jump), PAGE_OF(2)));
  reset_window();
}

/* The access begins in page 0 and ends in page 1, which faults: nothing in page 0 has changed, nor any register. */
static void crossing(void) {
  static const struct { const char *name; const char *code; u32 back; u32 stack; } cases[] = {
      {"load", load, 3, 0},          {"store", store, 1, 0},          {"add", add_memory, 5, 0},
      {"cmpxchg", cmpxchg_fail, 4, 0}, {"xchg", xchg_it, 7, 0},       {"movdqu", movdqu_store, 9, 0},
      {"push", push_it, 0, 1},       {"pop-to", pop_it, 4, 0},        {"push-from", push_memory, 4, 0},
      {"call-from", call_memory, 4, 0}, {"rep-movs", movs_it, 7, 0},  {"rep-stos", stos_it, 20, 0},
      {"rep-cmps", cmps_it, 5, 0},   {"fxsave", fxsave_it, 256, 0},   {"fxrstor", fxrstor_it, 256, 0},
      {"bts", bts_it, 4, 0},         {"enter", enter_it, 0, 2},       {"sgdt", sgdt_it, 2, 0},
      {"fnstenv", fnstenv_it, 10, 0}, {"verr", verr_it, 1, 0},
  };
  for (u32 which = 0; which < 2; which++)
    for (u32 i = 0; i < ARRAY(cases); i++) {
      reset_window();
      fill(pool, 0x5a, 3 * 4096);
      /* First the second page is not present, then read-only. */
      window_pt[1] = which == 0 ? 0 : window_pt[1] & ~PTE_W;
      if (which == 1 && (cases[i].code == load || cases[i].code == fxrstor_it || cases[i].code == push_memory)) continue;
      invlpg(PAGE_OF(1));
      struct context c = at(user(cases[i].code), PAGE_OF(1) - cases[i].back);
      c.r[RSI] = PAGE_OF(0) + 8;
      if (cases[i].code == cmps_it) c.r[RSI] = PAGE_OF(0) + 256;
      c.r[RAX] = 0x4444;
      if (cases[i].stack) {
        /* The stack's top crosses: page 1 below page 2 is the faulting one. */
        c.rsp = PAGE_OF(2) + 4;
        c.r[RBP] = PAGE_OF(2) + 40;
      }
      run(&c);
      u32 changed = 0;
      for (u32 j = 0; j < 3 * 4096; j++) changed += ((u8 *)pool)[j] != 0x5a;
      print("cross.%s.%s changed=%d rcx=%llx rdi=%llx rsi=%llx rsp=%llx ", which ? "readonly" : "absent", cases[i].name,
            changed, trap.r[RCX], trap.r[RDI] - WINDOW, trap.r[RSI] - WINDOW, trap.rsp - c.rsp);
      report("", &c);
    }
  reset_window();
  /* An instruction whose tail is in a page that is absent, or not executable. */
  pool[4094] = 0x48;
  pool[4095] = 0x89;
  pool[4096] = 0xc8; /* mov %rcx, %rax */
  pool[4097] = 0xcd;
  pool[4098] = 0x80;
  struct context c = at(user(jump), PAGE_OF(1) - 2);
  check("cross.fetch", c);
  window_pt[1] = 0;
  invlpg(PAGE_OF(1));
  check("cross.fetch.absent", c);
  window_pt[1] = (u64)(pool + 4096) | 7 | PTE_NX;
  check("cross.fetch.nx", c);
  reset_window();
  check("cross.fetch.back", c);
  pool[4096] = 0xd0; /* mov %rdx, %rax */
  c.r[RDX] = 0x77;
  check("cross.fetch.patched", c);
  window_pt[1] = (u64)(pool + 8192) | 7;
  pool[8192] = 0xf0; /* mov %rsi, %rax */
  pool[8193] = 0xcd;
  pool[8194] = 0x80;
  invlpg(PAGE_OF(1));
  check("cross.fetch.remapped", c);
  reset_window();
  /* No fault for what does not access; address faults before rights. */
  window_pt[1] = 0;
  invlpg(PAGE_OF(1));
  check("absent.prefetch.nop", at(user(prefetch_it), PAGE_OF(1)));
  check("absent.clflush", at(user(clflush_it), PAGE_OF(1)));
  check("absent.invlpg", at(kernel(invlpg_it), PAGE_OF(1)));
  struct context z = at(user(movs_it), PAGE_OF(1));
  z.r[RCX] = 0;
  check("absent.rep.zero", z);
  reset_window();
}

/* SMAP and implicit supervisor accesses, AC, and the tables themselves. */
static void smap_details(void) {
  lcr4(rcr4() | CR4_SMAP | CR4_SMEP);
  check("smap.user.own", at(user(load), WINDOW));
  struct context c = at(kernel(load), WINDOW);
  check("smap.kernel", c);
  c.rflags |= FL_AC;
  check("smap.kernel.ac", c);
  check("smep.kernel.jump", at(kernel(jump), WINDOW));
  lcr4(rcr4() & ~(u64)(CR4_SMAP | CR4_SMEP));
  /* A supervisor page that user mode reads through SGDT and friends. */
  check("user.kernel.page", at(user(load), (u64)pool));
}

SNIPPET(noncanonical_load, "movq (%rdi), %rax")
SNIPPET(noncanonical_stack, "movq (%rbp), %rax")
SNIPPET(noncanonical_rsp, "movq (%rsp), %rax")
SNIPPET(noncanonical_push, "pushq %rax")
SNIPPET(noncanonical_call, "call *%rdi")
SNIPPET(noncanonical_ret, "pushq %rdi\n ret")
SNIPPET(noncanonical_index, "movq (%rax,%rbp), %rax")
SNIPPET(noncanonical_fs, "movq %fs:(%rbp), %rax")
SNIPPET(noncanonical_ss, "movq %ss:(%rdi), %rax")
SNIPPET(noncanonical_ds_rbp, "movq %ds:(%rbp), %rax")
SNIPPET(noncanonical_movs, "movsb")
SNIPPET(noncanonical_jmp_far, "ljmp *(%rdi)")
SNIPPET(noncanonical_leave, "leave")
SNIPPET(noncanonical_enter, "enter $0, $0")
SNIPPET(noncanonical_popf, "popfq")
SNIPPET(noncanonical_iret, "iretq")
SNIPPET(noncanonical_rsp_disp, "movb 8(%rsp,%rax), %al")
SNIPPET(noncanonical_r12, "movb (%r12), %al")
SNIPPET(noncanonical_r13, "movb (%r13), %al")
SNIPPET(pop_rsp_memory, "popq 8(%rsp)")

static void canonical(void) {
  static const struct { const char *name; const char *code; } cases[] = {
      {"load", noncanonical_load}, {"rbp", noncanonical_stack}, {"rsp", noncanonical_rsp}, {"push", noncanonical_push},
      {"call", noncanonical_call}, {"ret", noncanonical_ret}, {"index.rbp", noncanonical_index}, {"fs.rbp", noncanonical_fs},
      {"ss.rdi", noncanonical_ss}, {"ds.rbp", noncanonical_ds_rbp}, {"movs", noncanonical_movs},
      {"ljmp", noncanonical_jmp_far}, {"leave", noncanonical_leave}, {"enter", noncanonical_enter},
      {"popf", noncanonical_popf}, {"iretq", noncanonical_iret}, {"rsp.disp", noncanonical_rsp_disp},
      {"r12", noncanonical_r12}, {"r13", noncanonical_r13}, {"pop.rsp", pop_rsp_memory}, {"invlpg", invlpg_it},
      {"jmp", jump}, {"clflush", clflush_it}, {"fxsave", fxsave_it},
  };
  for (u32 i = 0; i < ARRAY(cases); i++) {
    struct context c = at(kernel(cases[i].code), 0x800000000000);
    c.r[RBP] = c.r[12] = c.r[13] = 0x800000000000;
    c.r[RAX] = 0;
    if (cases[i].code != noncanonical_ret && cases[i].code != noncanonical_call) c.rsp = 0x900000000000;
    print("canonical.%s", cases[i].name);
    check("", c);
  }
  check("canonical.straddle", at(kernel(noncanonical_load), 0x7ffffffffffc));
  check("canonical.top", at(kernel(noncanonical_load), 0xfffffffffffffffc));
  check("canonical.last", at(kernel(noncanonical_load), 0xffff7fffffffffff));
}

void paging_tests(void) {
  rights();
  reserved();
  accessed_dirty();
  tlb();
  crossing();
  smap_details();
  canonical();
}
