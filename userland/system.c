/*
 * Commands about the system: ps kill dmesg sysctl uname date uptime hostname sleep id reboot halt poweroff clear stty resize.
 */
#include "commands.h"

static i64 kernel_value(int group, int which, void *value, u64 size) {
  const int name[2] = { group, which };
  const i64 result = sys_sysctl(name, 2, value, &size, NULL, 0);
  return result < 0 ? result : (i64)size;
}

static char *kernel_text(int group, int which) {
  char *text = alloc(1024);
  if (kernel_value(group, which, text, 1023) < 0) return "unknown";
  return text;
}

int uname_main(int argc, char **argv) {
  u64 set = options(&argv, "amnprsv", "[-amnprsv]");
  int any = 0;
  (void)argc;
  if (set == 0) set = BIT('s');
  if (HAS(set, 'a')) set = BIT('s') | BIT('n') | BIT('r') | BIT('v') | BIT('m');
  for (const char *letter = "snrvmp"; *letter != '\0'; letter++) {
    if (!HAS(set, *letter)) continue;
    char *text = *letter == 's' ? kernel_text(CTL_KERN, KERN_OSTYPE) : *letter == 'n' ? kernel_text(CTL_KERN, KERN_HOSTNAME)
               : *letter == 'r' ? kernel_text(CTL_KERN, KERN_OSRELEASE) : *letter == 'v' ? kernel_text(CTL_KERN, KERN_VERSION)
               : *letter == 'm' ? kernel_text(CTL_HW, HW_MACHINE) : kernel_text(CTL_HW, HW_MACHINE_ARCH);
    u64 length = length_of(text);
    while (length > 0 && is_space(text[length - 1])) text[--length] = '\0';
    for (char *c = text; *c != '\0'; c++)
      if (*c == '\n' || *c == '\t') *c = ' ';
    say(any++ ? " %s" : "%s", text);
  }
  put_char('\n');
  return 0;
}

int hostname_main(int argc, char **argv) {
  if (argc < 2) {
    say("%s\n", kernel_text(CTL_KERN, KERN_HOSTNAME));
    return 0;
  }
  const int name[2] = { CTL_KERN, KERN_HOSTNAME };
  return failed(sys_sysctl(name, 2, NULL, NULL, argv[1], length_of(argv[1]) + 1), "set the name to", argv[1]);
}

int uptime_main(int argc, char **argv) {
  struct timespec up, now;
  struct text t = { 0 };
  (void)argc, (void)argv;
  sys_clock_gettime(CLOCK_MONOTONIC, &up);
  sys_clock_gettime(CLOCK_REALTIME, &now);
  time_text(&t, "%T", now.tv_sec);
  say("%s up ", t.bytes);
  if (up.tv_sec >= 86400) say("%d days, ", up.tv_sec / 86400);
  if (up.tv_sec >= 3600) say("%d:%02d", up.tv_sec / 3600 % 24, up.tv_sec / 60 % 60);
  else if (up.tv_sec >= 60) say("%d min", up.tv_sec / 60);
  else say("%d.%03d s", up.tv_sec, (i64)up.tv_nsec / 1000000);
  put_char('\n');
  return 0;
}

