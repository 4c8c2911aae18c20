/* The prompt: one line with editing, a table of commands, one clear sentence for what it does not know. */
#include "virtio.h"
#include "x86.h"

#define DEBUG_EXIT 0xf4
#define I8042_COMMAND 0x64
#define I8042_RESET 0xfe
#define RESET_CONTROL 0xcf9

#define ARGUMENTS_MAX 8
#define CONTROL(c) ((c) & 31)
#define DELETE 0x7f
#define ESCAPE 0x1b

static void command_help(int argc, char **argv);

static void command_mem(int argc, char **argv) {
  (void)argc, (void)argv;
  memmap_print();
  printf("memory: %lu KiB of RAM, %lu KiB free\n", memory_total() / KiB, memory_free() / KiB);
}

static void command_devices(int argc, char **argv) {
  (void)argc, (void)argv;
  devices_print();
}

static void command_cpu(int argc, char **argv) {
  (void)argc, (void)argv;
  cpu_print();
}

static void command_blk(int argc, char **argv) {
  u64 sector = 0, count = 1, unit = 0;
  u8 *buffer;
  const char *error = NULL;
  if (argc >= 2 && !strncmp(argv[1], "ld", 2)) { /* blk ld1 read 0 */
    const char *p = argv[1] + 2;
    parse_number(&p, &unit);
    argc--, argv++;
  }
  if (unit >= disks_count) {
    printf("blk: there is no disk ld%lu\n", unit);
    return;
  }
  struct disk *disk = &disks[unit];
  const char *number = argc >= 3 ? argv[2] : "";
  u64 mark = pages_mark();
  if (argc >= 3 && !strcmp(argv[1], "read") && parse_number(&number, &sector)) {
    number = argc >= 4 ? argv[3] : "1";
    if (!parse_number(&number, &count) || !count || count > 2048) {
      printf("blk: the count is a number from 1 to 2048\n");
      return;
    }
    buffer = pages_alloc(count * 512, PAGE);
    error = disk_read(disk, sector, buffer, (u32)count);
    if (!error) hexdump(buffer, count * 512, sector * 512);
  } else if (argc >= 4 && !strcmp(argv[1], "write") && parse_number(&number, &sector)) {
    buffer = pages_alloc(512, PAGE);
    for (int i = 3; i < argc; i++) {
      u64 used = strlen((char *)buffer);
      snprintf((char *)buffer + used, 512 - used, i > 3 ? " %s" : "%s", argv[i]);
    }
    error = disk_write(disk, sector, buffer, 1);
    if (!error) printf("blk: sector %lu written\n", sector);
  } else if (argc >= 2 && !strcmp(argv[1], "flush")) {
    error = disk_flush(disk);
    if (!error) printf("blk: flushed\n");
  } else printf("blk: say read N [count], write N TEXT, or flush, after ldN for another disk than ld0\n");
  if (error) printf("blk: sector %lu: %s\n", sector, error);
  pages_release(mark);
}

static void command_rand(int argc, char **argv) {
  (void)argc, (void)argv;
  u8 bytes[16];
  s64 got = random_bytes(bytes, sizeof bytes);
  if (got <= 0) {
    printf("rand: there is no virtio-rng\n");
    return;
  }
  for (s64 i = 0; i < got; i++) printf("%02x", bytes[i]);
  printf("\n");
}

static void command_net(int argc, char **argv) {
  u32 address = 0;
  u64 count = 1;
  if (!net_present()) printf("net: there is no virtio-net\n");
  else if (argc == 1 || !strcmp(argv[1], "show")) net_show();
  else if (!strcmp(argv[1], "dhcp")) net_dhcp();
  else if (!strcmp(argv[1], "ping")) {
    if (argc >= 3 && !parse_ip(argv[2], &address)) {
      printf("net: \"%s\" is not an address like 10.0.2.2\n", argv[2]);
      return;
    }
    const char *number = argc >= 4 ? argv[3] : "1";
    parse_number(&number, &count);
    net_ping(address, (u32)count);
  } else printf("net: say show, dhcp, or ping [address [count]]\n");
}

static void command_timer(int argc, char **argv) {
  (void)argc, (void)argv;
  timers_measure();
}

static void command_uptime(int argc, char **argv) {
  (void)argc, (void)argv;
  u64 us = uptime_us();
  printf("up %lu.%06lu s, idle %lu us, tsc %lu\n", us / 1000000, us % 1000000, tsc_to_us(idle_tsc), rdtsc());
}

static void command_date(int argc, char **argv) {
  (void)argc, (void)argv;
  if (!rtc_print()) printf("date: there is no RTC\n");
}

static void command_selftest(int argc, char **argv) {
  (void)argc, (void)argv;
  run_selftests();
}

static void command_bench(int argc, char **argv) {
  const char *name = argc >= 2 && strcmp(argv[1], "all") ? argv[1] : NULL;
  const char *number = argc >= 3 ? argv[2] : "1";
  u64 scale;
  if (!parse_number(&number, &scale) || !scale) printf("bench: the scale is a number from 1\n");
  else bench_run(name, scale);
}

static void command_echo(int argc, char **argv) {
  for (int i = 1; i < argc; i++) printf(i > 1 ? " %s" : "%s", argv[i]);
  printf("\n");
}

