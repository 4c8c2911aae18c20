/*
 * Interrupts: the i8259 pair, the local APIC and its timer, the IOAPIC, and dispatch of all 256 vectors.
 * Specs: Intel 8259A data sheet (ICW1-4, OCW1-3); SDM 3A chapter 10 (local APIC); Intel 82093AA data sheet (IOAPIC).
 * Missing on purpose: x2APIC, IPIs, more than one IOAPIC, priorities.
 *
 * Vectors: 0x20-0x2f i8259, 0x30-0x47 IOAPIC pins, 0x80 system call, 0xe0 LAPIC timer, 0xff spurious.
 */
#include "x86.h"

#define VECTOR_I8259 0x20
#define VECTOR_IOAPIC 0x30
#define VECTOR_SYSCALL 0x80
#define VECTOR_LAPIC_TIMER 0xe0
#define VECTOR_SPURIOUS 0xff

#define PIC_MASTER 0x20
#define PIC_SLAVE 0xa0
#define PIC_ELCR 0x4d0
#define ICW1_INIT_ICW4 0x11
#define ICW4_8086 0x01
#define OCW2_EOI 0x20
#define OCW3_READ_ISR 0x0b

#define LAPIC_BASE 0xfee00000UL
#define LAPIC_ID 0x020
#define LAPIC_VERSION 0x030
#define LAPIC_TPR 0x080
#define LAPIC_EOI 0x0b0
#define LAPIC_SVR 0x0f0
#define LAPIC_LVT_TIMER 0x320
#define LAPIC_LVT_LINT0 0x350
#define LAPIC_LVT_LINT1 0x360
#define LAPIC_TIMER_ICR 0x380
#define LAPIC_TIMER_CCR 0x390
#define LAPIC_TIMER_DCR 0x3e0
#define SVR_ENABLE 0x100
#define LVT_MASKED 0x10000
#define LVT_PERIODIC 0x20000
#define LVT_EXTINT 0x700
#define LVT_NMI 0x400
#define DCR_DIVIDE_BY_1 0xb

#define IOAPIC_BASE 0xfec00000UL
#define IOREGSEL 0x00
#define IOWIN 0x10
#define IOAPICID 0x00
#define IOAPICVER 0x01
#define IOREDTBL 0x10
#define RED_LEVEL 0x8000
#define RED_MASKED 0x10000

u64 fault_resume;
struct fault fault;
bool (*trap_hook)(struct trapframe *);
u64 irq_counts[24], lapic_timer_count, spurious_count;
bool has_lapic, has_ioapic, has_i8259;

static void (*handlers[24])(int irq);
static bool level_triggered[24];
static bool through_ioapic;
static u32 ioapic_pins;
static bool user_running(struct trapframe *tf) { return tf->cs & 3; }

static u32 lapic_read(u32 reg) { return mmio_read32(DIRECT_MAP + LAPIC_BASE + reg); }
static void lapic_write(u32 reg, u32 value) { mmio_write32(DIRECT_MAP + LAPIC_BASE + reg, value); }
static u32 ioapic_read(u32 reg) {
  mmio_write32(DIRECT_MAP + IOAPIC_BASE + IOREGSEL, reg);
  return mmio_read32(DIRECT_MAP + IOAPIC_BASE + IOWIN);
}
static void ioapic_write(u32 reg, u32 value) {
  mmio_write32(DIRECT_MAP + IOAPIC_BASE + IOREGSEL, reg);
  mmio_write32(DIRECT_MAP + IOAPIC_BASE + IOWIN, value);
}

/* i8259 */

static NOINLINE void i8259_init(void) {
  outb(PIC_MASTER, ICW1_INIT_ICW4);
  outb(PIC_MASTER + 1, VECTOR_I8259);
  outb(PIC_MASTER + 1, 4); /* ICW3: the slave is on input 2 */
  outb(PIC_MASTER + 1, ICW4_8086);
  outb(PIC_SLAVE, ICW1_INIT_ICW4);
  outb(PIC_SLAVE + 1, VECTOR_I8259 + 8);
  outb(PIC_SLAVE + 1, 2);
  outb(PIC_SLAVE + 1, ICW4_8086);
  outb(PIC_MASTER + 1, 0xfa);
  has_i8259 = inb(PIC_MASTER + 1) == 0xfa;
  outb(PIC_MASTER + 1, 0xff);
  outb(PIC_SLAVE + 1, 0xff);
}

