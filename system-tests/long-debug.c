/*
 * Single step, breakpoints and the flags around them: SDM 3B 17.2 (debug registers), 17.3.1 (debug exceptions), SDM 3A
 * 6.8.3 (MOV SS), 2.3 (RF, TF).
 *
 * A trace lists where in the snippet each #DB found RIP, and DR6's low bits when they are not just BS.
 */
#include "long.h"

static u64 base;
static u32 steps;
/* Prints at most 40 events, keeps going through #DB; anything else ends the run. */
static int trace(void) {
  if (trap.vector != 1) {
    put(" ");
    put_vector((u32)trap.vector, (u32)trap.error);
    u64 at = trap.rip - base;
    if (at < 0x1000) print("@%llx", at);
    return 0;
  }
  u64 at = trap.rip - base;
  if (at < 0x1000) print(" %llx", at);
  else print(" *");
  u32 dr6 = (u32)rdr6() & 0xf00f;
  if (dr6 != 0x4000) print("(%x)", dr6);
  if (trap.rflags & FL_RF) put("r");
  if (!(trap.rflags & FL_TF) && dr6 == 0x4000) put("-");
  ldr6(0xffff0ff0);
  /* As a debugger does; a processor has pushed RF = 1 already. */
  if (dr6 & 15) trap.rflags |= FL_RF;
  return ++steps < 40;
}
static void traced(const char *name, struct context c) {
  base = c.rip;
  steps = 0;
  ldr6(0xffff0ff0);
  print("%s", name);
  hook = trace;
  run(&c);
  hook = 0;
  put("\n");
}
static struct context step(struct context c) {
  c.rflags |= FL_TF;
  return c;
}

SNIPPET(plain, "nop\n movl $1, %eax\n pushq %rax\n popq %rcx\n addl %eax, %eax\n jmp 1f\n nop\n 1: call 2f\n 2: popq %rcx\n leaq 3f(%rip), %rcx\n pushq %rcx\n ret\n nop\n 3: nop")
SNIPPET(conditional, "xorl %eax, %eax\n jz 1f\n nop\n 1: jnz 2f\n nop\n 2: movl $3, %ecx\n 3: loop 3b")
SNIPPET(rep_string, "movl $3, %ecx\n rep stosb\n movl $0, %ecx\n rep stosb\n nop")
SNIPPET(rep_long, "movl $4, %ecx\n rep movsb\n movl $2, %ecx\n repe cmpsb\n nop")
SNIPPET(cpuid_it, "xorl %eax, %eax\n cpuid\n rdtsc\n nop")
SNIPPET(pushf_it, "pushfq\n popq %rax\n nop")
SNIPPET(popf_set, "pushfq\n orl $0x100, (%rsp)\n popfq\n nop\n nop\n pushfq\n andl $~0x100, (%rsp)\n popfq\n nop\n nop")
SNIPPET(mov_ss, "movl %ss, %eax\n movl %eax, %ss\n nop\n nop")
SNIPPET(mov_ds, "movl %ds, %eax\n movl %eax, %ds\n nop\n nop")
SNIPPET(sti_it, "sti\n nop\n cli\n nop")
SNIPPET(lss_it, "lss (%rdi), %eax\n nop\n nop")
SNIPPET(int90, "nop\n int $0x90\n nop\n nop")
SNIPPET(int3_it, "nop\n int3\n nop")
SNIPPET(ud_it, "nop\n ud2\n nop")
SNIPPET(fault_it, "nop\n movl (%rdi), %eax\n nop")
SNIPPET(icebp_it, "nop\n .byte 0xf1\n nop")
SNIPPET(syscall_it, "nop\n syscall\n nop\n nop")
SNIPPET(syscall_target, "nop\n nop")
SNIPPET(iret_set, "nop\n iretq")
SNIPPET(landing, "nop\n nop\n nop")
SNIPPET(wrmsr_it, "movl $0x10, %ecx\n rdmsr\n nop\n movq %cr0, %rax\n movq %rax, %cr0\n nop\n invlpg (%rax)\n lidt (%rdi)\n nop")
SNIPPET(fpu_it, "fninit\n fld1\n fstp %st(0)\n wait\n pxor %xmm0, %xmm0\n nop")
SNIPPET(far_it, "pushq $8\n leaq 1f(%rip), %rax\n pushq %rax\n lretq\n nop\n 1: nop\n nop")
SNIPPET(string_fault, "movl $6, %ecx\n rep stosb\n nop")
SNIPPET(in_out, "movl $0x80, %edx\n outb %al, %dx\n inb %dx, %al\n nop")

