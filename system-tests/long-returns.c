/*
 * IRET in IA-32e mode: SDM 2A IRET, SDM 3A 6.14.3. The frame is made in memory; the code returned to ends in INT 0x80.
 */
#include "long.h"

SNIPPET(iretq_it, "iretq")
SNIPPET(iretl_it, "iretl")
SNIPPET(iretw_it, "iretw")
SNIPPET(iretl_compat, ".code32\n iretl")
SNIPPET(landing, "movl $0x1a, %eax")
SNIPPET(popfq_it, "popfq\n pushfq\n popq %rax\n pushq $2\n popfq")
SNIPPET(popfw_it, "popfw\n pushfq\n popq %rax\n pushq $2\n popfq")
SNIPPET(read_segments, "movl %ds, %eax\n shll $16, %eax\n movl %es, %ecx\n movw %cx, %ax\n movl %fs, %edx\n movl %gs, %ebx")

#define S FREE_SELECTOR

static u64 *const stack = (u64 *)(test_stack + 1024);
static u64 outer_rsp;

static struct context frame(const char *code, u64 rip, u64 cs, u64 rflags, u64 rsp, u64 ss) {
  struct context c = kernel(code);
  c.rsp = (u64)stack;
  if (code == iretq_it) {
    stack[0] = rip, stack[1] = cs, stack[2] = rflags, stack[3] = rsp, stack[4] = ss;
  } else if (code == iretw_it) {
    u16 *s = (u16 *)stack;
    s[0] = (u16)rip, s[1] = (u16)cs, s[2] = (u16)rflags, s[3] = (u16)rsp, s[4] = (u16)ss;
  } else {
    u32 *s = (u32 *)stack;
    s[0] = (u32)rip, s[1] = (u32)cs, s[2] = (u32)rflags, s[3] = (u32)rsp, s[4] = (u32)ss;
  }
  return c;
}
static void show(const char *name, struct context c) {
  run(&c);
  print("%s ", name);
  put_vector((u32)trap.vector, (u32)trap.error);
  u64 rip = trap.rip & 0xfffff;
  if (trap.vector == EXIT_VECTOR) rip = trap.r[RAX];
  else rip = trap.rip - c.rip;
  print(" %llx cs %x ss %x rsp %llx flags %x\n", rip, (u32)trap.cs, (u32)trap.ss,
        trap.rsp - (trap.rsp >= USER_ALIAS ? outer_rsp : (u64)stack), (u32)trap.rflags & ~FL_RF);
}

