/*
 * Time: the TSC as the clock, the i8254 as its measure, the LAPIC timer (or the i8254) for ends of waits.
 * No periodic tick: an idle kernel halts until the next event.
 * Specs: Intel 8254 data sheet (control word, modes 0 and 2, read-back); SDM 3A section 10.5.4.
 */
#include "x86.h"

#define I8254_COUNTER0 0x40
#define I8254_CONTROL 0x43
#define CONTROL_COUNTER0 0x00
#define CONTROL_BOTH_BYTES 0x30
#define CONTROL_MODE0 0x00 /* interrupt on terminal count */
#define CONTROL_MODE2 0x04 /* rate generator */
#define CONTROL_LATCH 0x00
#define CONTROL_READ_BACK_STATUS0 0xe2 /* latch the status of counter 0 */
#define STATUS_MODE 0x3f

#define CALIBRATION_COUNT 1193 /* 1 ms */

u64 tsc_khz, lapic_khz, boot_tsc, idle_tsc, i8254_ticks;
bool has_i8254;
static bool timeout_i8254;
static const char *calibrated_by = "i8254";

static void i8254_interrupt(int irq) {
  (void)irq;
  i8254_ticks++;
}

void i8254_start(u16 count, bool periodic) {
  outb(I8254_CONTROL, CONTROL_COUNTER0 | CONTROL_BOTH_BYTES | (periodic ? CONTROL_MODE2 : CONTROL_MODE0));
  outb(I8254_COUNTER0, (u8)count);
  outb(I8254_COUNTER0, (u8)(count >> 8));
}

/* Mode 0 with no count written: the output stays low and nothing fires (8254 data sheet, mode 0). */
void i8254_stop(void) { outb(I8254_CONTROL, CONTROL_COUNTER0 | CONTROL_BOTH_BYTES | CONTROL_MODE0); }

struct sample {
  u64 tsc;
  u32 lapic;
  u16 count;
};

static NOINLINE struct sample i8254_sample(void) {
  struct sample s;
  outb(I8254_CONTROL, CONTROL_COUNTER0 | CONTROL_LATCH);
  s.tsc = rdtsc();
  s.lapic = has_lapic ? lapic_timer_current() : 0;
  u8 low = inb(I8254_COUNTER0);
  s.count = (u16)(low | inb(I8254_COUNTER0) << 8);
  return s;
}

/*
 * 1 ms of counter 0, latched, with the TSC and the LAPIC timer read beside it. Not counter 2: QEMU's microvm has no
 * port 0x61 to open its gate with. The first sample is not used: an emulator spends it translating this code.
 */
static NOINLINE bool i8254_calibrate(u64 *tsc, u64 *lapic) {
  i8254_start(0xffff, false);
  outb(I8254_CONTROL, CONTROL_READ_BACK_STATUS0);
  if ((inb(I8254_COUNTER0) & STATUS_MODE) != (CONTROL_BOTH_BYTES | CONTROL_MODE0)) return false; /* nobody answers */
  if (has_lapic) lapic_timer_start(0xffffffff, false);
  struct sample start, now = i8254_sample();
  start = i8254_sample();
  for (u32 polls = 0; polls < 10000000; polls++) {
    now = i8254_sample();
    if ((u16)(start.count - now.count) >= CALIBRATION_COUNT) break;
  }
  u64 counts = (u16)(start.count - now.count);
  if (!counts) return false;
  *tsc = (now.tsc - start.tsc) * I8254_HZ / counts / 1000;
  *lapic = (u64)(start.lapic - now.lapic) * I8254_HZ / counts / 1000;
  return true;
}

NOINLINE void timers_calibrate(void) {
  u64 rflags = interrupts_save();
  tsc_khz = cpu_tsc_khz();
  u64 measured_tsc = 0;
  has_i8254 = i8254_calibrate(&measured_tsc, &lapic_khz);
  if (has_lapic) lapic_timer_stop();
  if (tsc_khz) calibrated_by = "cpuid";
  else if (has_i8254) tsc_khz = measured_tsc;
  else {
    tsc_khz = lapic_khz = 1000000;
    calibrated_by = "guesswork";
  }
  i8254_stop();
  if (has_i8254) irq_establish(0, false, i8254_interrupt);
  timeout_i8254 = !has_lapic || !lapic_khz;
  interrupts_restore(rflags);
}