/* Before the line first rises, whoever delivers it: a request latched as an edge never goes away as a level. */
static void i8259_set_level(int irq) {
  u16 port = (u16)(PIC_ELCR + irq / 8);
  outb(port, (u8)(inb(port) | 1 << irq % 8));
}

static void i8259_unmask(int irq) {
  u16 port = irq < 8 ? PIC_MASTER : PIC_SLAVE;
  outb(port + 1, inb(port + 1) & (u8) ~(1 << irq % 8));
  if (irq >= 8) outb(PIC_MASTER + 1, inb(PIC_MASTER + 1) & (u8)~4);
}

static bool i8259_in_service(int irq) {
  u16 port = irq < 8 ? PIC_MASTER : PIC_SLAVE;
  outb(port, OCW3_READ_ISR);
  return inb(port) >> irq % 8 & 1;
}

static void i8259_interrupt(int irq) {
  if (irq % 8 == 7 && !i8259_in_service(irq)) { /* the request went away before INTA: no EOI for it */
    spurious_count++;
    if (irq == 15) outb(PIC_MASTER, OCW2_EOI);
    return;
  }
  irq_counts[irq]++;
  if (handlers[irq]) handlers[irq](irq);
  if (irq >= 8) outb(PIC_SLAVE, OCW2_EOI);
  outb(PIC_MASTER, OCW2_EOI);
}

/* local APIC */

static NOINLINE void lapic_init(void) {
  has_lapic = cpu_features_edx >> CPUID_APIC_BIT & 1;
  if (!has_lapic) return;
  u64 base = rdmsr(MSR_APIC_BASE);
  if (!(base & APIC_BASE_ENABLE)) wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
  lapic_write(LAPIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
  lapic_write(LAPIC_TPR, 0);
  lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR_LAPIC_TIMER);
  lapic_write(LAPIC_LVT_LINT0, LVT_MASKED | LVT_EXTINT);
  lapic_write(LAPIC_LVT_LINT1, LVT_NMI);
  lapic_write(LAPIC_TIMER_DCR, DCR_DIVIDE_BY_1);
}

void lapic_timer_start(u32 count, bool periodic) {
  lapic_write(LAPIC_LVT_TIMER, (periodic ? LVT_PERIODIC : 0) | VECTOR_LAPIC_TIMER);
  lapic_write(LAPIC_TIMER_ICR, count);
}

void lapic_timer_stop(void) {
  lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR_LAPIC_TIMER);
  lapic_write(LAPIC_TIMER_ICR, 0);
}

u32 lapic_timer_current(void) { return lapic_read(LAPIC_TIMER_CCR); }

/* IOAPIC */

static NOINLINE void ioapic_init(void) {
  u32 version = ioapic_read(IOAPICVER);
  if (!has_lapic || version == 0xffffffff || version == 0) return;
  has_ioapic = true;
  ioapic_pins = MIN((version >> 16 & 255) + 1, 24);
  for (u32 pin = 0; pin < ioapic_pins; pin++) ioapic_write(IOREDTBL + 2 * pin, RED_MASKED | (VECTOR_IOAPIC + pin));
}

static void ioapic_unmask(int irq) {
  u32 pin = (u32)mptable_pin(irq);
  if (pin >= ioapic_pins) return;
  ioapic_write(IOREDTBL + 2 * pin + 1, lapic_read(LAPIC_ID) & 0xff000000);
  ioapic_write(IOREDTBL + 2 * pin, (level_triggered[irq] ? RED_LEVEL : 0) | (VECTOR_IOAPIC + pin));
}

static void ioapic_interrupt(u32 pin) {
  for (int irq = 0; irq < 24; irq++) {
    if ((u32)mptable_pin(irq) != pin || !handlers[irq]) continue;
    irq_counts[irq]++;
    handlers[irq](irq);
  }
  lapic_write(LAPIC_EOI, 0);
}

/* both */