static void command_reboot(int argc, char **argv) {
  (void)argc, (void)argv;
  printf("rebooting\n");
  cli();
  outb(I8042_COMMAND, I8042_RESET);
  outb(RESET_CONTROL, 0x02);
  outb(RESET_CONTROL, 0x06);
  triple_fault();
}

/* isa-debug-exit ends the machine with (value << 1) | 1: 0 is exit code 1. Without it the outb does nothing. */
static void command_poweroff(int argc, char **argv) {
  (void)argc, (void)argv;
  printf("powering off\n");
  outb(DEBUG_EXIT, 0);
  printf("poweroff: nothing answers at port 0xf4; halted with interrupts off\n");
  halt_forever();
}

static void command_crash(int argc, char **argv) {
  const char *how = argc >= 2 ? argv[1] : "panic";
  if (!strcmp(how, "ud")) __asm__ volatile("ud2");
  else if (!strcmp(how, "gp")) *(volatile u64 *)0x8000000000000000 = 1;
  else if (!strcmp(how, "pf")) *(volatile u64 *)0x5ead00000000 = 1;
  else if (!strcmp(how, "triple")) triple_fault();
  else if (!strcmp(how, "panic")) panic("asked for by the crash command");
  else printf("crash: say ud, gp, pf, triple or panic\n");
}

static const struct {
  const char *name, *usage, *what;
  void (*run)(int argc, char **argv);
} commands[] = {
    {"help", "", "this list", command_help},
    {"mem", "", "memory map, and what is free", command_mem},
    {"devices", "", "what was found, and interrupts so far", command_devices},
    {"cpu", "", "CPUID", command_cpu},
    {"blk", "[ldN] read N [count] | write N TEXT | flush", "disk sectors", command_blk},
    {"rand", "", "16 bytes of virtio-rng", command_rand},
    {"net", "show | dhcp | ping [address [count]]", "the network", command_net},
    {"timer", "", "TSC and LAPIC timer against the i8254", command_timer},
    {"uptime", "", "time since start_pvh", command_uptime},
    {"date", "", "the RTC", command_date},
    {"selftest", "", "all self-tests again", command_selftest},
    {"bench", "[name|all [scale]]", "hot loops", command_bench},
    {"echo", "TEXT", "says it back", command_echo},
    {"reboot", "", "resets the machine", command_reboot},
    {"poweroff", "", "writes 0 to port 0xf4 (isa-debug-exit: exit code 1)", command_poweroff},
    {"crash", "[ud|gp|pf|triple|panic]", "ends badly, with registers", command_crash},
};

static void command_help(int argc, char **argv) {
  (void)argc, (void)argv;
  for (u32 i = 0; i < COUNT_OF(commands); i++) {
    char usage[64];
    snprintf(usage, sizeof usage, "%s %s", commands[i].name, commands[i].usage);
    printf("  %-50s %s\n", usage, commands[i].what);
  }
}

static NOINLINE void run_command(char *line) {
  char *argv[ARGUMENTS_MAX];
  int argc = 0;
  for (char *p = line; *p && argc < ARGUMENTS_MAX;) {
    while (*p == ' ') *p++ = 0;
    if (!*p) break;
    argv[argc++] = p;
    if (argc == ARGUMENTS_MAX) break; /* the last one takes the rest of the line */
    while (*p && *p != ' ') p++;
  }
  if (!argc) return;
  for (u32 i = 0; i < COUNT_OF(commands); i++) {
    if (strcmp(argv[0], commands[i].name)) continue;
    commands[i].run(argc, argv);
    return;
  }
  printf("There is no command \"%s\"; help lists them.\n", argv[0]);
}

/* From the command line: up to a space, or up to the closing quote. */
NOINLINE void run_commands(const char *text) {
  bool quoted = *text == '"';
  if (*text == '"') text++;
  while (*text && *text != '"' && (quoted || *text != ' ')) {
    char line[128];
    u32 n = 0;
    for (; *text && *text != ';' && *text != '"' && (quoted || *text != ' '); text++)
      if (n + 1 < sizeof line) line[n++] = *text;
    line[n] = 0;
    if (*text == ';') text++;
    printf("run: %s\n", line);
    run_command(line);
  }
}

static NOINLINE void read_line(char *line, u32 size) {
  u32 n = 0;
  for (int escape = 0;;) {
    int c = console_getc();
    if (escape) { /* swallow ESC [ ... letter */
      if (escape == 1 && c != '[' && c != 'O') escape = 0;
      else escape = escape == 1 ? 2 : c >= 0x40 ? 0 : 2;
      continue;
    }
    if (c == '\r' || c == '\n') {
      printf("\n");
      break;
    }
    if (c == ESCAPE) escape = 1;
    else if (c == CONTROL('C')) {
      printf("^C\n");
      n = 0;
      break;
    } else if (c == DELETE || c == '\b') {
      if (n) {
        n--;
        printf("\b \b");
      }
    } else if (c == CONTROL('U')) {
      for (; n; n--) printf("\b \b");
    } else if (c >= 0x20 && n + 1 < size) {
      char echoed = (char)c;
      line[n++] = echoed;
      console_write(&echoed, 1);
    }
  }
  line[n] = 0;
}

void prompt(void) {
  for (;;) {
    char line[160];
    printf("playground> ");
    read_line(line, sizeof line);
    run_command(line);
  }
}
