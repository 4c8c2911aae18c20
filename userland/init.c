/*
 * Process 1: mounts, a console, /etc/rc, then a login shell, again and again.
 *
 * Process 1 gets no open files, so it opens /dev/console itself. It is no terminal user: each shell runs in a session of its
 * own, in a child that makes the console its controlling terminal. Echo stays off until the first shell asks for a line,
 * so that what was typed ahead is seen once, at the prompt.
 *
 * Left out on purpose: ttys(5), run levels, single user mode, utmp.
 */
#include "commands.h"

static const char console[] = "/dev/console";

static void open_console(void) {
  for (int fd = 0; fd <= 2; fd++) sys_close(fd);
  const i64 fd = sys_open(console, O_RDWR | O_NOCTTY, 0);
  for (int wanted = 0; wanted <= 2; wanted++)
    if (fd >= 0 && fd != wanted) sys_dup2((int)fd, wanted);
  if (fd > 2) sys_close((int)fd);
}

static void set_up_terminal(void) {
  static const u8 keys[][2] = {
    { VEOF, 4 },      { VEOL, 0xff },   { 2, 0xff },         { VERASE, 127 },  { VWERASE, 23 }, { VKILL, 21 },
    { VREPRINT, 18 }, { VINTR, 3 },     { VQUIT, 28 },       { VSUSP, 26 },    { VDSUSP, 0xff }, { VSTART, 17 },
    { VSTOP, 19 },    { VLNEXT, 22 },   { VDISCARD, 0xff },  { VMIN, 1 },      { VTIME, 0 },    { VSTATUS, 20 },
  };
  struct winsize size = { 0 };
  struct termios modes;
  if (sys_ioctl(0, TIOCGETA, &modes) == 0) {
    modes.c_iflag = BRKINT | ICRNL | IXON | IMAXBEL;
    modes.c_oflag = OPOST | ONLCR;
    modes.c_cflag = (modes.c_cflag & ~(u32)HUPCL) | CS8 | CREAD | CLOCAL;
    modes.c_lflag = ICANON | ISIG | IEXTEN | ECHOKE | ECHOE | ECHOK | ECHOCTL; /* the login shell adds ECHO */
    for (u64 i = 0; i < COUNT(keys); i++) modes.c_cc[keys[i][0]] = keys[i][1];
    sys_ioctl(0, TIOCSETA, &modes);
  }
  if (sys_ioctl(0, TIOCGWINSZ, &size) == 0 && size.ws_col == 0) {
    size.ws_row = 25;
    size.ws_col = 80;
    sys_ioctl(0, TIOCSWINSZ, &size);
  }
}

/* File systems that a kernel may lack: their absence is no news. */
static void mount_all(void) {
  struct ufs_args root = { 0 };
  struct tmpfs_args memory = { .ta_version = 1, .ta_root_mode = 01777 };
  struct statvfs *s = alloc(sizeof *s);
  struct procfs_args processes = { .version = 1 };
  const char *type = "ext2fs";
  if (CALL(SYS_statvfs1, "/", s, MNT_NOWAIT) == 0) type = s->f_fstypename;
  /* A disk that cannot be written leaves a root to read. */
  failed(sys_mount(type, "/", MNT_UPDATE, &root, sizeof root), "make writable", "/");
  sys_mount("tmpfs", "/tmp", MNT_NOSUID | MNT_NODEV, &memory, sizeof memory);
  sys_mount("kernfs", "/kern", 0, NULL, 0);
  sys_mount("procfs", "/proc", 0, &processes, sizeof processes);
}

/* In a child: a session, for a shell one whose terminal is the console, then the program. */
__attribute__((noreturn)) static void become(char **argv, const char *path, int foreground) {
  static char *const variables[] = { "PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/root", "USER=root", "SHELL=/bin/sh",
                                     "TERM=xterm-256color", NULL };
  for (int i = 1; i < NSIG; i++) on_signal(i, SIG_DFL, 0);
  unblock_signals();
  CALL(SYS_setsid, 0, 0, 0);
  if (foreground) {
    if (CALL(SYS_chdir, "/root", 0, 0) < 0) CALL(SYS_chdir, "/", 0, 0);
    sys_ioctl(0, TIOCSCTTY, NULL);
  }
  failed(sys_execve(path, argv, variables), "run", path);
  sys_exit(127);
}

/* Waits for `pid`; orphans end on the way. */
static void wait_for(i64 pid) {
  int status;
  for (;;) {
    const i64 done = sys_wait4(-1, &status, 0, NULL);
    if (done == pid || done == -ECHILD) return;
  }
}

static i64 start_child(char **argv, const char *path, int foreground) {
  const i64 pid = sys_fork();
  if (pid == 0) become(argv, path, foreground);
  failed(pid, "start", path);
  return pid;
}

static void show_file(const char *path) {
  char bytes[1024];
  const i64 fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
  i64 n;
  if (fd < 0) return;
  while ((n = sys_read((int)fd, bytes, sizeof bytes)) > 0) put_bytes(bytes, (u64)n);
  sys_close((int)fd);
}

static void pause_for(i64 seconds) {
  const struct timespec t = { seconds, 0 };
  sys_nanosleep(&t);
}

void init_main(void) {
  program = "init";
  for (int i = 1; i < NSIG; i++)
    if (i != SIGCHLD && (i < 4 || i > 12)) on_signal(i, SIG_IGN, 0); /* 4 to 12 tell of our own faults: let the kernel say so */
  open_console();
  set_up_terminal();
  mount_all();
  if (sys_access("/etc/rc", R_OK) == 0) {
    const i64 pid = start_child((char *[]){ "sh", "/etc/rc", NULL }, "/bin/sh", 0);
    if (pid > 0) wait_for(pid);
  }
  put("INIT: hello from NetBSD userland\n");
  show_file("/etc/motd");
  flush();
  for (;;) {
    struct timespec before, after;
    sys_clock_gettime(CLOCK_MONOTONIC, &before);
    const i64 pid = start_child((char *[]){ "-sh", NULL }, "/bin/sh", 1);
    if (pid > 0) wait_for(pid);
    /* When a session's leader ends, the kernel takes its terminal from everybody. */
    open_console();
    set_up_terminal();
    sys_clock_gettime(CLOCK_MONOTONIC, &after);
    /* A shell that cannot live must not keep the machine busy. */
    if (after.tv_sec - before.tv_sec < 1) pause_for(1);
  }
}