int date_main(int argc, char **argv) {
  const char *const how = "[-u] [-r SECONDS] [+FORMAT | YYYYMMDDhhmm[.ss]]";
  const char *format = "%a %b %e %H:%M:%S UTC %Y", *given = NULL;
  struct timespec now;
  struct text t = { 0 };
  sys_clock_gettime(CLOCK_REALTIME, &now);
  for (int i = 1; i < argc; i++) {
    if (same(argv[i], "-u")) continue;
    if (same(argv[i], "-r") && i + 1 < argc) {
      if (!parse_number(argv[++i], &now.tv_sec)) usage(how);
    } else if (argv[i][0] == '+') format = argv[i] + 1;
    else if (is_digit(argv[i][0])) given = argv[i];
    else usage(how);
  }
  if (given != NULL) {
    int digits[14] = { 0 }, n = 0;
    for (; *given != '\0' && n < 14; given++)
      if (is_digit(*given)) digits[n++] = *given - '0';
      else if (*given != '.' || n != 12) usage(how);
    if (n != 12 && n != 14) usage(how);
#define TWO(at) (digits[at] * 10 + digits[(at) + 1])
    const struct calendar c = { TWO(0) * 100 + TWO(2), TWO(4), TWO(6), TWO(8), TWO(10), TWO(12), 0, 0 };
    if (c.month < 1 || c.month > 12 || c.day < 1 || c.day > 31 || c.hour > 23 || c.minute > 59 || c.second > 60) usage(how);
    now = (struct timespec){ seconds_of(&c), 0 };
    if (failed(CALL(SYS_clock_settime, CLOCK_REALTIME, &now, 0), "set", "the clock")) return 1;
  }
  time_text(&t, format, now.tv_sec);
  say("%s\n", t.bytes);
  return 0;
}

int sleep_main(int argc, char **argv) {
  const char *end;
  if (argc != 2 || (!is_digit(argv[1][0]) && argv[1][0] != '.')) usage("SECONDS   (0.5 is half a second)");
  struct timespec t = { 0, 0 };
  for (end = argv[1]; is_digit(*end); end++) t.tv_sec = t.tv_sec * 10 + (*end - '0');
  if (*end == '.') {
    i64 unit = 100000000;
    for (end++; is_digit(*end); end++, unit /= 10) t.tv_nsec += (*end - '0') * unit;
  }
  if (*end == 'm') t.tv_sec *= 60, end++;
  else if (*end == 'h') t.tv_sec *= 3600, end++;
  if (*end != '\0') usage("SECONDS   (0.5 is half a second)");
  sys_nanosleep(&t);
  return 0;
}

int id_main(int argc, char **argv) {
  const u64 set = options(&argv, "ugn", "[-ugn]");
  const u32 uid = (u32)CALL(SYS_geteuid, 0, 0, 0), gid = (u32)CALL(SYS_getegid, 0, 0, 0);
  (void)argc;
  if (HAS(set, 'u')) say("%s\n", HAS(set, 'n') ? user_name(uid) : print("%u", (u64)uid));
  else if (HAS(set, 'g')) say("%s\n", HAS(set, 'n') ? group_name(gid) : print("%u", (u64)gid));
  else say("uid=%u(%s) gid=%u(%s)\n", (u64)uid, user_name(uid), (u64)gid, group_name(gid));
  return 0;
}

/* ---- processes ---- */

static char *arguments_of(const struct kinfo_proc2 *p) {
  const int name[4] = { CTL_KERN, KERN_PROC_ARGS, p->p_pid, KERN_PROC_ARGV };
  u64 size = 4096;
  char *text = alloc(size + 1);
  if (p->p_flag & P_SYSTEM || sys_sysctl(name, 4, text, &size, NULL, 0) < 0 || size == 0)
    return print(p->p_flag & P_SYSTEM ? "[%s]" : "(%s)", p->p_comm);
  while (size > 0 && text[size - 1] == '\0') size--;
  for (u64 i = 0; i < size; i++)
    if (text[i] == '\0') text[i] = ' ';
  return text;
}

static int by_pid(const char *a, const char *b) {
  return ((const struct kinfo_proc2 *)a)->p_pid - ((const struct kinfo_proc2 *)b)->p_pid;
}

