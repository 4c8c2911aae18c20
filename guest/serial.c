/*
 * com0: the 16550A at 0x3f8, 115200 8N1, polled transmit in FIFO-sized runs, interrupt-driven receive on IRQ 4.
 * Spec: National Semiconductor PC16550D data sheet (1995), section 8.
 * Missing on purpose: modem status, error reporting, transmit interrupts.
 */
#include "x86.h"

#define COM0 0x3f8
#define RBR (COM0 + 0) /* receive buffer, DLAB = 0, read */
#define THR (COM0 + 0) /* transmit holding, DLAB = 0, write */
#define DLL (COM0 + 0) /* divisor latch, DLAB = 1 */
#define IER (COM0 + 1)
#define DLM (COM0 + 1)
#define IIR (COM0 + 2)
#define FCR (COM0 + 2)
#define LCR (COM0 + 3)
#define MCR (COM0 + 4)
#define LSR (COM0 + 5)
#define MSR (COM0 + 6)
#define SCR (COM0 + 7)

#define IER_ERBFI 0x01
#define IIR_NOT_PENDING 0x01
#define IIR_FIFOS 0xc0
#define FCR_ENABLE 0x01
#define FCR_CLEAR 0x06
#define LCR_8N1 0x03
#define LCR_DLAB 0x80
#define MCR_DTR 0x01
#define MCR_RTS 0x02
#define MCR_OUT2 0x08 /* gates the interrupt line on a PC */
#define LSR_DR 0x01
#define LSR_THRE 0x20

static bool present;
static u32 fifo_size;

bool serial_init(void) {
  outb(SCR, 0x5a);
  present = inb(SCR) == 0x5a;
  if (!present) return false;
  outb(IER, 0);
  outb(LCR, LCR_DLAB | LCR_8N1);
  outb(DLL, 1); /* 115200 baud */
  outb(DLM, 0);
  outb(LCR, LCR_8N1);
  outb(FCR, FCR_ENABLE | FCR_CLEAR);
  fifo_size = (inb(IIR) & IIR_FIFOS) == IIR_FIFOS ? 16 : 1;
  outb(MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
  return true;
}

void serial_write(const char *text, size_t size) {
  if (!present) return;
  while (size) {
    while (!(inb(LSR) & LSR_THRE)) __asm__ volatile("pause");
    size_t run = MIN(size, fifo_size);
    for (size_t i = 0; i < run; i++) outb(THR, (u8)text[i]);
    text += run;
    size -= run;
  }
}

/* Drains until nothing is pending: an edge on IRQ 4 comes once. */
static void serial_interrupt(int irq) {
  (void)irq;
  while (!(inb(IIR) & IIR_NOT_PENDING)) {
    while (inb(LSR) & LSR_DR) console_receive(inb(RBR));
    inb(MSR);
  }
}

void serial_attach(void) {
  if (!present) {
    printf("com0: none\n");
    return;
  }
  irq_establish(4, false, serial_interrupt);
  outb(IER, IER_ERBFI);
  serial_interrupt(4); /* bytes that came before the interrupt was on */
  printf("com0: 16550A at 0x3f8 irq 4, FIFO of %u\n", fifo_size);
}
