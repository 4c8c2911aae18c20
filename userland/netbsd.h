/*
 * NetBSD as seen from a program without libc: system calls, their numbers and the few structures used here. The numbers are
 * the same on every port; how a call is made is in amd64.h and i386.h. An error becomes a negative number: -errno.
 *
 * Numbers with a double underscore in NetBSD's own list are versions (the structure grew once): __mount50 and such.
 *
 * Structures differ between the ports by no more than the size of a long and of a pointer, and by i386's alignment of 64
 * bits to 4 bytes, which both compilers share.
 */
#ifndef USERLAND_NETBSD_H
#define USERLAND_NETBSD_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef short i16;
typedef unsigned long long u64;
typedef long long i64;
typedef unsigned long word; /* what a register holds: an address, or a size that the compiler or the kernel reads */

enum {
  SYS_exit = 1,
  SYS_fork = 2,
  SYS_read = 3,
  SYS_write = 4,
  SYS_open = 5,
  SYS_close = 6,
  SYS_link = 9,
  SYS_unlink = 10,
  SYS_chdir = 12,
  SYS_chmod = 15,
  SYS_chown = 16,
  SYS_break = 17,
  SYS_getpid = 20,
  SYS_unmount = 22,
  SYS_getuid = 24,
  SYS_geteuid = 25,
  SYS_recvfrom = 29,
  SYS_access = 33,
  SYS_sync = 36,
  SYS_kill = 37,
  SYS_getppid = 39,
  SYS_getegid = 43,
  SYS_getgid = 47,
  SYS_ioctl = 54,
  SYS_symlink = 57,
  SYS_readlink = 58,
  SYS_execve = 59,
  SYS_umask = 60,
  SYS_getgroups = 79,
  SYS_getpgrp = 81,
  SYS_setpgid = 82,
  SYS_dup2 = 90,
  SYS_fcntl = 92,
  SYS_fsync = 95,
  SYS_setsockopt = 105,
  SYS_rename = 128,
  SYS_sendto = 133,
  SYS_mkdir = 136,
  SYS_rmdir = 137,
  SYS_setsid = 147,
  SYS_lseek = 199,
  SYS_ftruncate = 201,
  SYS_sysctl = 202, /* __sysctl */
  SYS_reboot = 208,
  SYS_poll = 209,
  SYS_sigprocmask = 293, /* __sigprocmask14 */
  SYS_getcwd = 296, /* __getcwd */
  SYS_sigaction = 340, /* __sigaction_sigtramp */
  SYS_getdents = 390, /* __getdents30 */
  SYS_socket = 394, /* __socket30 */
  SYS_mount = 410, /* __mount50 */
  SYS_utimes = 420, /* __utimes50 */
  SYS_clock_gettime = 427, /* __clock_gettime50 */
  SYS_clock_settime = 428, /* __clock_settime50 */
  SYS_nanosleep = 430, /* __nanosleep50 */
  SYS_stat = 439, /* __stat50 */
  SYS_fstat = 440, /* __fstat50 */
  SYS_lstat = 441, /* __lstat50 */
  SYS_wait4 = 449, /* __wait450 */
  SYS_mknod = 450, /* __mknod50 */
  SYS_pipe2 = 453,
  SYS_getvfsstat = 483, /* __getvfsstat90, NetBSD 10 and later */
  SYS_statvfs1 = 484, /* __statvfs190, likewise */
};

enum {
  EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, ENOEXEC = 8, ECHILD = 10, ENOMEM = 12, EACCES = 13, EEXIST = 17,
  EXDEV = 18, ENOTDIR = 20, EISDIR = 21, EINVAL = 22, ENOTTY = 25, EROFS = 30, EPIPE = 32, ERRNO_TOP = 98,
};

