/* SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS: SDM 2B, SDM 3A 5.8.7-5.8.8. The processor is an Intel. */
#include "long.h"

SNIPPET(syscall_it, "syscall")
SNIPPET(syscall_compat, ".code32\n syscall")
SNIPPET(sysretq_it, "sysretq")
SNIPPET(sysretl_it, "sysretl")
SNIPPET(sysenter_it, "sysenter")
SNIPPET(sysenter_compat, ".code32\n sysenter")
SNIPPET(sysexit_it, "sysexit")
SNIPPET(sysexitq_it, "rex.w sysexit")
SNIPPET(swapgs_it, "swapgs")
SNIPPET(landing, "pushfq\n popq %rax")
SNIPPET(landing_plain, "movl $0x1b, %eax")
SNIPPET(rdgsbase_it, "rdgsbase %rax")
SNIPPET(wrgsbase_it, "wrgsbase %rdi")
SNIPPET(wrfsbase32_it, "wrfsbase %edi\n rdfsbase %rax")

#define EFER 0xc0000080
#define STAR 0xc0000081
#define LSTAR 0xc0000082
#define CSTAR 0xc0000083
#define FMASK 0xc0000084

static void show(const char *name, struct context c) {
  run(&c);
  print("%s ", name);
  put_vector((u32)trap.vector, (u32)trap.error);
  print(" cs %x ss %x rcx+%llx r11 %llx rax %llx flags %x\n", (u32)trap.cs, (u32)trap.ss,
        trap.r[RCX] == c.r[RCX] ? 0xf : trap.r[RCX] - c.rip, trap.r[R11], trap.r[RAX], (u32)trap.rflags & ~FL_RF);
}
static u32 attributes(u16 selector) {
  u32 a = 0;
  __asm__("larl %1, %0" : "+r"(a) : "r"((u32)selector));
  return a;
}