static void targets(void) {
  static const struct { const char *name; u16 cs, ss; u64 rip; } cases[] = {
      {"same", KCODE, KDATA, 0},
      {"same.null.ss", KCODE, 0, 0},
      {"same.null.ss.rpl3", KCODE, 3, 0},
      {"same.ss.user", KCODE, UDATA, 0},
      {"same.ss.rpl", KCODE, KDATA | 3, 0},
      {"same.ss.code", KCODE, KCODE, 0},
      {"same.compat", KCODE32, KDATA, 0},
      {"same.compat.null.ss", KCODE32, 0, 0},
      {"outer", UCODE, UDATA, 0},
      {"outer.compat", UCODE32, UDATA, 0},
      {"outer.null.ss", UCODE, 3, 0},
      {"outer.ss.kernel", UCODE, KDATA, 0},
      {"outer.ss.kernel.rpl", UCODE, KDATA | 3, 0},
      {"outer.ss.rpl", UCODE, UDATA & ~3, 0},
      {"outer.ss.code", UCODE, UCODE, 0},
      {"outer.ss.beyond", UCODE, 0x2fb, 0},
      {"cs.null", 0, UDATA, 0},
      {"cs.null.rpl", 3, UDATA, 0},
      {"cs.data", KDATA, KDATA, 0},
      {"cs.tss", TSS_SELECTOR, KDATA, 0},
      {"cs.beyond", 0x2f8, KDATA, 0},
      {"cs.rpl.above.dpl", KCODE | 3, UDATA, 0},
      {"cs.dpl.above.rpl", UCODE & ~3, KDATA, 0},
      {"cs.ldt", 0xc, KDATA, 0},
      {"noncanonical", KCODE, KDATA, 0x800000000000},
      {"outer.noncanonical", UCODE, UDATA, 0x800000000000},
      {"compat.above.4g", UCODE32, UDATA, 0x100000000},
      {"rpl1.conforming", S | 1, FREE_SELECTOR + 8 + 1, 0},
  };
  set_descriptor(S, 0, 0xfffff, 0xa09f);
  set_descriptor(S + 8, 0, 0xfffff, 0xc0b3);
  for (u32 i = 0; i < ARRAY(cases); i++) {
    u32 outer = (cases[i].cs & 3) == 3;
    u64 rip = cases[i].rip ? cases[i].rip : (u64)landing + (outer ? USER_ALIAS : 0);
    print("iretq.");
    show(cases[i].name, frame(iretq_it, rip, cases[i].cs, 2, outer_rsp, cases[i].ss));
    if (cases[i].rip) continue;
    print("iretl.");
    show(cases[i].name, frame(iretl_it, rip, cases[i].cs, 2, outer_rsp, cases[i].ss));
  }
  /* Not present. */
  set_descriptor(S, 0, 0xfffff, 0xa07b);
  show("cs.absent", frame(iretq_it, (u64)landing + USER_ALIAS, S | 3, 2, outer_rsp, UDATA));
  set_descriptor(S, 0, 0xfffff, 0xc073);
  show("ss.absent", frame(iretq_it, (u64)landing + USER_ALIAS, UCODE, 2, outer_rsp, S | 3));
  set_descriptor(S, 0, 0xfffff, 0xe0fb);
  show("cs.l.and.d", frame(iretq_it, (u64)landing + USER_ALIAS, S | 3, 2, outer_rsp, UDATA));
  set_descriptor(S, 0, 0x10, 0x40fb);
  show("compat.limit", frame(iretq_it, (u64)landing + USER_ALIAS, S | 3, 2, outer_rsp, UDATA));
  set_descriptor(S, 0, 0xfffff, 0xc0f1);
  show("ss.read.only", frame(iretq_it, (u64)landing + USER_ALIAS, UCODE, 2, outer_rsp, S | 3));
  /* RSP above 4 GiB returning to compatibility mode, to 64-bit mode; a 16-bit stack. */
  show("rsp.noncanonical", frame(iretq_it, (u64)landing + USER_ALIAS, UCODE, 2, 0x8000000000000000, UDATA));
  struct context c = frame(iretq_it, (u64)landing + USER_ALIAS, UCODE32, 2, 0x1234567800000000 + outer_rsp, UDATA);
  run(&c);
  print("compat.rsp.upper %llx\n", trap.rsp - outer_rsp);
  set_descriptor(S, 0, 0xfffff, 0x80f3);
  c = frame(iretq_it, (u64)landing + USER_ALIAS, UCODE32, 2, 0x1234567812340000 + (outer_rsp & 0xffff), S | 3);
  run(&c);
  print("compat.rsp.16 %x\n", (u32)(trap.rsp >> 16 == outer_rsp >> 16));
  /* From compatibility mode, without a change of level: no SS:ESP. */
  c = kernel32(iretl_compat);
  c.rsp = (u64)stack;
  frame(iretl_it, (u64)landing, KCODE32, 2, 0, 0);
  show("compat.same", c);
  frame(iretl_it, (u64)landing, KCODE, 2, 0, 0);
  show("compat.to.64", c);
  frame(iretl_it, (u64)landing + USER_ALIAS, UCODE, 2, outer_rsp, UDATA);
  show("compat.outer", c);
  c = user32(iretl_compat);
  c.rsp = (u64)stack + USER_ALIAS;
  frame(iretl_it, (u64)landing, KCODE, 2, outer_rsp, KDATA);
  show("user.inner", c);
  c = user(iretq_it);
  c.rsp = (u64)stack + USER_ALIAS;
  frame(iretq_it, (u64)landing + USER_ALIAS, UCODE, 2, outer_rsp, UDATA);
  show("user.same", c);
  frame(iretq_it, (u64)landing, KCODE, 2, outer_rsp, KDATA);
  show("user.inner.q", c);
  frame(iretq_it, (u64)landing + USER_ALIAS, UCODE32, 2, outer_rsp, UDATA);
  show("user.to.compat", c);
  /* IRETW: 16-bit IP, so land in a 16-bit alias of the code. */
  c = frame(iretw_it, 0, KCODE, 2, 0, 0);
  show("iretw.to.0", frame(iretw_it, 0x8000, 0x2f8, 2, 0, KDATA));
}

