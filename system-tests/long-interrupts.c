/*
 * Interrupts: the local APIC's priorities (SDM 3A 10.8), the interrupt shadow (6.8.3, SDM 2B STI), HLT, NMI (6.7), the
 * IOAPIC's edge and level inputs (82093AA), the i8259 pair through LINT0. Sources are self-IPIs, the UART's THRE on IRQ 4, and
 * the i8254 on IRQ 0. A log gives each vector and where RIP was in the snippet.
 */
#include "long.h"

#define LAPIC(r) (*(volatile u32 *)(0xfee00000ull + (r)))
#define TPR 0x80
#define PPR 0xa0
#define EOI 0xb0
#define SVR 0xf0
#define ISR 0x100
#define IRR 0x200
#define ICR 0x300
#define LVT_TIMER 0x320
#define LVT_LINT0 0x350
#define TIMER_INITIAL 0x380
#define TIMER_CURRENT 0x390
#define TIMER_DIVIDE 0x3e0
#define SELF (1u << 18)
#define ICR_NMI (4u << 8)
#define MASKED (1u << 16)

SNIPPET(sti_nop, "sti\n nop\n nop\n nop\n nop\n nop\n cli")
SNIPPET(sti_cli, "sti\n cli\n nop\n nop")
SNIPPET(sti_sti, "sti\n sti\n nop\n nop\n nop\n cli")
SNIPPET(sti_mov_ss, "movl %ss, %eax\n sti\n movl %eax, %ss\n nop\n nop\n nop\n cli")
SNIPPET(sti_pop_fs, "pushq $0\n sti\n popq %fs\n nop\n nop\n cli")
SNIPPET(sti_hlt, "sti\n hlt\n nop\n cli")
SNIPPET(sti_fault, "sti\n movl (%rdi), %eax\n nop")
SNIPPET(popf_if, "pushfq\n orl $0x200, (%rsp)\n popfq\n nop\n nop\n cli")
SNIPPET(send, "sti\n nop\n movl %edi, (%rsi)\n nop\n nop\n nop\n cli")
SNIPPET(set_cr8, "movq %rdi, %cr8\n nop\n nop\n cli")
SNIPPET(set_tpr, "movl %edi, (%rsi)\n nop\n nop\n cli")
SNIPPET(masked, "nop\n movl %edi, (%rsi)\n nop\n nop")
SNIPPET(wait_it, "sti\n hlt\n cli")
SNIPPET(iret_if, "iretq")
SNIPPET(landing, "nop\n nop\n cli")

static u64 base;
static u32 eoi, again, count;
static int log_event(void) {
  if (trap.vector == EXIT_VECTOR) return 0;
  u64 at = trap.rip - base;
  if (trap.vector < 32 && trap.vector != 2) {
    put(" ");
    put_vector((u32)trap.vector, (u32)trap.error);
    return 0;
  }
  print(" %x@", (u32)trap.vector);
  if (at < 0x1000) print("%llx", at);
  else put("*");
  if (again) {
    again = 0;
    LAPIC(ICR) = SELF | ICR_NMI;
    put("(sent)");
  }
  if (eoi == 1) LAPIC(EOI) = 0;
  if (eoi == 2) {
    outb(0x20, 0x20);
  }
  return ++count < 12;
}
static void logged(const char *name, struct context c) {
  base = c.rip;
  count = 0;
  hook = log_event;
  print("%s", name);
  run(&c);
  hook = 0;
  put("\n");
}
static struct context with(struct context c, u64 rdi, u64 rsi) {
  c.r[RDI] = rdi;
  c.r[RSI] = rsi;
  return c;
}
static void ipi(u32 vector) {
  LAPIC(ICR) = SELF | vector;
  while (LAPIC(ICR) & 1 << 12) {
  }
}
static void drain(void) {
  lcr8(0);
  eoi = 1;
  for (u32 i = 0; i < 8; i++) LAPIC(EOI) = 0;
  struct context c = kernel(sti_nop);
  base = 0;
  count = 0;
  hook = log_event;
  put("#");
  run(&c);
  hook = 0;
  put("\n");
}