int ps_main(int argc, char **argv) {
  /* `ps aux' is in people's fingers. */
  if (argc == 2 && argv[1][0] != '-') argv[1] = join2("-", argv[1]);
  const u64 set = options(&argv, "Aaeflux", "[-Aaeflux]");
  const int all = set != 0;
  int name[6] = { CTL_KERN, KERN_PROC2, KERN_PROC_ALL, 0, sizeof(struct kinfo_proc2), 0 };
  u64 size = 0;
  if (failed(sys_sysctl(name, 6, NULL, &size, NULL, 0), "list", "the processes")) return 1;
  size += 8 * sizeof(struct kinfo_proc2);
  name[5] = (int)(size / sizeof(struct kinfo_proc2));
  struct kinfo_proc2 *list = alloc(size);
  if (failed(sys_sysctl(name, 6, list, &size, NULL, 0), "list", "the processes")) return 1;
  struct list sorted = { 0 };
  for (u64 i = 0; i < size / sizeof *list; i++) list_add(&sorted, (char *)&list[i]);
  sort_strings(sorted.items, sorted.count, by_pid);
  const int wide = HAS(set, 'l') || HAS(set, 'u') || HAS(set, 'f');
  put(wide ? "USER       PID  PPID  PGID    RSS STAT WCHAN        TIME COMMAND\n" : "  PID STAT      TIME COMMAND\n");
  for (u64 i = 0; i < sorted.count; i++) {
    const struct kinfo_proc2 *p = (struct kinfo_proc2 *)sorted.items[i];
    char state[8], *s = state;
    if (!all && !(p->p_eflag & EPROC_CTTY)) continue;
    /* The process's own state where it says enough, else its thread's. */
    *s++ = p->p_realstat == 5 || p->p_stat == 5 ? 'Z' : p->p_realstat == 4 || p->p_stat == 4 ? 'T' : p->p_stat == 1 ? 'I'
         : p->p_stat == 2 ? 'R' : p->p_stat == 7 ? 'O' : p->p_stat == 3 ? (p->p_slptime > 20 ? 'I' : 'S') : '?';
    if (p->p_eflag & EPROC_SLEADER) *s++ = 's';
    if (p->p_pgid == p->p_tpgid && p->p_eflag & EPROC_CTTY) *s++ = '+';
    *s = '\0';
    const u64 hundredths = ((u64)p->p_rtime_sec * 1000000 + p->p_rtime_usec) / 10000;
    char *time = print("%u:%02u.%02u", hundredths / 6000, hundredths / 100 % 60, hundredths % 100);
    if (wide)
      say("%-8s %5d %5d %5d %5dK %-4s %-8.8s %8s ", user_name(p->p_uid), (i64)p->p_pid, (i64)p->p_ppid, (i64)p->p_pgid,
          (i64)p->p_vm_rssize * 4, state, p->p_wmesg, time);
    else say("%5d %-4s %9s ", (i64)p->p_pid, state, time);
    say("%s\n", arguments_of(p));
  }
  return 0;
}

int kill_main(int argc, char **argv) {
  int signal = SIGTERM, i = 1, status = 0;
  if (argc > 1 && same(argv[1], "-l")) {
    for (int k = 1; k < NSIG; k++) say(k % 8 == 0 || k == NSIG - 1 ? "%2d %-6s\n" : "%2d %-6s ", (i64)k, signal_names[k]);
    return 0;
  }
  if (argc > 2 && argv[1][0] == '-') {
    const char *name = same(argv[1], "-s") ? argv[i++ + 1] : argv[1] + 1;
    signal = signal_number(name);
    i++;
    if (signal < 0) {
      complain("kill: there is no signal %s; kill -l lists them", name);
      return 2;
    }
    if (i < argc && same(argv[i], "--")) i++;
  }
  if (i >= argc) usage("[-SIGNAL] PROCESS..., or -l");
  for (; i < argc; i++) {
    i64 pid;
    if (!parse_number(argv[i], &pid)) {
      complain("kill: %s is no process number", argv[i]);
      status = 1;
    } else status |= failed(sys_kill(pid, signal), "signal", argv[i]);
  }
  return status;
}

int dmesg_main(int argc, char **argv) {
  u64 size = 0;
  const int name[2] = { CTL_KERN, KERN_MSGBUF };
  (void)argc, (void)argv;
  if (failed(sys_sysctl(name, 2, NULL, &size, NULL, 0), "read", "the kernel's messages")) return 1;
  char *text = alloc(size + 1);
  if (failed(sys_sysctl(name, 2, text, &size, NULL, 0), "read", "the kernel's messages")) return 1;
  for (u64 i = 0; i < size; i++)
    if (text[i] != '\0') put_char(text[i]);
  return 0;
}