void syscall_tests(void) {
  wrmsr(EFER, rdmsr(EFER) | EFER_SCE);
  wrmsr(STAR, (u64)0x1b << 48 | (u64)0x08 << 32);
  wrmsr(LSTAR, (u64)landing);
  wrmsr(CSTAR, (u64)landing);
  wrmsr(FMASK, 0);
  struct context c = user(syscall_it);
  c.rsp = (u64)test_stack + 4096; /* SYSCALL keeps RSP */
  show("syscall", c);
  c.rflags = 0x202 | FL_IOPL3 | FL_NT | FL_AC | FL_ID | FL_DF | 0x8d5;
  show("syscall.flags", c);
  wrmsr(FMASK, FL_IF | FL_DF | FL_NT | FL_AC | 0xd5 | 2);
  show("syscall.masked", c);
  wrmsr(FMASK, 0xffffffff);
  c.rflags |= FL_RF;
  show("syscall.masked.all", c);
  wrmsr(FMASK, 0);
  wrmsr(STAR, (u64)0x1b << 48 | (u64)0x0b << 32); /* RPL bits are dropped */
  show("syscall.star.rpl", c);
  wrmsr(STAR, (u64)0x18 << 48 | (u64)0x08 << 32);
  show("syscall.kernel", kernel(syscall_it));
  show("syscall.compat", user32(syscall_compat));
  wrmsr(EFER, rdmsr(EFER) & ~(u64)EFER_SCE);
  show("syscall.off", user(syscall_it));
  show("sysret.off", kernel(sysretq_it));
  wrmsr(EFER, rdmsr(EFER) | EFER_SCE);

  static const u64 flags[] = {0x202, ~0ull & ~(u64)(FL_TF | FL_VM), FL_RF | 2, FL_VM | 2, FL_NT | 2, 0};
  for (u32 i = 0; i < ARRAY(flags); i++)
    for (u32 wide = 0; wide < 2; wide++) {
      c = kernel(wide ? sysretq_it : sysretl_it);
      c.r[RCX] = (u64)landing_plain + USER_ALIAS;
      c.r[R11] = flags[i];
      c.rsp = (u64)user_stack + USER_ALIAS + 512;
      print("sysret%s.%llx", wide ? "q" : "l", flags[i]);
      show("", c);
    }
  c = kernel(sysretq_it);
  c.r[RCX] = 0x800000000000;
  c.r[R11] = 2;
  show("sysretq.noncanonical", c);
  c.rip = (u64)sysretl_it;
  c.r[RCX] = 0xffffffff00000000 + (u64)landing_plain + USER_ALIAS;
  show("sysretl.upper", c);
  c = user(sysretq_it);
  c.r[RCX] = (u64)landing_plain + USER_ALIAS;
  show("sysretq.user", c);
  c = kernel32(syscall_compat);
  show("syscall.kernel.compat", c);
  wrmsr(STAR, (u64)0x1b << 48 | (u64)0x08 << 32);
  c = kernel(sysretq_it);
  c.r[RCX] = (u64)landing_plain + USER_ALIAS;
  c.r[R11] = 2;
  show("sysretq.star.rpl", c);
  wrmsr(STAR, (u64)0x18 << 48 | (u64)0x08 << 32);
  show("sysretq.star.rpl0", c);
  print("sysret.descriptors %x %x\n", attributes(UCODE), attributes(UDATA));

  wrmsr(0x174, 0);
  wrmsr(0x175, (u64)test_stack + 4096);
  wrmsr(0x176, (u64)landing);
  show("sysenter.cs0", user(sysenter_it));
  show("sysexit.cs0", kernel(sysexit_it));
  wrmsr(0x174, 0x08);
  c = user(sysenter_it);
  c.rflags = 0x202 | FL_DF | FL_AC | FL_NT | FL_IOPL3;
  show("sysenter", c);
  print("sysenter.rsp %llx\n", (u64)test_stack + 4096 - trap.rsp);
  show("sysenter.compat", user32(sysenter_compat));
  wrmsr(0x174, 0x0b);
  show("sysenter.cs.rpl", user(sysenter_it));
  wrmsr(0x174, 0x03);
  show("sysenter.cs3", user(sysenter_it));
  /* SYSEXIT takes CS + 16 and + 24, 64-bit + 32 and + 40: with 0x08 that is 0x18/0x20 and 0x28/0x30. */
  wrmsr(0x174, 0x08);
  for (u32 wide = 0; wide < 2; wide++) {
    c = kernel(wide ? sysexitq_it : sysexit_it);
    c.r[RDX] = (u64)landing_plain + USER_ALIAS;
    c.r[RCX] = (u64)user_stack + USER_ALIAS + 512;
    c.rflags = 2 | FL_IOPL3 | FL_NT;
    print("sysexit%d", wide);
    show("", c);
    print("sysexit%d.rsp %llx\n", wide, trap.rsp - (u64)user_stack - USER_ALIAS);
    c.r[RDX] = 0x800000000000;
    print("sysexit%d.noncanonical", wide);
    if (wide) show("", c);
    c.r[RDX] = (u64)landing_plain + USER_ALIAS;
    c.r[RCX] = 0x800000000000;
    if (wide) show(" rsp", c);
    else put("\n");
  }
  c = user(sysexit_it);
  show("sysexit.user", c);

  wrmsr(0xc0000101, 0x1111);
  wrmsr(0xc0000102, 0x2222);
  show("swapgs", kernel(swapgs_it));
  print("swapgs.bases %llx %llx\n", rdmsr(0xc0000101), rdmsr(0xc0000102));
  show("swapgs.user", user(swapgs_it));
  show("rdgsbase.off", user(rdgsbase_it));
  lcr4(rcr4() | CR4_FSGSBASE);
  show("rdgsbase", user(rdgsbase_it));
  c = user(wrgsbase_it);
  c.r[RDI] = 0x800000000000;
  show("wrgsbase.noncanonical", c);
  c.r[RDI] = 0xffff800000000000;
  show("wrgsbase", c);
  print("wrgsbase.msr %llx\n", rdmsr(0xc0000101));
  c = user(wrfsbase32_it);
  c.r[RDI] = 0xffffffff80000000;
  show("wrfsbase32", c);
  c = user32(wrgsbase_it);
  show("wrgsbase.compat", c);
  lcr4(rcr4() & ~(u64)CR4_FSGSBASE);
}