static struct context with(struct context c, u64 rdi) {
  c.r[RDI] = c.r[RSI] = rdi;
  return c;
}
/* INT 0x90: counts, and goes on. */
static int resume_90(void) {
  if (trap.vector == 0x90) {
    print(" [%x%s]", (u32)trap.vector, trap.rflags & FL_TF ? " TF" : "");
    return 1;
  }
  if (trap.vector == 3) {
    print(" [bp%s]", trap.rflags & FL_TF ? " TF" : "");
    return 1;
  }
  return trace();
}

static void single_step(void) {
  static u8 buffer[64];
  static struct { u32 offset; u16 selector; } __attribute__((packed)) far = {0, KDATA};
  static struct { u16 limit; u64 base; } __attribute__((packed)) table;
  table.limit = 0xfff;
  table.base = (u64)idt;
  traced("tf.plain", step(kernel(plain)));
  traced("tf.plain.user", step(user(plain)));
  traced("tf.conditional", step(kernel(conditional)));
  traced("tf.rep", step(with(kernel(rep_string), (u64)buffer)));
  traced("tf.rep.long", step(with(kernel(rep_long), (u64)buffer)));
  traced("tf.cpuid", step(kernel(cpuid_it)));
  traced("tf.pushf", step(kernel(pushf_it)));
  print("tf.pushf.saw %llx\n", trap.r[RAX] & FL_TF);
  traced("tf.popf", kernel(popf_set));
  traced("tf.popf.user", user(popf_set));
  traced("tf.mov.ss", step(kernel(mov_ss)));
  traced("tf.mov.ss.user", step(user(mov_ss)));
  traced("tf.mov.ds", step(kernel(mov_ds)));
  traced("tf.lss", step(with(kernel(lss_it), (u64)&far)));
  traced("tf.sti", step(kernel(sti_it)));
  traced("tf.fault", step(with(kernel(fault_it), 0x7000000000)));
  print("tf.fault.pushed %x\n", (u32)trap.rflags & FL_TF);
  traced("tf.ud", step(kernel(ud_it)));
  traced("tf.icebp", step(kernel(icebp_it)));
  traced("tf.system", step(with(kernel(wrmsr_it), (u64)&table)));
  traced("tf.fpu", step(kernel(fpu_it)));
  traced("tf.far", step(kernel(far_it)));
  traced("tf.ports", step(kernel(in_out)));
  window_pt[1] = 0;
  invlpg(WINDOW + 4096);
  traced("tf.rep.fault", step(with(kernel(string_fault), WINDOW + 4094)));
  reset_window();
  set_gate(0x90, (u64)vector_stubs + 0x90 * 16, KCODE, 14, 3, 1);
  for (u32 cpl = 0; cpl < 2; cpl++) {
    struct context c = step(cpl ? user(int90) : kernel(int90));
    base = c.rip;
    steps = 0;
    print("tf.int90.cpl%d", cpl);
    hook = resume_90;
    run(&c);
    hook = 0;
    put("\n");
    c = step(cpl ? user(int3_it) : kernel(int3_it));
    base = c.rip;
    print("tf.int3.cpl%d", cpl);
    hook = resume_90;
    run(&c);
    hook = 0;
    put("\n");
  }
  /* SYSCALL with and without TF in FMASK. */
  wrmsr(0xc0000080, rdmsr(0xc0000080) | EFER_SCE);
  wrmsr(0xc0000081, (u64)0x18 << 48 | (u64)0x08 << 32);
  wrmsr(0xc0000082, (u64)syscall_target);
  for (u32 masked = 0; masked < 2; masked++) {
    wrmsr(0xc0000084, masked ? FL_TF : 0);
    struct context c = step(user(syscall_it));
    c.rsp = (u64)test_stack + 4096;
    print("syscall.fmask%d", masked);
    traced("", c);
  }
  /* IRET that sets TF: the trap comes after the next instruction. */
  u64 *stack = (u64 *)(test_stack + 1024);
  for (u32 outer = 0; outer < 2; outer++) {
    stack[0] = (u64)landing + (outer ? USER_ALIAS : 0), stack[1] = outer ? UCODE : KCODE, stack[2] = 2 | FL_TF;
    stack[3] = outer ? (u64)user_stack + 512 + USER_ALIAS : (u64)stack + 512;
    stack[4] = outer ? UDATA : KDATA;
    struct context c = kernel(iret_set);
    c.rsp = (u64)stack;
    base = (u64)landing + (outer ? USER_ALIAS : 0);
    steps = 0;
    print("tf.iret.sets.%d", outer);
    hook = trace;
    run(&c);
    hook = 0;
    put("\n");
    /* And one under TF that clears it: the trap comes after the IRET. */
    stack[2] = 2;
    c = step(c);
    print("tf.iret.clears.%d", outer);
    ldr6(0xffff0ff0);
    hook = trace;
    run(&c);
    hook = 0;
    put("\n");
  }
}