/* ---- sysctl ---- */

enum { SYSCTL_DEPTH = 12 };

static int quiet_names;

/* The children of a node; false, after no complaint, if there are none. */
static struct sysctlnode *children(const int *name, u32 depth, u64 *count) {
  int query[SYSCTL_DEPTH + 1];
  const struct sysctlnode version = { .sysctl_flags = SYSCTL_VERSION };
  u64 size = 0;
  *count = 0;
  for (u32 i = 0; i < depth; i++) query[i] = name[i];
  query[depth] = CTL_QUERY;
  sys_sysctl(query, depth + 1, NULL, &size, &version, sizeof version);
  if (size == 0) return NULL;
  struct sysctlnode *nodes = alloc(size);
  if (sys_sysctl(query, depth + 1, nodes, &size, &version, sizeof version) < 0) return NULL;
  *count = size / sizeof *nodes;
  return nodes;
}

static int show_value(const char *path, const int *name, u32 depth, const struct sysctlnode *node, int complains) {
  static char value[8192];
  u64 size = sizeof value - 1;
  const int type = (int)node->sysctl_flags & 15;
  const i64 result = sys_sysctl(name, depth, value, &size, NULL, 0);
  if (result < 0) return complains ? failed(result, "read", path) : 0;
  if (type == CTLTYPE_STRUCT && !complains) return 0;
  if (!quiet_names) say("%s = ", path);
  value[size] = '\0';
  if (type == CTLTYPE_STRING) say("%s\n", value);
  else if (type == CTLTYPE_STRUCT) {
    for (u64 i = 0; i < size && i < 64; i++) say("%02x", (u64)(u8)value[i]);
    put(size > 64 ? "...\n" : "\n");
  } else if (type == CTLTYPE_BOOL) say("%d\n", (i64)value[0]);
  else {
    const i64 number = type == CTLTYPE_INT ? *(int *)value : *(i64 *)value;
    say(node->sysctl_flags & CTLFLAG_HEX ? "0x%x\n" : node->sysctl_flags & CTLFLAG_UNSIGNED ? "%u\n" : "%d\n",
        node->sysctl_flags & (CTLFLAG_HEX | CTLFLAG_UNSIGNED) && type == CTLTYPE_INT ? (i64)(u32)number : number);
  }
  return 0;
}

static void show_tree(const char *path, int *name, u32 depth) {
  void *before = mark();
  u64 count;
  struct sysctlnode *nodes = depth < SYSCTL_DEPTH ? children(name, depth, &count) : (count = 0, NULL);
  for (u64 i = 0; i < count; i++) {
    char *below = *path == '\0' ? duplicate(nodes[i].sysctl_name) : join3(path, ".", nodes[i].sysctl_name);
    name[depth] = nodes[i].sysctl_num;
    if ((nodes[i].sysctl_flags & 15) == CTLTYPE_NODE) show_tree(below, name, depth + 1);
    else show_value(below, name, depth + 1, &nodes[i], 0);
  }
  release(before);
}

