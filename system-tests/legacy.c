/*
 * Protected mode without IA-32e mode: segmentation in 32 and 16 bits with its limits, gates of both sizes, 32-bit and PAE
 * paging, and real mode. SDM 3A chapters 3-6, SDM 3B chapters 20 and 21.
 */
#include "runtime.h"

enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };
struct context { u32 r[8], eip, cs, eflags, esp, ss, ds, es, fs, gs; };
/* As event stacks it. */
struct trap { u32 edi, esi, ebp, esp0, ebx, edx, ecx, eax, es, ds, vector, error, eip, cs, eflags, esp, ss; };
extern struct trap trap;
extern u32 trap_cr2, trap_ss;
extern const char vector_stubs[], iret_of_run[];
void run(struct context *);

#define KCODE 0x08
#define KDATA 0x10
#define UCODE 0x1b
#define UDATA 0x23
#define KCODE16 0x28
#define UCODE16 0x33
#define TSS_SELECTOR 0x38
#define S 0x60
#define S2 0x68
u64 gdt[64] __attribute__((aligned(16))) = {
    0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff, 0x008f9b000000ffff, 0x008ffb000000ffff,
};
static u64 idt[256];
static struct { u32 link, esp0, ss0, esp1, ss1, esp2, ss2, rest[18]; u16 t, iomap; } tss;
static u8 stack0[4096], test_stack[4096], user_stack[4096];
extern u8 pool[];

static void set_descriptor(u32 selector, u32 base, u32 limit, u32 attributes) {
  u32 low = (limit & 0xffff) | base << 16;
  u32 high = (base >> 16 & 0xff) | (attributes & 0xf0ff) << 8 | (limit & 0xf0000) | (base & 0xff000000);
  gdt[selector >> 3] = (u64)high << 32 | low;
}
static void set_gate(u32 vector, u32 offset, u32 selector, u32 type, u32 dpl) {
  idt[vector] = (u64)((offset & 0xffff0000) | 0x8000 | dpl << 13 | type << 8) << 32 | selector << 16 | (offset & 0xffff);
}
static void reset_gate(u32 vector) { set_gate(vector, (u32)vector_stubs + vector * 16, KCODE, 14, vector == EXIT_VECTOR ? 3 : 0); }