enum {
  O_RDONLY = 0x0, O_WRONLY = 0x1, O_RDWR = 0x2, O_NONBLOCK = 0x4, O_APPEND = 0x8, O_CREAT = 0x200, O_TRUNC = 0x400,
  O_EXCL = 0x800, O_NOCTTY = 0x8000, O_CLOEXEC = 0x400000,
};
enum { F_DUPFD = 0, F_GETFL = 3, F_SETFL = 4, F_DUPFD_CLOEXEC = 12 };
enum { SEEK_SET = 0, SEEK_CUR = 1, SEEK_END = 2 };
enum { R_OK = 4, W_OK = 2, X_OK = 1, F_OK = 0 };

/* reboot(2). RB_HALT alone waits for a key on the console, then resets. */
enum { RB_AUTOBOOT = 0x0, RB_HALT = 0x8, RB_POWERDOWN = 0x808 };

/* mount(2). MNT_UPDATE changes the flags of what is mounted already. */
enum {
  MNT_RDONLY = 0x1, MNT_SYNCHRONOUS = 0x2, MNT_NOEXEC = 0x4, MNT_NOSUID = 0x8, MNT_NODEV = 0x10, MNT_ASYNC = 0x40,
  MNT_LOCAL = 0x1000, MNT_UPDATE = 0x10000, MNT_FORCE = 0x80000, MNT_NOATIME = 0x4000000,
};
enum { MNT_WAIT = 1, MNT_NOWAIT = 2 };

/* The argument of mount(2) for ffs and ext2fs. A null fspec means: the device that it was mounted from. */
struct ufs_args {
  const char *fspec;
};

/* The argument of mount(2) for tmpfs. Zero for a limit means: as much as there is. */
struct tmpfs_args {
  int ta_version; /* 1 */
  u64 ta_nodes_max;
  i64 ta_size_max;
  u32 ta_root_uid, ta_root_gid, ta_root_mode;
};

/* The argument of mount(2) for procfs. */
struct procfs_args {
  int version; /* 1 */
  int flags;
};

struct statvfs {
  word f_flag, f_bsize, f_frsize, f_iosize;
  u64 f_blocks, f_bfree, f_bavail, f_bresvd; /* in units of f_frsize */
  u64 f_files, f_ffree, f_favail, f_fresvd;
  u64 f_syncreads, f_syncwrites, f_asyncreads, f_asyncwrites;
  u32 f_fsidx[2];
  word f_fsid, f_namemax;
  u32 f_owner;
  u64 f_spare[4];
  char f_fstypename[32];
  char f_mntonname[1024];
  char f_mntfromname[1024];
  char f_mntfromlabel[1024];
};

enum { CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 3 };

struct timespec {
  i64 tv_sec;
  long tv_nsec;
};

struct timeval {
  i64 tv_sec;
  int tv_usec;
};

struct rusage {
  struct timeval ru_utime, ru_stime;
  long ru_rest[14];
};

struct stat {
  u64 st_dev;
  u32 st_mode;
  u64 st_ino;
  u32 st_nlink, st_uid, st_gid;
  u64 st_rdev;
  struct timespec st_atim, st_mtim, st_ctim, st_birthtim;
  i64 st_size, st_blocks;
  u32 st_blksize, st_flags, st_gen, st_spare[2];
};

enum {
  S_IFMT = 0170000, S_IFIFO = 0010000, S_IFCHR = 0020000, S_IFDIR = 0040000, S_IFBLK = 0060000, S_IFREG = 0100000,
  S_IFLNK = 0120000, S_IFSOCK = 0140000,
};

/* A dev_t's low 32 bits: mmmm.mmmm.mmmm.MMMM.MMMM.MMMM.mmmm.mmmm, m the minor number, M the major one. */
static inline u32 major_of(u64 dev) { return (u32)(dev >> 8) & 0xfff; }
static inline u32 minor_of(u64 dev) { return (u32)((dev >> 12) & 0xfff00) | (u32)(dev & 0xff); }