static void shadow(void) {
  eoi = 1;
  static const struct { const char *name; const char *code; } list[] = {
      {"sti.nop", sti_nop}, {"sti.sti", sti_sti}, {"sti.mov.ss", sti_mov_ss}, {"sti.pop.fs", sti_pop_fs}, {"sti.hlt", sti_hlt},
      {"popf", popf_if}};
  for (u32 i = 0; i < ARRAY(list); i++) {
    ipi(0x41);
    print("shadow.");
    logged(list[i].name, kernel(list[i].code));
  }
  ipi(0x41);
  logged("shadow.sti.cli", kernel(sti_cli));
  logged("shadow.then", kernel(sti_nop));
  ipi(0x41);
  logged("shadow.sti.fault", with(kernel(sti_fault), 0x7000000000, 0));
  logged("shadow.then", kernel(sti_nop));
  logged("shadow.send", with(kernel(send), SELF | 0x41, 0xfee00300));
  ipi(0x41);
  struct context c = user(landing);
  c.rflags |= FL_IF | FL_IOPL3;
  logged("shadow.user", c);
  ipi(0x41);
  u64 *stack = (u64 *)(test_stack + 1024);
  stack[0] = (u64)landing, stack[1] = KCODE, stack[2] = 0x202, stack[3] = (u64)stack + 512, stack[4] = KDATA;
  c = kernel(iret_if);
  c.rsp = (u64)stack;
  base = (u64)landing;
  count = 0;
  hook = log_event;
  put("shadow.iret");
  run(&c);
  hook = 0;
  put("\n");
}

static void priorities(void) {
  eoi = 1;
  ipi(0x41), ipi(0x61), ipi(0x51), ipi(0x5f);
  print("irr %x %x\n", LAPIC(IRR + 0x20), LAPIC(IRR + 0x30));
  logged("order", kernel(sti_nop));
  /* TPR holds classes back up to its own. */
  for (u32 tpr = 3; tpr < 8; tpr++) {
    lcr8(tpr);
    ipi(0x41), ipi(0x51), ipi(0x61);
    print("tpr %x ppr %x cr8 %x", LAPIC(TPR), LAPIC(PPR), (u32)rcr8());
    logged("", kernel(sti_nop));
    lcr8(0);
    logged("tpr.rest", kernel(sti_nop));
  }
  LAPIC(TPR) = 0x57;
  print("tpr.57 cr8 %x ppr %x", (u32)rcr8(), LAPIC(PPR));
  ipi(0x58), ipi(0x60);
  logged("", kernel(sti_nop));
  struct context c = with(kernel(set_cr8), 0, 0);
  c.rflags |= FL_IF;
  logged("tpr.cr8.lowered", c);
  lcr8(15);
  ipi(0x41);
  c = with(kernel(set_tpr), 0, 0xfee00080);
  c.rflags |= FL_IF;
  logged("tpr.lowered", c);
  /* In service: only a higher class gets in before the EOI. */
  eoi = 0;
  ipi(0x51);
  logged("service.first", kernel(sti_nop));
  print("service isr %x ppr %x\n", LAPIC(ISR + 0x20), LAPIC(PPR));
  ipi(0x52), ipi(0x41), ipi(0x61);
  logged("service.higher", kernel(sti_nop));
  print("service isr %x %x ppr %x\n", LAPIC(ISR + 0x20), LAPIC(ISR + 0x30), LAPIC(PPR));
  LAPIC(EOI) = 0;
  print("service.eoi isr %x %x ppr %x", LAPIC(ISR + 0x20), LAPIC(ISR + 0x30), LAPIC(PPR));
  logged("", kernel(sti_nop));
  LAPIC(EOI) = 0;
  eoi = 1;
  logged("service.second.eoi", kernel(sti_nop));
  /* The same vector twice: once pending, once in service. */
  eoi = 0;
  ipi(0x44);
  logged("twice.first", kernel(sti_nop));
  ipi(0x44), ipi(0x44), ipi(0x44);
  logged("twice.pending", kernel(sti_nop));
  eoi = 1;
  LAPIC(EOI) = 0;
  logged("twice.rest", kernel(sti_nop));
  /* Vectors below 16 are refused: an error, no interrupt. */
  LAPIC(0x280) = 0;
  ipi(0x08);
  logged("illegal.vector", kernel(sti_nop));
  ipi(0x10);
  lcr8(0);
  logged("vector.10", kernel(sti_cli));
  drain();
}