static int sysctl_one(char *text) {
  int name[SYSCTL_DEPTH];
  u32 depth = 0;
  struct sysctlnode node = { .sysctl_flags = CTLTYPE_NODE };
  char *value = find_char(text, '=');
  if (value != NULL) *value++ = '\0';
  for (const char *part = text; *part != '\0';) {
    const char *dot = find_char(part, '.');
    char *wanted = duplicate_bytes(part, dot != NULL ? (u64)(dot - part) : length_of(part));
    u64 count, i = 0;
    struct sysctlnode *nodes = depth < SYSCTL_DEPTH ? children(name, depth, &count) : (count = 0, NULL);
    while (i < count && !same(nodes[i].sysctl_name, wanted)) i++;
    if (i == count) {
      complain("sysctl: there is no %s in this kernel", text);
      return 1;
    }
    node = nodes[i];
    name[depth++] = node.sysctl_num;
    part += length_of(wanted) + (dot != NULL);
  }
  const int type = (int)node.sysctl_flags & 15;
  if (type == CTLTYPE_NODE) {
    if (value != NULL) {
      complain("sysctl: %s is a group of values; one of them can be set", text);
      return 1;
    }
    show_tree(text, name, depth);
    return 0;
  }
  if (value == NULL) return show_value(text, name, depth, &node, 1);
  i64 number = 0;
  const char *end = "";
  if (type != CTLTYPE_STRING) {
    const int negative = *value == '-';
    number = number_at(value + negative, &end);
    if (negative) number = -number;
    if (*end != '\0' || type == CTLTYPE_STRUCT) {
      complain("sysctl: %s is no value for %s", value, text);
      return 1;
    }
  }
  const i64 result = type == CTLTYPE_STRING ? sys_sysctl(name, depth, NULL, NULL, value, length_of(value) + 1)
                                            : sys_sysctl(name, depth, NULL, NULL, &number, type == CTLTYPE_INT ? 4 : type == CTLTYPE_BOOL ? 1 : 8);
  if (failed(result, "set", text)) return 1;
  return show_value(text, name, depth, &node, 1);
}

int sysctl_main(int argc, char **argv) {
  const u64 set = options(&argv, "anw", "[-n] NAME[=VALUE]..., or -a");
  int name[SYSCTL_DEPTH], status = 0;
  (void)argc;
  quiet_names = HAS(set, 'n');
  if (HAS(set, 'a')) show_tree("", name, 0);
  else if (*argv == NULL) usage("[-n] NAME[=VALUE]..., or -a");
  for (; *argv != NULL; argv++) status |= sysctl_one(*argv);
  return status;
}

/* ---- the end ---- */

/* reboot, halt, poweroff. The kernel syncs and unmounts by itself; processes are asked to end first. */
int reboot_main(int argc, char **argv) {
  const u64 set = options(&argv, "np", "[-n]");
  const int how = same(program, "reboot") ? RB_AUTOBOOT : same(program, "poweroff") || HAS(set, 'p') ? RB_POWERDOWN : RB_HALT;
  const struct timespec moment = { 0, 50000000 };
  (void)argc;
  on_signal(SIGTERM, SIG_IGN, 0);
  on_signal(SIGHUP, SIG_IGN, 0);
  if (!HAS(set, 'n')) {
    say("%s: syncing the disk\n", program);
    flush();
    sys_kill(-1, SIGTERM);
    sys_nanosleep(&moment);
    sys_sync();
  }
  return failed(sys_reboot(how), "end", "the system");
}

/* ---- the terminal ---- */

int clear_main(int argc, char **argv) {
  (void)argc, (void)argv;
  put("\033[H\033[2J\033[3J");
  return 0;
}

static const struct {
  const char *name;
  int word; /* 0 input, 1 output, 2 control, 3 local */
  u32 bit;
} stty_flags[] = {
  { "brkint", 0, BRKINT }, { "istrip", 0, ISTRIP }, { "inlcr", 0, INLCR }, { "igncr", 0, IGNCR }, { "icrnl", 0, ICRNL },
  { "ixon", 0, IXON }, { "ixany", 0, IXANY }, { "imaxbel", 0, IMAXBEL }, { "opost", 1, OPOST }, { "onlcr", 1, ONLCR },
  { "oxtabs", 1, OXTABS }, { "hupcl", 2, HUPCL }, { "clocal", 2, CLOCAL }, { "isig", 3, ISIG }, { "icanon", 3, ICANON },
  { "iexten", 3, IEXTEN }, { "echo", 3, ECHO }, { "echoe", 3, ECHOE }, { "echok", 3, ECHOK }, { "echoke", 3, ECHOKE },
  { "echoctl", 3, ECHOCTL },
};