#define SNIPPET(name, text)                                                                            \
  __asm__(".pushsection .snippets, \"ax\"\n .balign 64\n" #name ":\n" text "\n .code32\n int $0x80\n .popsection"); \
  extern const char name[];

static struct context context(const char *code, u32 is_user) {
  struct context c;
  fill(&c, 0, sizeof c);
  c.eip = (u32)code;
  c.cs = is_user ? UCODE : KCODE;
  c.ss = c.ds = c.es = c.fs = c.gs = is_user ? UDATA : KDATA;
  c.esp = (u32)(is_user ? user_stack : test_stack) + 4096;
  c.eflags = 2;
  return c;
}
static struct context kernel(const char *code) { return context(code, 0); }
static struct context user(const char *code) { return context(code, 1); }
static void report(const char *name, struct context *c) {
  print("%s ", name);
  put_vector(trap.vector, trap.error);
  if (trap.vector == EXIT_VECTOR) print(" eax=%x", trap.eax);
  else if (trap.eip == (u32)iret_of_run) put(" at iret");
  else if (trap.eip - c->eip < 0x1000) print(" eip+%x", trap.eip - c->eip);
  else print(" eip=%x", trap.eip);
  if (trap.vector == 14) print(" cr2=%x", trap_cr2);
  put("\n");
}
static void check(const char *name, struct context c) {
  run(&c);
  report(name, &c);
}
__attribute__((used)) void unexpected_event(void) {
  print("unexpected %x error %x eip %x\n", trap.vector, trap.error, trap.eip);
  finish();
}

SNIPPET(load1, "movb (%esi), %al")
SNIPPET(load4, "movl (%esi), %eax")
SNIPPET(store4, "movl %eax, (%edi)")
SNIPPET(es_store4, "movl %eax, %es:(%edi)")
SNIPPET(cs_load, "movl %cs:(%esi), %eax")
SNIPPET(cs_store, "movl %eax, %cs:(%edi)")
SNIPPET(fs_load, "movl %fs:(%esi), %eax")
SNIPPET(ss_load, "movl %ss:(%esi), %eax")
SNIPPET(ebp_load, "movl (%ebp), %eax")
SNIPPET(push_it, "pushl %eax")
SNIPPET(pop_it, "popl %eax")
SNIPPET(pusha_it, "pushal")
SNIPPET(popa_it, "popal")
SNIPPET(call_it, "call 1f\n 1: popl %ecx")
SNIPPET(ret_it, "ret")
SNIPPET(stosl_it, "stosl")
SNIPPET(rep_stosb_it, "rep stosb")
SNIPPET(rep_stosl_it, "rep stosl")
SNIPPET(movsl_it, "movsl")
SNIPPET(rep_movsb_it, "rep movsb")
SNIPPET(cmpsb_it, "cmpsb")
SNIPPET(scasb_it, "scasb")
SNIPPET(lodsl_it, "lodsl")
SNIPPET(enter_it, "enter $16, $0")
SNIPPET(leave_it, "leave")
SNIPPET(xlat_it, "xlatb")
SNIPPET(moffs_it, ".byte 0xa1, 0, 0x20, 0, 0")
SNIPPET(load_addr16, "addr16 movb (%si), %al")
SNIPPET(inc_it, "incl (%edi)")
SNIPPET(movdqu_it, "movdqu (%esi), %xmm0")
SNIPPET(cmpxchg8b_it, "cmpxchg8b (%edi)")
SNIPPET(fxsave_it, "fxsave (%edi)")
SNIPPET(jump, "jmp *%eax")
SNIPPET(bound_it, "boundl %eax, (%esi)")
SNIPPET(lds_it, "lds (%esi), %eax")

/* What a segment of 0x2000 bytes (limit 0x1fff) at the pool lets through, by offset. */
static void limits(void) {
  static const struct { const char *name; const char *code; } ops[] = {
      {"load1", load1}, {"load4", load4}, {"store4", store4}, {"es.store4", es_store4}, {"cs.load", cs_load}, {"cs.store", cs_store},
      {"fs.load", fs_load}, {"ss.load", ss_load}, {"ebp.load", ebp_load}, {"stosl", stosl_it}, {"rep.stosb", rep_stosb_it},
      {"rep.stosl", rep_stosl_it}, {"movsl", movsl_it}, {"rep.movsb", rep_movsb_it}, {"cmpsb", cmpsb_it}, {"scasb", scasb_it},
      {"lodsl", lodsl_it}, {"xlat", xlat_it}, {"moffs", moffs_it}, {"addr16", load_addr16}, {"inc", inc_it}, {"movdqu", movdqu_it},
      {"cmpxchg8b", cmpxchg8b_it}, {"fxsave", fxsave_it}, {"bound", bound_it},
  };
  static const u32 offsets[] = {0, 0x1ffb, 0x1ffc, 0x1ffd, 0x1fff, 0x2000, 0xffff, 0x10000, 0xfffffffc, 0xffffffff};
  static const struct { const char *name; u32 limit, attributes; } kinds[] = {
      {"up", 0x1fff, 0x4093}, {"up.granular", 1, 0xc093}, {"down32", 0x1fff, 0x4097}, {"down16", 0x1fff, 0x0097}, {"read.only", 0x1fff, 0x4091},
      {"down.ro", 0x1fff, 0x4095}, {"code", 0x1fff, 0x409b},
  };
  for (u32 k = 0; k < ARRAY(kinds); k++)
    for (u32 i = 0; i < ARRAY(ops); i++) {
      set_descriptor(S, (u32)pool + 0x10000, kinds[k].limit, kinds[k].attributes);
      u32 code = kinds[k].attributes & 8, writable = !code && (kinds[k].attributes & 2);
      u32 by_ss = ops[i].code == ss_load || ops[i].code == ebp_load;
      if (by_ss && !writable) continue;
      if (code && ops[i].code == cs_load) continue;
      print("limit.%s.%s ", kinds[k].name, ops[i].name);
      for (u32 o = 0; o < ARRAY(offsets); o++) {
        struct context c = kernel(ops[i].code);
        c.r[ESI] = c.r[EDI] = c.r[EBP] = c.r[EBX] = offsets[o];
        c.r[ECX] = 3;
        if (by_ss) c.ss = S, c.esp = 0x1000;
        else c.ds = c.es = c.fs = S;
        if (by_ss && (kinds[k].attributes & 4)) c.esp = 0x8000;
        run(&c);
        if (trap.vector == EXIT_VECTOR) put("-");
        else print("%x%s", trap.vector, trap.error ? "?" : "");
      }
      put("\n");
    }
  /* Registers after a REP that meets the limit. */
  set_descriptor(S, (u32)pool + 0x10000, 0x1fff, 0x4093);
  struct context c = kernel(rep_stosb_it);
  c.es = S, c.r[EDI] = 0x1ffd, c.r[ECX] = 8;
  run(&c);
  print("limit.rep.stosb v%x ecx %x edi %x\n", trap.vector, trap.ecx, trap.edi);
  c.eip = (u32)rep_movsb_it;
  c.ds = KDATA, c.r[ESI] = (u32)pool;
  run(&c);
  print("limit.rep.movsb v%x ecx %x edi %x\n", trap.vector, trap.ecx, trap.edi);
  /* Null data segments. */
  c = kernel(load4);
  c.ds = 0;
  check("null.ds", c);
  c = kernel(stosl_it);
  c.es = 0;
  check("null.es", c);
  c = kernel(load4);
  c.ds = 3;
  check("null.ds.3", c);
}

/* The stack, with a limit, 16 and 32 bits. User level: events come in on the TSS's stack. */
static void stacks(void) {
  static const struct { const char *name; const char *code; } ops[] = {
      {"push", push_it}, {"pop", pop_it}, {"pusha", pusha_it}, {"popa", popa_it}, {"call", call_it}, {"enter", enter_it}, {"leave", leave_it}};
  static const u32 tops[] = {0, 1, 2, 4, 16, 31, 32, 0x1ffc, 0x1ffd, 0x2000, 0x2004, 0xfffe, 0x10000};
  static const struct { const char *name; u32 limit, attributes; } kinds[] = {
      {"up", 0x1fff, 0x40f3}, {"up16", 0x1fff, 0x00f3}, {"down", 0x1fff, 0x40f7}, {"down16", 0x1fff, 0x00f7}};
  for (u32 k = 0; k < ARRAY(kinds); k++)
    for (u32 i = 0; i < ARRAY(ops); i++) {
      print("stack.%s.%s", kinds[k].name, ops[i].name);
      set_descriptor(S, (u32)pool + 0x10000, kinds[k].limit, kinds[k].attributes);
      for (u32 t = 0; t < ARRAY(tops); t++) {
        struct context c = user(ops[i].code);
        c.ss = S | 3;
        c.esp = c.r[EBP] = tops[t];
        run(&c);
        if (trap.vector == EXIT_VECTOR) print(" %x", (trap.esp - tops[t]) & (kinds[k].attributes & 0x4000 ? 0xffffffff : 0xffff));
        else print(" v%x%s", trap.vector, trap.error ? "?" : "");
      }
      put("\n");
    }
}

SNIPPET(in16, ".code16\n movl $0x12345678, %eax\n pushw %ax\n popw %cx\n nop")
SNIPPET(wrap16, ".code16\n movw $0xffff, %bx\n movb 1(%bx), %al\n movw $1, %bx\n addb %bl, %al")
SNIPPET(prefix16, ".code16\n movw $1, %ax\n .byte 0x66\n .byte 0xb8\n .long 0x87654321\n addr32 leal 4(%eax,%eax,2), %ecx")
SNIPPET(loop16, ".code16\n movl $0x10002, %ecx\n xorw %ax, %ax\n 1: incw %ax\n loopw 1b\n jcxz 2f\n incw %ax\n 2: nop")
SNIPPET(fall_off, ".code32\n nop\n nop\n nop\n nop")
SNIPPET(int90, "int $0x90")
SNIPPET(landing, "movl $0x1a, %eax")
SNIPPET(iretl_it, "iretl")
SNIPPET(iretw_it, "iretw")
SNIPPET(lcall_s, "lcall $0x60, $0")
SNIPPET(ljmp_s, "ljmp $0x60, $0")
SNIPPET(lret_it, "lretl")
SNIPPET(lretw_it, "lretw")

static void code_segments(void) {
  struct context c;
  for (u32 i = 0; i < 4; i++) {
    const char *code = i == 0 ? in16 : i == 1 ? wrap16 : i == 2 ? prefix16 : loop16;
    set_descriptor(S, (u32)code, 0xffff, 0x009b);
    c = kernel(code);
    c.cs = S;
    c.eip = 0;
    set_descriptor(S2, (u32)pool, 0xffff, 0x4093);
    pool[0] = 0x77;
    c.ds = S2;
    run(&c);
    print("code16.%d v%x eax %x ecx %x eip %x\n", i, trap.vector, trap.eax, trap.ecx, trap.eip);
  }
  /* Running off the limit of the code segment. */
  for (u32 limit = 0; limit < 6; limit++) {
    set_descriptor(S, (u32)fall_off, limit, 0x40fb);
    c = user(fall_off);
    c.cs = S | 3;
    c.eip = 0;
    run(&c);
    print("code.limit.%d v%x error %x eip %x\n", limit, trap.vector, trap.error, trap.eip);
  }
  set_descriptor(S, (u32)jump, 0x100, 0x40fb);
  c = user(jump);
  c.cs = S | 3;
  c.eip = 0;
  c.r[EAX] = 0x101;
  run(&c);
  print("code.limit.jump v%x eip %x\n", trap.vector, trap.eip);
  /* At the end of a page: going on, an instruction in two pages, and a jump there from a page that is known already. */
  static const struct { const char *name; u32 at, code; } ends[] = {{"next", 0xffe, 0x90909090}, {"cross", 0xffd, 0xb8b8b8b8}, {"jump", 0xf00, 0xe0ffe0ff}};
  u8 *page = pool + 0x10000;
  fill(page, 0x90, 0x2000);
  for (u32 round = 0; round < 2; round++)
    for (u32 i = 0; i < ARRAY(ends); i++) {
      for (u32 k = 0; k < 8; k++) page[ends[i].at + k] = (u8)(ends[i].code >> (k & 3) * 8);
      page[0x1008] = 0xcd, page[0x1009] = EXIT_VECTOR;
      /* The second round has room for a page more. */
      set_descriptor(S, (u32)page, round == 0 ? 0xfff : 0x1fff, 0x40fb);
      c = user((const char *)page);
      c.cs = S | 3;
      c.eip = 0;
      c.r[EAX] = 0x1000;
      run(&c);
      print("code.limit.page%d.%s v%x error %x eip %x\n", round, ends[i].name, trap.vector, trap.error, trap.eip);
      fill(page, 0x90, 0x2000);
    }
}

static void gates(void) {
  struct context c;
  /* Every type, from the kernel and the user. */
  for (u32 cpl = 0; cpl <= 3; cpl += 3) {
    print("gate.cpl%d.types", cpl);
    for (u32 type = 0; type < 32; type++) {
      if (type == 5 || type == 6 || type == 7) continue; /* task gate; 16-bit gates: below */
      set_gate(0x90, (u32)vector_stubs + 0x90 * 16, KCODE, type, 3);
      c = cpl ? user(int90) : kernel(int90);
      run(&c);
      print(" %x", trap.vector);
      if (trap.error) print("(%x)", trap.error);
    }
    put("\n");
  }
  set_gate(0x90, (u32)vector_stubs + 0x90 * 16, KCODE, 14, 2);
  check("gate.dpl2.user", user(int90));
  set_gate(0x90, (u32)vector_stubs + 0x90 * 16, KCODE, 14, 3);
  idt[0x90] &= ~(0x8000ull << 32);
  check("gate.absent", user(int90));
  static const u32 selectors[] = {0, KDATA, 0x1f8, 0x2f8, UCODE};
  for (u32 i = 0; i < ARRAY(selectors); i++) {
    set_gate(0x90, (u32)vector_stubs + 0x90 * 16, selectors[i], 14, 3);
    print("gate.selector.%x", selectors[i]);
    check("", i == 4 ? kernel(int90) : user(int90));
  }
  set_gate(0x90, (u32)vector_stubs + 0x90 * 16, KCODE, 14, 3);
  run((c = user(int90), &c));
  print("gate.inner esp %x ss %x pushed cs %x eflags %x esp %x ss %x\n", (u32)stack0 + 4096 - trap.esp0, trap_ss, trap.cs, trap.eflags,
        trap.esp - c.esp, trap.ss);
  /* 16-bit gates push words. */
  set_descriptor(S, 0x100000, 0xffff, 0x409b);
  c = kernel(int90);
  set_gate(0x90, (u32)landing - 0x100000, S, 6, 3);
  run(&c);
  u16 *words = (u16 *)(c.esp - 6);
  print("gate16.same v%x eip %x cs %x flags %x esp %x\n", trap.vector, words[0] == (u16)(c.eip + 2), words[1], words[2], c.esp - trap.esp0);
  c = user(int90);
  run(&c);
  words = (u16 *)((u32)stack0 + 4096 - 10);
  print("gate16.inner v%x eip %x cs %x flags %x esp %x ss %x\n", trap.vector, words[0] == (u16)(c.eip + 2), words[1], words[2],
        words[3] == (u16)c.esp, words[4]);
  set_gate(0x90, (u32)landing - 0x100000, S, 7, 3);
  c = kernel(int90);
  c.eflags |= FL_NT;
  run(&c);
  print("trap16 v%x eflags %x\n", trap.vector, trap.eflags);
  reset_gate(0x90);
}

static void call_gate(u32 offset, u32 selector, u32 type, u32 dpl, u32 parameters) {
  gdt[S >> 3] = (u64)((offset & 0xffff0000) | 0x8000 | dpl << 13 | type << 8 | parameters) << 32 | selector << 16 | (offset & 0xffff);
}
static void call_gates(void) {
  struct context c = user(lcall_s);
  c.esp -= 32;
  for (u32 i = 0; i < 8; i++) ((u32 *)c.esp)[i] = 0x11110000 + i;
  static const u32 counts[] = {0, 1, 3, 31};
  for (u32 i = 0; i < ARRAY(counts); i++) {
    call_gate((u32)landing, KCODE, 12, 3, counts[i]);
    if (counts[i] == 31) c.esp = (u32)user_stack + 2048;
    run(&c);
    u32 *f = (u32 *)((u32)stack0 + 4096 - 16 - 4 * counts[i]);
    print("callgate.%d v%x cs %x ss %x frame eip+%x cs %x", counts[i], trap.vector, trap.cs, trap_ss, f[0] - c.eip, f[1]);
    if (counts[i] < 4) for (u32 j = 0; j < counts[i]; j++) print(" %x", f[2 + j]);
    print(" esp %x ss %x\n", f[2 + counts[i]] - c.esp, f[3 + counts[i]]);
  }
  set_descriptor(S2, 0x100000, 0xffff, 0x409b);
  call_gate((u32)landing - 0x100000, S2, 4, 3, 2);
  c = user(lcall_s);
  c.esp -= 32;
  run(&c);
  u16 *w = (u16 *)((u32)stack0 + 4096 - 12);
  print("callgate16 v%x eip %x cs %x %x %x esp %x ss %x\n", trap.vector, w[0] == (u16)(c.eip + 7), w[1], w[2] == ((u16 *)c.esp)[0],
        w[3] == ((u16 *)c.esp)[1], w[4] == (u16)c.esp, w[5]);
  call_gate((u32)landing, KCODE, 12, 0, 0);
  check("callgate.dpl", user(lcall_s));
  call_gate((u32)landing, KCODE, 12, 3, 0);
  check("callgate.jmp.inner", user(ljmp_s));
  check("callgate.jmp.same", kernel(ljmp_s));
  call_gate((u32)landing, UCODE, 12, 3, 0);
  check("callgate.outer", kernel(lcall_s));
  call_gate((u32)landing, KDATA, 12, 3, 0);
  check("callgate.data", user(lcall_s));
  call_gate((u32)landing, KCODE, 12, 3, 0);
  gdt[S >> 3] &= ~(0x8000ull << 32);
  check("callgate.absent", user(lcall_s));
  /* Returns. */
  u32 *s = (u32 *)((u32)test_stack + 1024);
  static const struct { const char *name; u32 cs, ss; } returns[] = {
      {"same", KCODE, 0}, {"outer", UCODE, UDATA}, {"null", 0, 0}, {"data", KDATA, 0}, {"outer.null", UCODE, 0}, {"outer.rpl", UCODE, KDATA}};
  for (u32 i = 0; i < ARRAY(returns); i++)
    for (u32 form = 0; form < 4; form++) {
      c = kernel(form == 0 ? lret_it : form == 1 ? lretw_it : form == 2 ? iretl_it : iretw_it);
      c.esp = (u32)s;
      u32 outer_esp = (u32)user_stack + 512;
      if (form == 0) s[0] = (u32)landing, s[1] = returns[i].cs, s[2] = outer_esp, s[3] = returns[i].ss;
      else if (form == 2) s[0] = (u32)landing, s[1] = returns[i].cs, s[2] = 2, s[3] = outer_esp, s[4] = returns[i].ss;
      else {
        /* 16-bit offsets: a code segment that begins at the program. */
        set_descriptor(S, 0x100000, 0xffff, 0x409b | (returns[i].cs & 3) << 5);
        u16 *h = (u16 *)s;
        u32 n = 0;
        h[n++] = (u16)((u32)landing - 0x100000), h[n++] = returns[i].cs == KCODE ? S : returns[i].cs == UCODE ? S | 3 : returns[i].cs;
        if (form == 3) h[n++] = 2;
        h[n++] = (u16)outer_esp, h[n++] = returns[i].ss;
      }
      run(&c);
      print("%s.%s ", form == 0 ? "lretl" : form == 1 ? "lretw" : form == 2 ? "iretl" : "iretw", returns[i].name);
      put_vector(trap.vector, trap.error);
      print(" cs %x", trap.cs);
      if (trap.cs & 3) print(" ss %x esp %x", trap.ss, form & 1 ? trap.esp & 0xffff ? (trap.esp & 0xffff) == (outer_esp & 0xffff) : 2 : trap.esp - outer_esp);
      put("\n");
    }
}

SNIPPET(load_ds, "movl %edi, %ds\n movl %ds, %eax")
SNIPPET(load_ss, "movl %edi, %ss\n movl %ss, %eax")
SNIPPET(arpl_it, "arpl %cx, %di\n setzb %al\n movzbl %al, %eax\n shll $16, %eax\n movw %di, %ax")
SNIPPET(syscall_it, "syscall")
SNIPPET(sysenter_it, "sysenter")

static void segment_loads(void) {
  for (u32 which = 0; which < 2; which++)
    for (u32 cpl = 0; cpl <= 3; cpl += 3) {
      print("load.%s.cpl%d ", which ? "ss" : "ds", cpl);
      for (u32 type = 0; type < 64; type++) {
        /* Expand-down data of limit 0 reaches from 1 to 4 GiB; one of 4 GiB would hold nothing. */
        u32 down = (type & 0x1c) == 0x14;
        set_descriptor(S, 0, down ? 0 : 0xfffff, (down ? 0x4000 : 0xc000) | (type & 31) | cpl << 5 | (type & 32 ? 0 : 0x80));
        struct context c = context(which ? load_ss : load_ds, cpl != 0);
        c.r[EDI] = S | cpl;
        run(&c);
        if (trap.vector == EXIT_VECTOR) put("-");
        else print("%x%c", trap.vector, trap.error == S ? 's' : '?');
      }
      struct context c = context(which ? load_ss : load_ds, cpl != 0);
      run(&c);
      print(" null %x\n", trap.vector);
    }
  static const u32 pairs[][2] = {{0x10, 3}, {0x13, 0}, {0x11, 2}, {0x12, 2}};
  for (u32 i = 0; i < 4; i++) {
    struct context c = user(arpl_it);
    c.r[EDI] = pairs[i][0];
    c.r[ECX] = pairs[i][1];
    run(&c);
    print("arpl.%x.%x %x\n", pairs[i][0], pairs[i][1], trap.eax);
  }
  check("syscall", user(syscall_it));
  check("sysenter.cs0", user(sysenter_it));
}

static u32 directory[1024] __attribute__((aligned(4096))), table[1024] __attribute__((aligned(4096)));
static u64 pdpt[4] __attribute__((aligned(32))), pae_pd[512] __attribute__((aligned(4096))), pae_pt[512] __attribute__((aligned(4096)));
#define WINDOW 0x40000000u
#define CRX(n)                                                                                         \
  static u32 rcr##n(void) { u32 v; __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v)); return v; }       \
  static void lcr##n(u32 v) { __asm__ volatile("mov %0, %%cr" #n ::"r"(v) : "memory"); }
CRX(0) CRX(3) CRX(4)

static void put_access(u32 access, u32 is_user) {
  struct context c = context(access == 0 ? load4 : access == 1 ? store4 : jump, is_user);
  c.r[ESI] = c.r[EDI] = c.r[EAX] = WINDOW + (access == 2 ? 0 : 64);
  run(&c);
  if (trap.vector == EXIT_VECTOR) put("--");
  else if (trap.vector == 14 && trap_cr2 == c.r[ESI]) print("%x%x", trap.error >> 4 & 15, trap.error & 15);
  else put("??");
}
static void paging(void) {
  pool[0] = 0xcd, pool[1] = EXIT_VECTOR;
  for (u32 i = 0; i < 1024; i++) directory[i] = 0;
  /* The first 16 MiB for everybody, in 4 MiB pages. */
  lcr4(rcr4() | CR4_PSE);
  for (u32 i = 0; i < 4; i++) directory[i] = i << 22 | 0x87;
  lcr3((u32)directory);
  lcr0(rcr0() | CR0_PG);
  for (u32 size = 0; size < 2; size++)
    for (u32 wp = 0; wp < 2; wp++) {
      lcr0((rcr0() & ~CR0_WP) | (wp ? CR0_WP : 0));
      for (u32 who = 0; who < 6; who++) {
        print("32.%s.%s.%s.%s ", size ? "4m" : "4k", wp ? "wp" : "-", who & 1 ? "user" : "kernel", who >> 1 == 0 ? "read" : who >> 1 == 1 ? "write" : "execute");
        for (u32 bits = 0; bits < 32; bits++) {
          u32 upper = 1 | (bits & 1 ? 2 : 0) | (bits & 2 ? 4 : 0), leaf = (bits & 4 ? 1 : 0) | (bits & 8 ? 2 : 0) | (bits & 16 ? 4 : 0);
          if (size == 0) directory[WINDOW >> 22] = (u32)table | upper, table[0] = (u32)pool | leaf;
          else directory[WINDOW >> 22] = (u32)pool | leaf | 0x80;
          if (size && (bits & 3)) continue;
          lcr3(rcr3());
          put_access(who >> 1, who & 1);
        }
        put("\n");
      }
    }
  /* Flags, reserved bits, PS without CR4.PSE. */
  directory[WINDOW >> 22] = (u32)table | 7, table[0] = (u32)pool | 7;
  lcr3(rcr3());
  put_access(0, 1);
  print(" 32.ad.read %x %x\n", directory[WINDOW >> 22] & 0x60, table[0] & 0x60);
  put_access(1, 1);
  print(" 32.ad.write %x %x\n", directory[WINDOW >> 22] & 0x60, table[0] & 0x60);
  directory[WINDOW >> 22] = (u32)pool | 0x87 | 0x200000;
  lcr3(rcr3());
  put_access(0, 1);
  put(" 32.4m.reserved\n");
  directory[WINDOW >> 22] = (u32)pool | 0x87;
  lcr3(rcr3());
  put_access(1, 1);
  print(" 32.4m.ad %x\n", directory[WINDOW >> 22] & 0x60);
  lcr0(rcr0() & ~(CR0_PG | CR0_WP));
  /* PAE: PDPTEs have no rights; reserved bits there are #GP at MOV CR3. */
  for (u32 i = 0; i < 512; i++) pae_pd[i] = pae_pt[i] = 0;
  static u64 low_pd[512] __attribute__((aligned(4096)));
  for (u32 i = 0; i < 8; i++) low_pd[i] = (u64)i << 21 | 0x87;
  pdpt[0] = (u32)low_pd | 1, pdpt[1] = (u32)pae_pd | 1, pdpt[2] = pdpt[3] = 0;
  pae_pd[0] = (u32)pae_pt | 7, pae_pt[0] = (u32)pool | 7;
  lcr4(rcr4() | CR4_PAE);
  lcr3((u32)pdpt);
  u32 a, d;
  __asm__ volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(0xc0000080));
  __asm__ volatile("wrmsr" ::"a"(a | EFER_NXE), "d"(d), "c"(0xc0000080));
  lcr0(rcr0() | CR0_PG | CR0_WP);
  for (u32 size = 0; size < 2; size++)
    for (u32 who = 0; who < 6; who++) {
      print("pae.%s.%s.%s ", size ? "2m" : "4k", who & 1 ? "user" : "kernel", who >> 1 == 0 ? "read" : who >> 1 == 1 ? "write" : "execute");
      for (u32 bits = 0; bits < 64; bits++) {
        u64 upper = 1 | (bits & 1 ? 2 : 0) | (bits & 2 ? 4 : 0);
        u64 leaf = (bits & 4 ? 1 : 0) | (bits & 8 ? 2 : 0) | (bits & 16 ? 4 : 0) | (bits & 32 ? 1ull << 63 : 0);
        if (size && (bits & 3)) continue;
        if (size == 0) pae_pd[0] = (u32)pae_pt | upper, pae_pt[0] = (u32)pool | leaf;
        else pae_pd[0] = (u32)pool | leaf | 0x80;
        lcr3(rcr3());
        put_access(who >> 1, who & 1);
      }
      put("\n");
    }
  pae_pd[0] = (u32)pae_pt | 7, pae_pt[0] = (u32)pool | 7 | 1ull << 51;
  lcr3(rcr3());
  put_access(0, 1);
  put(" pae.reserved.pt\n");
  pae_pt[0] = (u32)pool | 7;
  pdpt[1] = 0;
  lcr3(rcr3());
  put_access(0, 1);
  put(" pae.pdpte.absent\n");
  lcr0(rcr0() & ~(CR0_PG | CR0_WP));
  lcr4(rcr4() & ~CR4_PAE);
}

__attribute__((used)) void main(u32 *info) {
  command_line = (const char *)info[6];
  for (u32 i = 0; i < 256; i++) reset_gate(i);
  static struct { u16 limit; u32 base; } __attribute__((packed)) idtr = {sizeof idt - 1, 0};
  idtr.base = (u32)idt;
  __asm__ volatile("lidt %0" ::"m"(idtr));
  tss.esp0 = (u32)stack0 + 4096;
  tss.ss0 = KDATA;
  tss.iomap = 0xffff;
  set_descriptor(TSS_SELECTOR, (u32)&tss, sizeof tss - 1, 0x89);
  __asm__ volatile("ltr %w0" ::"r"(TSS_SELECTOR));
  lcr4(rcr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
  if (has_word(command_line, "limits")) limits(), stacks();
  if (has_word(command_line, "legacy")) code_segments(), segment_loads(), gates(), call_gates(), paging();
  finish();
}