static void nmi(void) {
  eoi = 0;
  logged("nmi.if0", with(kernel(masked), SELF | ICR_NMI, 0xfee00300));
  again = 1;
  logged("nmi.nested", with(kernel(masked), SELF | ICR_NMI, 0xfee00300));
  again = 0;
}

/* THRE: asks for an interrupt while the transmitter is empty, until IIR is read. */
static void line_on(void) { outb(0x3f9, 2); }
static void line_off(void) {
  outb(0x3f9, 0);
  inb(0x3fa);
}

static u32 seen[16], seen_count, most, drop, ack;
static int collect(void) {
  if (trap.vector == EXIT_VECTOR || trap.vector < 32) return 0;
  if (seen_count < 16) seen[seen_count++] = (u32)trap.vector;
  if (drop && trap.vector != 0x20) line_off();
  if (ack & 1) LAPIC(EOI) = 0;
  if (ack & 2) outb(0x20, 0x20);
  return seen_count < most;
}
/* The UART must not be printed on while its interrupt is on. */
static void quietly(const char *code) {
  struct context c = kernel(code);
  seen_count = 0;
  seen[0] = 0;
  hook = collect;
  run(&c);
  hook = 0;
}
static void timer(void) {
  eoi = 1;
  LAPIC(TIMER_DIVIDE) = 0xb;
  LAPIC(LVT_TIMER) = 0x49;
  LAPIC(TIMER_INITIAL) = 100000;
  logged("timer.one.shot", kernel(wait_it));
  print("timer.current %x\n", LAPIC(TIMER_CURRENT));
  LAPIC(LVT_TIMER) = 0x49 | MASKED;
  LAPIC(TIMER_INITIAL) = 1000;
  while (LAPIC(TIMER_CURRENT)) {
  }
  logged("timer.masked", kernel(sti_nop));
  /* Periodic: three in a row. Printing takes longer than a period, so it waits. */
  LAPIC(LVT_TIMER) = 0x49 | 1 << 17;
  LAPIC(TIMER_INITIAL) = 20000000;
  u32 got = 0;
  most = 1, ack = 1, drop = 0;
  for (u32 i = 0; i < 3; i++) {
    quietly(wait_it);
    got = got << 8 | seen[0];
  }
  LAPIC(TIMER_INITIAL) = 0;
  LAPIC(LVT_TIMER) = MASKED;
  quietly(sti_nop);
  print("timer.periodic %x\n", got);
}

static volatile u32 *const ioregsel = (volatile u32 *)0xfec00000ull, *const iowin = (volatile u32 *)0xfec00010ull;
static void redirect(u32 pin, u32 low) {
  *ioregsel = 0x11 + pin * 2;
  *iowin = 0;
  *ioregsel = 0x10 + pin * 2;
  *iowin = low;
}
static u32 redirection(u32 pin) {
  *ioregsel = 0x10 + pin * 2;
  return *iowin;
}
static void show(const char *name) {
  line_off();
  print("%s", name);
  for (u32 i = 0; i < seen_count; i++) print(" %x", seen[i]);
  put("\n");
}

static void ioapic(void) {
  u32 pin = 4;
  redirect(pin, 0x45);
  most = 4, ack = 1, drop = 1;
  line_on();
  quietly(sti_nop);
  show("ioapic.edge");
  drop = 0;
  line_on();
  quietly(sti_nop);
  show("ioapic.edge.held"); /* one, though the line stays high */
  redirect(pin, 0x46 | 1 << 15);
  drop = 1;
  line_on();
  quietly(sti_nop);
  show("ioapic.level");
  drop = 0;
  line_on();
  quietly(sti_nop);
  show("ioapic.level.held"); /* again after each EOI */
  ack = 0, most = 2;
  line_on();
  quietly(sti_nop);
  u32 entry = redirection(pin);
  LAPIC(EOI) = 0;
  u32 after = redirection(pin);
  line_off();
  ack = 1;
  quietly(sti_nop);
  print("ioapic.remote.irr %x %x\n", entry >> 14 & 1, after >> 14 & 1);
  for (u32 i = 0; i < 4; i++) LAPIC(EOI) = 0;
  redirect(pin, 0x46 | 1 << 15 | MASKED);
  drop = 1;
  line_on();
  quietly(sti_nop);
  show("ioapic.level.masked");
  line_on();
  redirect(pin, 0x46 | 1 << 15);
  quietly(sti_nop);
  show("ioapic.level.unmasked");
  redirect(pin, 0x47);
  lcr8(4);
  line_on();
  quietly(sti_nop);
  show("ioapic.tpr.held");
  lcr8(0);
  quietly(sti_nop);
  show("ioapic.tpr.lowered");
  redirect(pin, MASKED);
  *ioregsel = 1;
  print("ioapic.version %x pins %d\n", *iowin & 0xf0, (*iowin >> 16 & 255) + 1);
}