static void irq_unmask(int irq) {
  if (through_ioapic) ioapic_unmask(irq);
  else if (irq < 16) i8259_unmask(irq);
}

/* Moves every established interrupt to the one controller or the other, with the other wholly masked. */
NOINLINE void irq_route(bool to_ioapic) {
  u64 rflags = interrupts_save();
  through_ioapic = to_ioapic && has_ioapic;
  outb(PIC_MASTER + 1, 0xff);
  outb(PIC_SLAVE + 1, 0xff);
  if (has_lapic) lapic_write(LAPIC_LVT_LINT0, LVT_EXTINT | (through_ioapic ? LVT_MASKED : 0));
  if (has_ioapic && !through_ioapic)
    for (u32 pin = 0; pin < ioapic_pins; pin++) ioapic_write(IOREDTBL + 2 * pin, RED_MASKED | (VECTOR_IOAPIC + pin));
  for (int irq = 0; irq < 24; irq++)
    if (handlers[irq]) irq_unmask(irq);
  interrupts_restore(rflags);
}

bool irq_routed_through_ioapic(void) { return through_ioapic; }

void irq_establish(int irq, bool level, void (*handler)(int irq)) {
  if (irq < 0 || irq >= 24) return;
  u64 rflags = interrupts_save();
  handlers[irq] = handler;
  level_triggered[irq] = level;
  if (level && irq < 16 && has_i8259) i8259_set_level(irq);
  irq_unmask(irq);
  interrupts_restore(rflags);
}

NOINLINE void interrupts_init(void) {
  i8259_init();
  lapic_init();
  ioapic_init();
  irq_route(true);
}

NOINLINE void interrupts_print(void) {
  if (has_lapic)
    printf("lapic: id %u version 0x%x at 0x%lx\n", lapic_read(LAPIC_ID) >> 24, lapic_read(LAPIC_VERSION) & 255,
           rdmsr(MSR_APIC_BASE) & PTE_ADDRESS);
  else printf("lapic: none\n");
  if (has_ioapic)
    printf("ioapic: id %u version 0x%x, %u pins at 0x%lx\n", ioapic_read(IOAPICID) >> 24 & 15,
           ioapic_read(IOAPICVER) & 255, ioapic_pins, IOAPIC_BASE);
  else printf("ioapic: none\n");
  printf(has_i8259 ? "i8259: pair at 0x20 and 0xa0, vectors 0x20-0x2f\n" : "i8259: none\n");
}

/* dispatch */

static NOINLINE void trap(struct trapframe *tf) {
  u64 cr2 = rcr2();
  if (trap_hook && trap_hook(tf)) return;
  if (!fault_resume && !user_running(tf)) crash(tf);
  fault = (struct fault){(s64)tf->vector, tf->error, cr2, tf->rip, tf->rsp, (u64)tf};
  if (user_running(tf)) user_exit(0x100 + tf->vector);
  tf->rip = fault_resume;
  tf->rflags &= ~RFLAGS_TF;
  fault_resume = 0;
}

void syscall(struct trapframe *tf) {
  switch (tf->rax) {
    case 1: /* write(text, size), from the user's page only */
      if (tf->rdi < 0x400000 || tf->rdi + tf->rsi > 0x401000) tf->rax = ~0UL;
      else {
        console_write((const char *)tf->rdi, tf->rsi);
        tf->rax = tf->rsi;
      }
      break;
    case 2: user_exit(tf->rdi);
    case 3: tf->rax = tf->rdi + tf->rsi; break;
    default: tf->rax = ~0UL;
  }
}

void interrupt(struct trapframe *tf) {
  u64 vector = tf->vector;
  if (vector < 32) trap(tf);
  else if (vector < VECTOR_I8259 + 16) i8259_interrupt((int)vector - VECTOR_I8259);
  else if (vector < VECTOR_IOAPIC + 24) ioapic_interrupt((u32)vector - VECTOR_IOAPIC);
  else if (vector == VECTOR_SYSCALL) syscall(tf);
  else if (vector == VECTOR_LAPIC_TIMER) {
    lapic_timer_count++;
    lapic_write(LAPIC_EOI, 0);
  } else spurious_count++;
}