NOINLINE void timers_print(void) {
  printf("i8254: %s\n", has_i8254 ? "1193182 Hz, irq 0" : "none");
  printf("tsc: %lu kHz by %s", tsc_khz, calibrated_by);
  if (lapic_khz) printf(", LAPIC timer %lu kHz", lapic_khz);
  printf("\n");
}

u64 tsc_to_us(u64 ticks) { return ticks / tsc_khz * 1000 + ticks % tsc_khz * 1000 / tsc_khz; }
u64 uptime_us(void) { return tsc_to_us(rdtsc() - boot_tsc); }

void timeout_by_i8254(bool yes) {
  if (yes && !has_i8254) return;
  if (lapic_khz) timeout_i8254 = yes;
}

static void timeout_arm(u64 us) {
  if (timeout_i8254) i8254_start((u16)MAX(MIN(us * 1193 / 1000 + 1, 0xffff), 2), false);
  else lapic_timer_start((u32)MIN(us * lapic_khz / 1000 + 1, 0xffffffff), false);
}

static void timeout_disarm(void) {
  if (timeout_i8254) i8254_stop();
  else lapic_timer_stop();
}

static NOINLINE void idle(void) {
  u64 start = rdtsc();
  sti_hlt_cli();
  idle_tsc += rdtsc() - start;
}

bool wait_for(bool (*condition)(void *), void *argument, u64 timeout_us) {
  u64 rflags = interrupts_save();
  u64 start = rdtsc();
  bool armed = false, met;
  while (!(met = condition(argument))) {
    u64 waited = timeout_us ? tsc_to_us(rdtsc() - start) : 0;
    if (timeout_us && waited >= timeout_us) break;
    if (timeout_us) {
      timeout_arm(timeout_us - waited);
      armed = true;
    }
    idle();
  }
  if (armed) timeout_disarm();
  interrupts_restore(rflags);
  return met;
}

static bool ticked(void *since) { return i8254_ticks != *(u64 *)since; }

static void print_interval(const char *name, u64 least, u64 sum, u64 most, u64 count, u64 khz) {
  printf("timer: by %-5s mean %lu.%03lu us, shortest %lu us, longest %lu us\n", name, sum * 1000 / count / khz,
         sum * 1000 / count * 1000 / khz % 1000, least * 1000 / khz, most * 1000 / khz);
}

/* Ten intervals of the i8254 at 100 Hz (11932 counts: 10000.15 us), told by the TSC and the LAPIC timer. */
NOINLINE void timers_measure(void) {
  enum { INTERVALS = 10, COUNT = 11932 };
  if (!has_i8254) {
    printf("timer: there is no i8254 to measure against\n");
    return;
  }
  u64 tsc_least = ~0UL, tsc_most = 0, tsc_sum = 0, lapic_least = ~0UL, lapic_most = 0, lapic_sum = 0;
  u64 rflags = interrupts_save();
  u64 tsc = 0, lapic = 0;
  if (has_lapic) lapic_timer_start(0xffffffff, false);
  i8254_start(COUNT, true);
  for (int i = 0; i <= INTERVALS + 1; i++) {
    u64 ticks = i8254_ticks;
    while (!ticked(&ticks)) idle();
    u64 now = rdtsc(), lapic_now = has_lapic ? lapic_timer_current() : 0;
    if (i > 1) {
      u64 t = now - tsc, l = lapic - lapic_now;
      tsc_least = MIN(tsc_least, t), tsc_most = MAX(tsc_most, t), tsc_sum += t;
      lapic_least = MIN(lapic_least, l), lapic_most = MAX(lapic_most, l), lapic_sum += l;
    }
    tsc = now, lapic = lapic_now;
  }
  i8254_stop();
  if (has_lapic) lapic_timer_stop();
  interrupts_restore(rflags);
  printf("timer: %u i8254 intervals of 10000.150 us\n", INTERVALS);
  print_interval("tsc", tsc_least, tsc_sum, tsc_most, INTERVALS, tsc_khz);
  if (lapic_khz) print_interval("lapic", lapic_least, lapic_sum, lapic_most, INTERVALS, lapic_khz);
}