static void pic_init(u32 auto_eoi) {
  outb(0x20, 0x11);
  outb(0x21, 0x20);
  outb(0x21, 4);
  outb(0x21, auto_eoi ? 3 : 1);
  outb(0xa0, 0x11);
  outb(0xa1, 0x28);
  outb(0xa1, 2);
  outb(0xa1, 1);
  outb(0x21, 0xff);
  outb(0xa1, 0xff);
}
static u32 pic_read(u32 what) {
  outb(0x20, (u8)what);
  return inb(0x20);
}
/* IRQ 0 becomes pending, once: mode 0, a short count. */
static void tick(void) {
  outb(0x43, 0x30);
  outb(0x40, 100);
  outb(0x40, 0);
  while (!(pic_read(0x0a) & 1)) {
  }
}
static void i8259(void) {
  LAPIC(LVT_LINT0) = 0x700;
  pic_init(0);
  outb(0x21, 0xee);
  most = 4, ack = 2, drop = 1;
  line_on();
  quietly(sti_nop);
  show("pic.irq4");
  tick();
  line_on();
  quietly(sti_nop);
  show("pic.order");
  /* In service without EOI: IRQ 0 gets in over IRQ 4, IRQ 4 not over IRQ 0. */
  ack = 0;
  line_on();
  quietly(sti_nop);
  u32 isr = pic_read(0x0b);
  show("pic.no.eoi");
  print("pic.isr %x\n", isr);
  tick();
  line_on();
  quietly(sti_nop);
  u32 got = seen_count == 1 ? seen[0] : seen_count;
  isr = pic_read(0x0b);
  outb(0x20, 0x20);
  u32 after_eoi = pic_read(0x0b);
  outb(0x20, 0x64);
  u32 after_specific = pic_read(0x0b);
  ack = 2;
  outb(0x21, 0xef); /* QEMU's i8254 may raise its output twice */
  quietly(sti_nop);
  show("pic.rest");
  print("pic.higher.in.service %x isr %x eoi %x specific %x\n", got, isr, after_eoi, after_specific);
  /* Masked while pending, then unmasked. */
  outb(0x21, 0xff);
  line_on();
  quietly(sti_nop);
  u32 n = seen_count;
  outb(0x21, 0xef);
  quietly(sti_nop);
  show("pic.unmasked");
  print("pic.masked %d\n", n);
  /* TPR does not hold ExtINT back on a virtual wire; IF does. */
  line_on();
  quietly(sti_cli);
  n = seen_count;
  quietly(sti_nop);
  show("pic.shadow.then");
  print("pic.shadow %d\n", n);
  /* Automatic EOI. */
  pic_init(1);
  outb(0x21, 0xef);
  ack = 0;
  line_on();
  quietly(sti_nop);
  isr = pic_read(0x0b);
  show("pic.auto.eoi");
  print("pic.isr %x\n", isr);
  pic_init(0);
  LAPIC(LVT_LINT0) = MASKED;
}

void interrupt_tests(void) {
  outb(0x21, 0xff);
  outb(0xa1, 0xff);
  outb(0x3fc, 0x0b);
  LAPIC(SVR) = 0x1ff;
  LAPIC(LVT_LINT0) = MASKED;
  LAPIC(LVT_TIMER) = MASKED;
  shadow();
  priorities();
  nmi();
  timer();
  ioapic();
  i8259();
}
