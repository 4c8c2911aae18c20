/*
 * The clock: MC146818 at 0x70/0x71, date and periodic interrupt on IRQ 8.
 * Spec: Motorola MC146818A data sheet (registers A-D, update cycle, periodic rates).
 * Missing on purpose: alarm, setting the time.
 */
#include "x86.h"

#define RTC_INDEX 0x70
#define RTC_DATA 0x71
#define RTC_SECONDS 0x00
#define RTC_MINUTES 0x02
#define RTC_HOURS 0x04
#define RTC_DAY 0x07
#define RTC_MONTH 0x08
#define RTC_YEAR 0x09
#define RTC_A 0x0a
#define RTC_B 0x0b
#define RTC_C 0x0c
#define RTC_D 0x0d
#define RTC_CENTURY 0x32
#define A_UIP 0x80
#define A_RATE_1024HZ 0x06
#define B_PIE 0x40
#define B_DM_BINARY 0x04
#define B_24H 0x02
#define C_PF 0x40
#define D_VRT 0x80
#define HOURS_PM 0x80

bool has_rtc;
u64 rtc_ticks;

static u8 rtc_read(u8 reg) {
  outb(RTC_INDEX, reg);
  return inb(RTC_DATA);
}

static void rtc_write(u8 reg, u8 value) {
  outb(RTC_INDEX, reg);
  outb(RTC_DATA, value);
}

/* Reading register C clears the request: until then the line stays and no edge follows. */
static void rtc_interrupt(int irq) {
  (void)irq;
  if (rtc_read(RTC_C) & C_PF) rtc_ticks++;
}

void rtc_periodic(bool on) {
  u64 rflags = interrupts_save();
  rtc_write(RTC_A, (rtc_read(RTC_A) & 0x70) | A_RATE_1024HZ);
  u8 b = rtc_read(RTC_B);
  rtc_write(RTC_B, on ? b | B_PIE : b & (u8)~B_PIE);
  rtc_read(RTC_C);
  interrupts_restore(rflags);
}

/* Register D reads as 0x80 where the chip has power; where nothing answers it is 0xff. */
NOINLINE void rtc_probe(void) {
  has_rtc = rtc_read(RTC_D) == D_VRT;
  if (has_rtc) irq_establish(8, false, rtc_interrupt);
  if (!rtc_print()) printf("rtc: none\n");
}

static u32 decode(u8 value, bool binary) { return binary ? value : (u32)(value >> 4) * 10 + (value & 15); }

bool rtc_print(void) {
  if (!has_rtc) return false;
  u8 raw[7];
  u64 start = rdtsc();
  while (rtc_read(RTC_A) & A_UIP && rdtsc() - start < 3 * tsc_khz) __asm__ volatile("pause"); /* at most 2.2 ms */
  static const u8 registers[] = {RTC_SECONDS, RTC_MINUTES, RTC_HOURS, RTC_DAY, RTC_MONTH, RTC_YEAR, RTC_CENTURY};
  for (u32 i = 0; i < sizeof raw; i++) raw[i] = rtc_read(registers[i]);
  u8 b = rtc_read(RTC_B);
  bool binary = b & B_DM_BINARY;
  u32 hours = decode(raw[2] & (u8)~HOURS_PM, binary);
  if (b & B_24H) hours = decode(raw[2], binary);
  else hours = hours % 12 + (raw[2] & HOURS_PM ? 12 : 0);
  u32 century = decode(raw[6], binary);
  if (century < 19 || century > 21) century = 20; /* the register is a convention, not a promise */
  printf("rtc: %04u-%02u-%02u %02u:%02u:%02u\n", century * 100 + decode(raw[5], binary), decode(raw[4], binary),
         decode(raw[3], binary), hours, decode(raw[1], binary), decode(raw[0], binary));
  return true;
}