int stty_main(int argc, char **argv) {
  struct termios t;
  struct winsize size = { 0 };
  if (failed(sys_ioctl(0, TIOCGETA, &t), "read the modes of", "standard input")) return 1;
  sys_ioctl(0, TIOCGWINSZ, &size);
  u32 *const words[4] = { &t.c_iflag, &t.c_oflag, &t.c_cflag, &t.c_lflag };
  if (argc == 1 || same(argv[1], "-a")) {
    say("speed %d baud; %u rows; %u columns;", (i64)t.c_ospeed, (u64)size.ws_row, (u64)size.ws_col);
    int last = -1;
    for (u64 i = 0; i < COUNT(stty_flags); i++) {
      if (stty_flags[i].word != last) put("\n ");
      last = stty_flags[i].word;
      say(*words[last] & stty_flags[i].bit ? " %s" : " -%s", stty_flags[i].name);
    }
    put_char('\n');
    return 0;
  }
  if (same(argv[1], "size")) {
    say("%u %u\n", (u64)size.ws_row, (u64)size.ws_col);
    return 0;
  }
  for (int i = 1; i < argc; i++) {
    const int off = argv[i][0] == '-';
    const char *name = argv[i] + off;
    i64 number;
    u64 k = 0;
    while (k < COUNT(stty_flags) && !same(stty_flags[k].name, name)) k++;
    if (k < COUNT(stty_flags)) {
      if (off) *words[stty_flags[k].word] &= ~stty_flags[k].bit;
      else *words[stty_flags[k].word] |= stty_flags[k].bit;
    } else if (same(name, "raw") || same(name, "sane") || same(name, "cooked")) {
      const int raw = same(name, "raw") && !off;
      t.c_iflag = raw ? 0 : BRKINT | ICRNL | IXON | IMAXBEL;
      t.c_oflag = raw ? 0 : OPOST | ONLCR;
      t.c_lflag = raw ? 0 : ICANON | ISIG | IEXTEN | ECHOKE | ECHOE | ECHOK | ECHO | ECHOCTL;
      t.c_cc[VMIN] = 1;
      t.c_cc[VTIME] = 0;
    } else if ((same(name, "rows") || same(name, "cols") || same(name, "columns")) && i + 1 < argc && parse_number(argv[i + 1], &number) &&
               number > 0 && number < 10000) {
      *(name[0] == 'r' ? &size.ws_row : &size.ws_col) = (u16)number;
      if (failed(sys_ioctl(0, TIOCSWINSZ, &size), "set the size of", "the terminal")) return 1;
      i++;
    } else {
      complain("stty: there is no mode %s here; stty -a lists them", argv[i]);
      return 2;
    }
  }
  return failed(sys_ioctl(0, TIOCSETAW, &t), "set the modes of", "standard input");
}

/* Asks the terminal where its lower right corner is, and tells the kernel. */
int resize_main(int argc, char **argv) {
  struct termios usual, raw;
  struct winsize size = { 0 };
  struct pollfd p = { 0, POLLIN, 0 };
  i64 numbers[2] = { 0, 0 };
  int which = -1;
  (void)argc, (void)argv;
  if (failed(sys_ioctl(0, TIOCGETA, &usual), "read the modes of", "standard input")) return 1;
  raw = usual;
  raw.c_lflag &= ~(u32)(ICANON | ECHO);
  sys_ioctl(0, TIOCSETA, &raw);
  put("\0337\033[999;999H\033[6n\0338");
  flush();
  for (char c = 0; c != 'R' && sys_poll(&p, 1, 500) > 0 && sys_read(0, &c, 1) == 1;) {
    if (c == '[') which = 0;
    else if (c == ';') which = 1;
    else if (which >= 0 && is_digit(c)) numbers[which] = numbers[which] * 10 + (c - '0');
  }
  sys_ioctl(0, TIOCSETA, &usual);
  if (numbers[0] < 1 || numbers[1] < 1) {
    complain("resize: the terminal does not answer");
    return 1;
  }
  size.ws_row = (u16)numbers[0];
  size.ws_col = (u16)numbers[1];
  if (failed(sys_ioctl(0, TIOCSWINSZ, &size), "set the size of", "the terminal")) return 1;
  say("%d columns, %d rows\n", numbers[1], numbers[0]);
  return 0;
}