/* One record of getdents(2). Records follow one another, d_reclen bytes apart. */
struct dirent {
  u64 d_fileno;
  u16 d_reclen;
  u16 d_namlen;
  u8 d_type;
  char d_name[512];
};

enum { DT_DIR = 4, DT_LNK = 10 };

/* Signals. */
enum {
  SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGKILL = 9, SIGPIPE = 13, SIGTERM = 15, SIGSTOP = 17, SIGTSTP = 18,
  SIGCONT = 19, SIGCHLD = 20, SIGTTIN = 21, SIGTTOU = 22, NSIG = 32,
};
#define SIG_DFL ((void (*)(int))0)
#define SIG_IGN ((void (*)(int))1)

struct sigaction {
  void (*sa_handler)(int);
  u32 sa_mask[4];
  int sa_flags;
};
enum { SA_RESTART = 2 };

/* wait4(2): options, and the status word, 0x7f in its low byte for a stopped process. */
enum { WNOHANG = 1, WUNTRACED = 2 };
static inline int wait_stopped(int status) { return (status & 0xff) == 0x7f; }
static inline int wait_signal(int status) { return wait_stopped(status) ? 0 : status & 0x7f; }
static inline int wait_code(int status) { return (status >> 8) & 0xff; }

/* Terminals. */
struct termios {
  u32 c_iflag, c_oflag, c_cflag, c_lflag;
  u8 c_cc[20];
  int c_ispeed, c_ospeed;
};
enum { VEOF = 0, VEOL = 1, VERASE = 3, VWERASE = 4, VKILL = 5, VREPRINT = 6, VINTR = 8, VQUIT = 9, VSUSP = 10,
       VDSUSP = 11, VSTART = 12, VSTOP = 13, VLNEXT = 14, VDISCARD = 15, VMIN = 16, VTIME = 17, VSTATUS = 18 };
enum { BRKINT = 0x2, ISTRIP = 0x20, INLCR = 0x40, IGNCR = 0x80, ICRNL = 0x100, IXON = 0x200, IXANY = 0x800,
       IMAXBEL = 0x2000 };
enum { OPOST = 1, ONLCR = 2, OXTABS = 4 };
enum { CS8 = 0x300, CREAD = 0x800, HUPCL = 0x4000, CLOCAL = 0x8000 };
enum { ECHOKE = 1, ECHOE = 2, ECHOK = 4, ECHO = 8, ECHOCTL = 0x40, ISIG = 0x80, ICANON = 0x100, IEXTEN = 0x400 };

struct winsize {
  u16 ws_row, ws_col, ws_xpixel, ws_ypixel;
};

/* ioctl(2): direction, length of the argument, group and number packed into a word (sys/ioccom.h). */
#define IOCTL(direction, group, number, length) ((direction) | (u32)(length) << 16 | (group) << 8 | (number))
#define IO_NONE 0x20000000u
#define IO_OUT 0x40000000u
#define IO_IN 0x80000000u
#define TIOCGETA IOCTL(IO_OUT, 't', 19, sizeof(struct termios))
#define TIOCSETA IOCTL(IO_IN, 't', 20, sizeof(struct termios))
#define TIOCSETAW IOCTL(IO_IN, 't', 21, sizeof(struct termios))
#define TIOCSCTTY IOCTL(IO_NONE, 't', 97, 0)
#define TIOCSWINSZ IOCTL(IO_IN, 't', 103, sizeof(struct winsize))
#define TIOCGWINSZ IOCTL(IO_OUT, 't', 104, sizeof(struct winsize))
#define TIOCSPGRP IOCTL(IO_IN, 't', 118, sizeof(int))
#define TIOCGPGRP IOCTL(IO_OUT, 't', 119, sizeof(int))

struct pollfd {
  int fd;
  i16 events, revents;
};
enum { POLLIN = 1 };