static void flags(void) {
  /* Which flags each level may change, by operand size. */
  static const u32 images[] = {0xffffffff & ~(FL_TF | FL_VM | FL_RF | FL_NT), 2, FL_NT, FL_RF, FL_VM, FL_IF, FL_IOPL3, 0x1a0000 & ~FL_VM, FL_AC | FL_ID};
  for (u32 i = 0; i < ARRAY(images); i++) {
    print("flags.image.%x", images[i]);
    for (u32 how = 0; how < 6; how++) {
      /* kernel iretq, kernel iretl, user iretq IOPL 0 IF 1, user iretq IOPL 3, kernel popfq, user popfq */
      struct context c;
      if (how < 4) {
        u32 is_user = how >= 2;
        const char *code = how == 1 ? iretl_it : iretq_it;
        u64 alias = is_user ? USER_ALIAS : 0;
        c = frame(code, (u64)landing + alias, is_user ? UCODE : KCODE, images[i], is_user ? outer_rsp : (u64)stack + 256, is_user ? UDATA : KDATA);
        if (is_user) {
          c.cs = UCODE, c.ss = UDATA, c.rsp = (u64)stack + USER_ALIAS, c.rip += USER_ALIAS;
          c.rflags = how == 2 ? 0x202 : 0x3002;
        }
      } else {
        c = how == 4 ? kernel(popfq_it) : user(popfq_it);
        c.rsp = (u64)stack + (how == 5 ? USER_ALIAS : 0);
        c.rflags = how == 5 ? 0x202 : 2;
        stack[0] = images[i];
      }
      run(&c);
      if (trap.vector != EXIT_VECTOR) print(" v%x", (u32)trap.vector);
      else print(" %x", (u32)(how < 4 ? trap.rflags : trap.r[RAX]));
    }
    put("\n");
  }
  struct context c = kernel(popfw_it);
  c.rsp = (u64)stack;
  stack[0] = 0xffff & ~FL_TF;
  c.rflags = 2 | FL_AC | FL_ID;
  check("popfw.kernel", c);
  c = frame(iretq_it, (u64)landing, KCODE, 2, (u64)stack, KDATA);
  c.rflags = 2 | FL_NT;
  show("nt.iretq", c);
  c = user(popfq_it);
  c.rsp = (u64)stack + USER_ALIAS;
  c.rflags = 0x3002;
  stack[0] = 0x202;
  check("popfq.user.iopl3", c);
}

static void dropped_segments(void) {
  /* Data segments that the outer level could not have loaded become null; conforming code stays. */
  set_descriptor(S, 0, 0xfffff, 0xc09f);
  set_descriptor(S + 8, 0, 0xfffff, 0xc0b3);
  set_descriptor(S + 16, 0, 0xfffff, 0xc0d3);
  static const u16 values[] = {0, KDATA, UDATA, S, S + 8, S + 16 + 2, 3};
  for (u32 i = 0; i < ARRAY(values); i++) {
    struct context c = user(read_segments);
    c.ds = c.es = c.fs = c.gs = values[i];
    run(&c);
    print("dropped.%x %llx %llx %llx\n", values[i], trap.r[RAX], trap.r[RDX], trap.r[RBX]);
  }
  /* FS and GS bases when they are dropped. */
  set_descriptor(S, 0x12345, 0xfffff, 0xc093);
  struct context c = user(read_segments);
  c.fs = S;
  run(&c);
  print("dropped.fs.base %llx\n", rdmsr(0xc0000100));
  c.fs = 0;
  wrmsr(0xc0000100, 0x7777);
  run(&c);
  print("null.fs.base %llx\n", rdmsr(0xc0000100));
}

void return_tests(void) {
  outer_rsp = (u64)user_stack + USER_ALIAS + 2048;
  targets();
  flags();
  dropped_segments();
}
