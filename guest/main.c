/* The order of the boot: init_x86_64 makes the machine safe for C, main says what there is, configure finds devices. */
#include "virtio.h"
#include "x86.h"

/* Called by start_high with the physical address of hvm_start_info. */
void init_x86_64(u32 start_info_paddr) {
  boot_tsc = rdtsc();
  console_init();
  cpu_identify();
  descriptors_init();
  paging_init();
  pvh_init(start_info_paddr);
  memory_init();
  fpu_init();
}

static NOINLINE void banner(void) { printf("NetBSD microVM playground: embedded guest, x86-64, PVH\n"); }

static NOINLINE void configure(void) {
  mptable_probe();
  interrupts_init();
  interrupts_print();
  timers_calibrate();
  timers_print();
  sti();
  serial_attach();
  rtc_probe();
  fw_cfg_probe();
  virtio_probe();
}

void devices_print(void) {
  interrupts_print();
  timers_print();
  printf("rtc: %s\n", has_rtc ? "MC146818 irq 8" : "none");
  virtio_print();
  printf("interrupts through the %s:", irq_routed_through_ioapic() ? "IOAPIC" : "i8259");
  for (int irq = 0; irq < 24; irq++)
    if (irq_counts[irq]) printf(" irq%d %lu", irq, irq_counts[irq]);
  printf(" lapic-timer %lu spurious %lu\n", lapic_timer_count, spurious_count);
}

static NOINLINE void choose_console(void) {
  if (!cmdline_is("console", "virtio")) return;
  if (!virtio_console_ready()) {
    printf("console: there is no virtio console; staying on com0\n");
    return;
  }
  printf("console: the prompt moves to the virtio console\n");
  console_use_virtio();
}

static NOINLINE void boot_line(void) {
  printf("boot: %lu us, of which idle %lu us, tsc %lu\n", uptime_us(), tsc_to_us(idle_tsc), rdtsc() - boot_tsc);
}

int main(void) {
  banner();
  pvh_print();
  cpu_print();
  configure();
  if (!cmdline_is("selftest", "0")) run_selftests();
  choose_console();
  boot_line();
  const char *commands = cmdline_option("run", NULL);
  if (commands) run_commands(commands);
  prompt();
}