/* sysctl(3) names: { CTL_KERN, KERN_... }. A negative last number asks about the node before it. */
enum { CTL_QUERY = -2 };
enum { CTL_KERN = 1, CTL_NET = 4, CTL_HW = 6 };
enum {
  KERN_OSTYPE = 1, KERN_OSRELEASE = 2, KERN_VERSION = 4, KERN_HOSTNAME = 10, KERN_PROC2 = 47, KERN_PROC_ARGS = 48,
  KERN_MSGBUF = 53, KERN_BOOTTIME = 83,
};
enum { KERN_PROC_ALL = 0, KERN_PROC_ARGV = 1 };
enum { HW_MACHINE = 1, HW_NCPU = 3, HW_MACHINE_ARCH = 10 };
enum { CTLTYPE_NODE = 1, CTLTYPE_INT = 2, CTLTYPE_STRING = 3, CTLTYPE_QUAD = 4, CTLTYPE_STRUCT = 5, CTLTYPE_BOOL = 6 };
enum { CTLFLAG_HEX = 0x1000, CTLFLAG_UNSIGNED = 0x80000, SYSCTL_VERSION = 0x01000000 };

struct sysctlnode {
  u32 sysctl_flags; /* the type in the low four bits */
  int sysctl_num;
  char sysctl_name[32];
  u32 sysctl_ver, sysctl_reserved;
  u64 sysctl_un[2];
  u64 sysctl_size, sysctl_func, sysctl_parent, sysctl_desc;
};

/* KERN_PROC2: one process. Pointers are 64-bit numbers; the caller says how much of it it wants. */
struct kinfo_proc2 {
  u64 p_pointers[13];
  int p_eflag, p_exitsig, p_flag;
  int p_pid, p_ppid, p_sid, p_pgid, p_tpgid;
  u32 p_uid, p_ruid, p_gid, p_rgid;
  u32 p_groups[16];
  i16 p_ngroups, p_jobc;
  u32 p_tdev, p_estcpu, p_rtime_sec, p_rtime_usec;
  int p_cpticks;
  u32 p_pctcpu, p_swtime, p_slptime;
  int p_schedflags;
  u64 p_uticks, p_sticks, p_iticks, p_tracep;
  int p_traceflag, p_holdcnt;
  u32 p_siglist[4], p_sigmask[4], p_sigignore[4], p_sigcatch[4];
  char p_stat;
  u8 p_priority, p_usrpri, p_nice;
  u16 p_xstat, p_acflag;
  char p_comm[24];
  char p_wmesg[8];
  u64 p_wchan;
  char p_login[24];
  int p_vm_rssize, p_vm_tsize, p_vm_dsize, p_vm_ssize;
  i64 p_uvalid;
  u32 p_ustart_sec, p_ustart_usec, p_uutime_sec, p_uutime_usec, p_ustime_sec, p_ustime_usec;
  u64 p_uru[14];
  u32 p_uctime_sec, p_uctime_usec;
  u64 p_cpuid, p_realflag, p_nlwps, p_nrlwps, p_realstat;
  u32 p_svuid, p_svgid;
  char p_ename[16];
  i64 p_vm_vsize, p_vm_msize;
};
enum { EPROC_CTTY = 1, EPROC_SLEADER = 2, P_SYSTEM = 0x200 };

/*
 * Each port's own: syscall6(), and the calls with an argument that is 64 bits wide everywhere.
 */
#ifdef __x86_64__
#include "amd64.h"
#else
#include "i386.h"
#endif

#define CALL(number, a, b, c) syscall6((number), (word)(a), (word)(b), (word)(c), 0, 0, 0)