SNIPPET(watched, "movq (%rdi), %rax\n nop\n movq %rax, (%rdi)\n nop\n movb 3(%rdi), %al\n nop\n movb %al, 7(%rdi)\n nop\n movl -2(%rdi), %eax\n nop\n movb 8(%rdi), %al\n nop\n addl %eax, (%rdi)\n nop")
SNIPPET(watched_string, "movl $4, %ecx\n rep movsb\n nop\n nop")
SNIPPET(executed, "nop\n nop\n movl $1, %eax\n nop\n nop")
SNIPPET(write_dr7, "movq %rdi, %dr7\n nop\n nop\n nop")
SNIPPET(read_dr0, "nop\n movq %dr0, %rax\n nop")
SNIPPET(read_dr4, "movq %dr4, %rax")
SNIPPET(read_dr5, "movq %dr5, %rax")
SNIPPET(read_dr8, ".byte 0x44, 0x0f, 0x21, 0xc0")
SNIPPET(write_dr6, "movq %rdi, %dr6\n movq %dr6, %rax")
SNIPPET(write_dr7_read, "movq %rdi, %dr7\n movq %dr7, %rax\n movl $0x400, %ecx\n movq %rcx, %dr7")
SNIPPET(write_dr0, "movq %rdi, %dr0\n movq %dr0, %rax")
SNIPPET(read_dr6, "movq %dr6, %rax")
SNIPPET(mov_ss_watched, "movl %ss, %eax\n movl %eax, %ss\n nop\n nop\n nop")
SNIPPET(mov_ss_load_watched, "movw (%rdi), %ss\n nop\n nop\n nop")
SNIPPET(branch_over, "jmp 1f\n nop\n nop\n 1: nop\n nop")

static void registers(void) {
  check("dr0.user", user(read_dr0));
  struct context c = with(kernel(write_dr0), 0x123456789abcdef0);
  check("dr0.any", c);
  ldr0(0);
  lcr4(rcr4() & ~(u64)CR4_DE);
  check("dr4.is.dr6", kernel(read_dr4));
  check("dr5.is.dr7", kernel(read_dr5));
  lcr4(rcr4() | CR4_DE);
  check("dr4.de", kernel(read_dr4));
  check("dr5.de", kernel(read_dr5));
  check("dr8", kernel(read_dr8));
  lcr4(rcr4() & ~(u64)CR4_DE);
  ldr6(0xffff0ff0);
  static const u64 dr6[] = {0, 0xffffffff, 0xffff0ff0, 1ull << 32};
  for (u32 i = 0; i < ARRAY(dr6); i++) {
    print("dr6.%llx", dr6[i]);
    check("", with(kernel(write_dr6), dr6[i]));
    ldr6(0xffff0ff0);
  }
  static const u64 dr7[] = {0, 0xffff0000, 0xdc00, 1ull << 32, 0x300};
  for (u32 i = 0; i < ARRAY(dr7); i++) {
    print("dr7.%llx", dr7[i]);
    check("", with(kernel(write_dr7_read), dr7[i]));
  }
  /* General detect. */
  ldr7(0x2400);
  check("gd", kernel(read_dr0));
  print("gd.dr7.after %llx\n", rdr7());
  ldr6(0xffff0ff0);
  ldr7(0x2400);
  check("gd.dr6", kernel(read_dr6));
  ldr6(0xffff0ff0);
  ldr7(0x2400);
  check("gd.user", user(read_dr0));
  vector_of(kernel(read_dr0)); /* clears GD */
  ldr7(0x400);
  ldr6(0xffff0ff0);
}

