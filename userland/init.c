/*
 * /sbin/init for NetBSD/amd64: the first process, a console and a very small shell. No libc, no dynamic linker.
 *
 * What is modelled: process 1 gets no open files, so it opens /dev/console itself and makes it 0, 1 and 2. The
 * terminal starts in canonical mode with echo, so the kernel edits the line and one read() returns one line. The
 * kernel mounts the root read-only; `write` remounts it (MNT_UPDATE without MNT_RDONLY) before it writes.
 *
 * Left out on purpose: rc scripts, signals, running programs, job control.
 */
#include "netbsd.h"

/*
 * The note by which the kernel knows its own programs (and refuses others):
 *
 *   +---------+---------+---------+--------------------+-------------+
 *   | namesz  | descsz  | type    | "NetBSD\0" + 1 pad | version     |
 *   | 7       | 4       | 1       | 8 bytes            | 1000000000  |
 *   +---------+---------+---------+--------------------+-------------+
 *
 * The version is that of NetBSD 10.0, the oldest whose calls are used.
 */
__asm__(".pushsection .note.netbsd.ident, \"a\", @note\n"
        "\t.p2align 2\n"
        "\t.long 7, 4, 1\n"
        "\t.ascii \"NetBSD\\0\\0\"\n"
        "\t.long 1000000000\n"
        ".popsection\n");

/* rsp points at argc, which nothing here needs. */
__asm__(".globl _start\n"
        "_start:\n"
        "\txorl %ebp, %ebp\n"
        "\tandq $-16, %rsp\n"
        "\tcall init\n"
        "\tud2\n");

static const char greeting[] = "INIT: hello from NetBSD userland\n";
static const char written_path[] = "/tmp/written";
static char page[4096];

static u64 length_of(const char *text) {
  u64 n = 0;
  while (text[n] != '\0') n++;
  return n;
}

static int same(const char *a, const char *b) {
  while (*a != '\0' && *a == *b) a++, b++;
  return *a == *b;
}

static void put_bytes(const char *bytes, u64 length) {
  while (length > 0) {
    i64 n = sys_write(1, bytes, length);
    if (n <= 0) return;
    bytes += n;
    length -= (u64)n;
  }
}

static void put(const char *text) { put_bytes(text, length_of(text)); }

static void put_number(u64 value) {
  char digits[20];
  u64 at = sizeof digits;
  do digits[--at] = (char)('0' + value % 10);
  while ((value /= 10) != 0);
  put_bytes(digits + at, sizeof digits - at);
}

/* "what: error 30", and true, when `result` is an error. */
static int failed(const char *what, i64 result) {
  if (result >= 0) return 0;
  put(what);
  put(": error ");
  put_number((u64)-result);
  put("\n");
  return 1;
}

static void open_console(void) {
  i64 fd = sys_open("/dev/console", O_RDWR, 0);
  for (int wanted = 0; wanted <= 2; wanted++)
    if (fd >= 0 && fd != wanted) sys_dup2((int)fd, wanted);
  if (fd > 2) sys_close((int)fd);
}

static i64 remount_root_writable(void) {
  struct ufs_args args = { 0 };
  return sys_mount("ext2fs", "/", MNT_UPDATE, &args, sizeof args);
}