static inline i64 sys_read(int fd, void *buffer, u64 length) { return CALL(SYS_read, fd, buffer, length); }
static inline i64 sys_write(int fd, const void *bytes, u64 length) { return CALL(SYS_write, fd, bytes, length); }
static inline i64 sys_open(const char *path, int flags, int mode) { return CALL(SYS_open, path, flags, mode); }
static inline i64 sys_close(int fd) { return CALL(SYS_close, fd, 0, 0); }
static inline i64 sys_dup2(int from, int to) { return CALL(SYS_dup2, from, to, 0); }
static inline i64 sys_fcntl(int fd, int what, i64 value) { return CALL(SYS_fcntl, fd, what, value); }
static inline i64 sys_fsync(int fd) { return CALL(SYS_fsync, fd, 0, 0); }
static inline i64 sys_sync(void) { return CALL(SYS_sync, 0, 0, 0); }
static inline i64 sys_reboot(int how) { return CALL(SYS_reboot, how, 0, 0); }
static inline i64 sys_getdents(int fd, void *buffer, u64 size) { return CALL(SYS_getdents, fd, buffer, size); }
static inline i64 sys_clock_gettime(int clock, struct timespec *t) { return CALL(SYS_clock_gettime, clock, t, 0); }
static inline i64 sys_nanosleep(const struct timespec *t) { return CALL(SYS_nanosleep, t, 0, 0); }
static inline i64 sys_ioctl(int fd, u32 request, void *argument) { return CALL(SYS_ioctl, fd, request, argument); }
static inline i64 sys_stat(const char *path, struct stat *s) { return CALL(SYS_stat, path, s, 0); }
static inline i64 sys_lstat(const char *path, struct stat *s) { return CALL(SYS_lstat, path, s, 0); }
static inline i64 sys_fstat(int fd, struct stat *s) { return CALL(SYS_fstat, fd, s, 0); }
static inline i64 sys_kill(i64 pid, int signal) { return CALL(SYS_kill, pid, signal, 0); }
static inline i64 sys_getpid(void) { return CALL(SYS_getpid, 0, 0, 0); }
static inline i64 sys_setpgid(i64 pid, i64 group) { return CALL(SYS_setpgid, pid, group, 0); }
static inline i64 sys_unlink(const char *path) { return CALL(SYS_unlink, path, 0, 0); }
static inline i64 sys_access(const char *path, int mode) { return CALL(SYS_access, path, mode, 0); }
static inline i64 sys_pipe(int *ends) { return CALL(SYS_pipe2, ends, 0, 0); }
static inline i64 sys_fork(void) { return CALL(SYS_fork, 0, 0, 0); }
static inline i64 sys_getcwd(char *buffer, u64 size) { return CALL(SYS_getcwd, buffer, size, 0); }
static inline i64 sys_execve(const char *path, char *const *argv, char *const *envp) {
  return CALL(SYS_execve, path, argv, envp);
}
static inline i64 sys_readlink(const char *path, char *buffer, u64 size) {
  return CALL(SYS_readlink, path, buffer, size);
}
static inline i64 sys_poll(struct pollfd *fds, u32 count, int milliseconds) {
  return CALL(SYS_poll, fds, count, milliseconds);
}
static inline i64 sys_wait4(i64 pid, int *status, int options, struct rusage *usage) {
  return syscall6(SYS_wait4, (word)pid, (word)status, (word)options, (word)usage, 0, 0);
}
__attribute__((noreturn)) static inline void sys_exit(int status) {
  for (;;) CALL(SYS_exit, status, 0, 0);
}

static inline i64 sys_mount(const char *type, const char *path, int flags, void *data, u64 length) {
  return syscall6(SYS_mount, (word)type, (word)path, (word)flags, (word)data, (word)length, 0);
}

static inline i64 sys_sysctl(const int *name, u32 levels, void *old, u64 *old_length, const void *new, u64 new_length) {
  word length = old_length == 0 ? 0 : (word)*old_length; /* a size_t, in and out */
  const i64 result =
      syscall6(SYS_sysctl, (word)name, levels, (word)old, old_length == 0 ? 0 : (word)&length, (word)new, (word)new_length);
  if (old_length != 0) *old_length = length;
  return result;
}

#endif