static void breakpoints(void) {
  static u8 memory[64] __attribute__((aligned(64)));
  static const struct { const char *name; u32 type; } kinds[] = {{"write", 1}, {"access", 3}, {"io", 2}};
  u64 at = (u64)memory + 16;
  for (u32 i = 0; i < ARRAY(kinds); i++)
    for (u32 length = 0; length < 4; length++) {
      u32 code = length == 0 ? 0 : length == 1 ? 1 : length == 2 ? 3 : 2;
      ldr0(at);
      ldr7(0x400 | 2 | kinds[i].type << 16 | code << 18);
      print("bp.%s.%d", kinds[i].name, 1 << length);
      traced("", with(kernel(watched), at));
    }
  ldr7(0x400 | 1 | 3 << 16 | 3 << 18);
  traced("bp.local", with(kernel(watched), at));
  ldr7(0x400 | 3 << 16 | 3 << 18);
  traced("bp.disabled", with(kernel(watched), at));
  ldr0(at + USER_ALIAS);
  ldr7(0x402 | 3 << 16 | 3 << 18);
  traced("bp.user", with(user(watched), at + USER_ALIAS));
  ldr1(at + USER_ALIAS + 7);
  ldr7(0x402 | 8 | 3 << 16 | 3 << 18 | 1 << 20);
  traced("bp.two", with(user(watched), at + USER_ALIAS));
  ldr7(0x402 | 3 << 16 | 0 << 18);
  ldr0((u64)memory + 17);
  traced("bp.string", with(kernel(watched_string), (u64)memory + 16));
  ldr0(at);
  ldr7(0x402 | 3 << 16 | 3 << 18);
  traced("bp.and.step", step(with(kernel(watched), at)));
  /* Unaligned linear address: the low bits are masked by the length. */
  ldr0(at + 3);
  ldr7(0x402 | 1 << 16 | 3 << 18);
  traced("bp.masked", with(kernel(watched), at));
  /* Instruction breakpoints are faults before the instruction, RF in the image. */
  for (u32 i = 0; i < 8; i++) {
    ldr0((u64)executed + i);
    ldr7(0x402);
    print("bp.execute.%d", i);
    traced("", kernel(executed));
  }
  ldr0((u64)executed + 1);
  ldr7(0x402);
  struct context c = kernel(executed);
  traced("bp.execute.step", step(c));
  c.rip++;
  traced("bp.execute.first", c);
  c.rflags |= FL_RF;
  traced("bp.execute.rf", c);
  ldr0((u64)executed + 1 + USER_ALIAS);
  traced("bp.execute.user", user(executed));
  ldr0((u64)branch_over + 4);
  ldr7(0x402);
  traced("bp.execute.target", kernel(branch_over));
  /* MOV SS holds a breakpoint off. */
  ldr0((u64)mov_ss_watched + 4);
  ldr7(0x402);
  traced("bp.execute.after.mov.ss", kernel(mov_ss_watched));
  ldr0((u64)memory + 32);
  *(u32 *)(memory + 32) = KDATA;
  ldr7(0x402 | 3 << 16 | 3 << 18);
  traced("bp.data.mov.ss", with(kernel(mov_ss_load_watched), (u64)memory + 32));
  ldr0((u64)write_dr7 + 4);
  ldr7(0x400);
  traced("bp.enabled.ahead", with(kernel(write_dr7), 0x402));
  ldr7(0x400);
  ldr0(0);
  ldr1(0);
}

static void resume_flag(void) {
  /* RF in the images that events push (SDM 3B 17.3.1.1): 1 for faults, and as it was for traps and interrupts. */
  static const struct { const char *name; const char *code; u64 rdi; } cases[] = {
      {"ud", ud_it, 0}, {"pf", fault_it, 0x7000000000}, {"int3", int3_it, 0}, {"int90", int90, 0}};
  for (u32 i = 0; i < ARRAY(cases); i++) {
    struct context c = with(user(cases[i].code), cases[i].rdi);
    run(&c);
    print("rf.%s %x\n", cases[i].name, (u32)trap.rflags & FL_RF ? 1 : 0);
  }
  window_pt[1] = 0;
  invlpg(WINDOW + 4096);
  struct context c = with(kernel(string_fault), WINDOW + 4094);
  run(&c);
  print("rf.rep.fault %x\n", (u32)trap.rflags & FL_RF ? 1 : 0);
  reset_window();
}