/* Writes a file, makes it reach the disk, and reads it back. */
static void write_and_check(void) {
  static char back[sizeof greeting];
  const u64 length = sizeof greeting - 1;
  i64 fd = sys_open(written_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd == -EROFS) {
    if (failed("mount -u /", remount_root_writable())) return;
    fd = sys_open(written_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  }
  if (failed(written_path, fd)) return;
  i64 wrote = sys_write((int)fd, greeting, length);
  i64 synced = sys_fsync((int)fd);
  sys_close((int)fd);
  if (failed("write", wrote) || failed("fsync", synced)) return;

  fd = sys_open(written_path, O_RDONLY, 0);
  if (failed(written_path, fd)) return;
  i64 got = sys_read((int)fd, back, sizeof back - 1);
  sys_close((int)fd);
  back[got > 0 ? got : 0] = '\0';
  put((u64)wrote == length && same(back, greeting) ? "write: ok, " : "write: MISMATCH, ");
  put(written_path);
  put("\n");
}

static void list(const char *path) {
  i64 fd = sys_open(path, O_RDONLY, 0);
  if (failed(path, fd)) return;
  i64 size;
  while ((size = sys_getdents((int)fd, page, sizeof page)) > 0) {
    for (i64 at = 0; at < size;) {
      const struct dirent *entry = (const struct dirent *)(page + at);
      if (entry->d_fileno != 0) {
        put_bytes(entry->d_name, entry->d_namlen);
        put(entry->d_type == DT_DIR ? "/\n" : entry->d_type == DT_LNK ? "@\n" : "\n");
      }
      at += entry->d_reclen;
    }
  }
  failed(path, size);
  sys_close((int)fd);
}

static void show(const char *path) {
  i64 fd = sys_open(path, O_RDONLY, 0);
  if (failed(path, fd)) return;
  i64 size;
  while ((size = sys_read((int)fd, page, sizeof page)) > 0) put_bytes(page, (u64)size);
  failed(path, size);
  sys_close((int)fd);
}

static void kernel_name(int which) {
  const int name[2] = { CTL_KERN, which };
  u64 length = sizeof page;
  if (!failed("sysctl", sys_sysctl(name, 2, page, &length))) put_bytes(page, length_of(page));
}

static void uptime(void) {
  struct timespec t;
  if (failed("clock", sys_clock_gettime(CLOCK_MONOTONIC, &t))) return;
  const u64 milliseconds = (u64)t.tv_nsec / 1000000;
  put("up ");
  put_number((u64)t.tv_sec);
  put(milliseconds < 10 ? ".00" : milliseconds < 100 ? ".0" : ".");
  put_number(milliseconds);
  put(" s\n");
}

static void help(void) {
  put("help             this list\n"
      "ls [DIRECTORY]   names in a directory\n"
      "cat FILE         a file's bytes\n"
      "uname            the kernel's version\n"
      "uptime           seconds since the kernel started\n"
      "write            write, sync and read back a file on the root disk\n"
      "reboot           restart the machine\n"
      "poweroff, halt   stop the machine\n"
      "anything else is echoed\n");
}

static void leave(const char *word, int how) {
  put(word);
  put(": syncing the disk\n");
  sys_sync();
  failed(word, sys_reboot(how));
}

static void obey(char *line) {
  char *argument = line;
  while (*argument != '\0' && *argument != ' ') argument++;
  while (*argument == ' ') *argument++ = '\0';
  const int alone = *argument == '\0';

  if (*line == '\0') return;
  if (same(line, "help")) help();
  else if (same(line, "ls")) list(alone ? "/" : argument);
  else if (same(line, "cat") && !alone) show(argument);
  else if (same(line, "uname")) kernel_name(KERN_VERSION);
  else if (same(line, "uptime")) uptime();
  else if (same(line, "write")) write_and_check();
  else if (same(line, "reboot")) leave(line, RB_AUTOBOOT);
  else if (same(line, "poweroff")) leave(line, RB_POWERDOWN);
  else if (same(line, "halt")) leave(line, RB_HALT);
  else {
    put("echo: ");
    put(line);
    put(alone ? "\n" : " ");
    if (!alone) put(argument), put("\n");
  }
}

__attribute__((used, noreturn)) void init(void) {
  static char line[1024];
  open_console();
  put(greeting);
  for (;;) {
    put("# ");
    i64 size = sys_read(0, line, sizeof line - 1);
    if (size <= 0) {
      /* End of file or a console that went away: wait, since process 1 must not end. */
      const struct timespec second = { 1, 0 };
      sys_nanosleep(&second);
      continue;
    }
    while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r' || line[size - 1] == ' ')) size--;
    line[size] = '\0';
    obey(line);
  }
}