SNIPPET(ac_load2, "movw (%rdi), %ax")
SNIPPET(ac_load4, "movl (%rdi), %eax")
SNIPPET(ac_load8, "movq (%rdi), %rax")
SNIPPET(ac_store4, "movl %eax, (%rdi)")
SNIPPET(ac_add, "addq %rax, (%rdi)")
SNIPPET(ac_movdqu, "movdqu (%rdi), %xmm0")
SNIPPET(ac_movups, "movups %xmm0, (%rdi)")
SNIPPET(ac_movsd, "movsd (%rdi), %xmm0")
SNIPPET(ac_movdqa, "movdqa (%rdi), %xmm0")
SNIPPET(ac_fld80, "fldt (%rdi)")
SNIPPET(ac_fld64, "fldl (%rdi)")
SNIPPET(ac_fld32, "flds (%rdi)")
SNIPPET(ac_fild16, "filds (%rdi)")
SNIPPET(ac_fxsave, "fxsave (%rdi)")
SNIPPET(ac_fnstenv, "fnstenv (%rdi)")
SNIPPET(ac_push, "pushq %rax")
SNIPPET(ac_pop, "popq %rax")
SNIPPET(ac_call, "call 1f\n 1: nop")
SNIPPET(ac_movsq, "movsq")
SNIPPET(ac_lodsb, "lodsb")
SNIPPET(ac_lfs, "lfs (%rdi), %eax")
SNIPPET(ac_ljmp, "ljmpl *(%rdi)")
SNIPPET(ac_bts, "btsl %eax, (%rdi)")
SNIPPET(ac_cmpxchg16b, "cmpxchg16b (%rdi)")
SNIPPET(ac_enter, "enter $16, $0")
SNIPPET(ac_lar, "lar (%rdi), %eax")
SNIPPET(ac_cmpxchg8b, "cmpxchg8b (%rdi)")

/* Alignment checks: SDM 3A 6.15 #AC, table 6-7. A row: offsets 0 to 8. */
static void alignment(void) {
  static const struct { const char *name; const char *code; u32 stack; } cases[] = {
      {"mov2", ac_load2, 0}, {"mov4", ac_load4, 0}, {"mov8", ac_load8, 0}, {"store4", ac_store4, 0}, {"add8", ac_add, 0},
      {"movdqu", ac_movdqu, 0}, {"movups", ac_movups, 0}, {"movsd", ac_movsd, 0}, {"movdqa", ac_movdqa, 0},
      {"fld80", ac_fld80, 0}, {"fld64", ac_fld64, 0}, {"fld32", ac_fld32, 0}, {"fild16", ac_fild16, 0},
      {"fxsave", ac_fxsave, 0}, {"fnstenv", ac_fnstenv, 0}, {"push", ac_push, 1}, {"pop", ac_pop, 1}, {"call", ac_call, 1},
      {"movsq", ac_movsq, 0}, {"lodsb", ac_lodsb, 0}, {"lfs", ac_lfs, 0}, {"ljmp", ac_ljmp, 0},
      {"bts", ac_bts, 0}, {"cmpxchg8b", ac_cmpxchg8b, 0}, {"cmpxchg16b", ac_cmpxchg16b, 0}, {"enter", ac_enter, 1}, {"lar", ac_lar, 0},
  };
  lcr4(rcr4() & ~(u64)CR4_UMIP);
  for (u32 mode = 0; mode < 4; mode++) {
    if (mode != 1) lcr0(rcr0() | CR0_AM);
    for (u32 i = 0; i < ARRAY(cases); i++) {
      if (mode != 0 && i > 3) break;
      print("ac.%s.%s ", mode == 0 ? "on" : mode == 1 ? "am0" : mode == 2 ? "kernel" : "ac0", cases[i].name);
      for (u32 offset = 0; offset <= 8; offset++) {
        fill(pool, 0, 4096);
        struct context c = with(mode == 2 ? kernel(cases[i].code) : user(cases[i].code), WINDOW + 256 + offset);
        if (mode != 3) c.rflags |= FL_AC;
        c.r[RSI] = WINDOW + 256 + offset;
        c.r[RDI] = cases[i].code == ac_movsq ? WINDOW + 512 : c.r[RSI];
        c.r[RAX] = c.r[RBX] = c.r[RCX] = c.r[RDX] = 0;
        if (cases[i].stack) c.rsp -= 64 - offset;
        run(&c);
        if (trap.vector == EXIT_VECTOR) put("-");
        else if (trap.vector == 17) print("a%s", trap.error ? "?" : "");
        else print("%x", (u32)trap.vector);
      }
      put("\n");
    }
    lcr0(rcr0() & ~(u64)CR0_AM);
  }
}

void debug_tests(void) {
  single_step();
  resume_flag();
  registers();
  breakpoints();
  alignment();
}
