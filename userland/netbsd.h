/*
 * NetBSD/amd64 as seen from a program without libc: system calls, their numbers and the few structures used here.
 *
 * The call: SYSCALL with the number in rax and arguments in rdi, rsi, rdx, r10, r8, r9. The answer is in rax; the carry
 * flag says that it is an errno. rcx and r11 are lost. Here an error becomes a negative number: -errno.
 *
 * Numbers with a double underscore in NetBSD's own list are versions (the structure grew once): __mount50 and such.
 */
#ifndef USERLAND_NETBSD_H
#define USERLAND_NETBSD_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;

enum {
  SYS_read = 3,
  SYS_write = 4,
  SYS_open = 5,
  SYS_close = 6,
  SYS_sync = 36,
  SYS_dup2 = 90,
  SYS_fsync = 95,
  SYS_sysctl = 202, /* __sysctl */
  SYS_reboot = 208,
  SYS_getdents = 390, /* __getdents30 */
  SYS_mount = 410, /* __mount50 */
  SYS_clock_gettime = 427, /* __clock_gettime50 */
  SYS_nanosleep = 430, /* __nanosleep50 */
};

enum { ENOENT = 2, EROFS = 30 };

enum { O_RDONLY = 0x0, O_WRONLY = 0x1, O_RDWR = 0x2, O_CREAT = 0x200, O_TRUNC = 0x400 };

/* reboot(2). RB_HALT alone waits for a key on the console, then resets. */
enum { RB_AUTOBOOT = 0x0, RB_HALT = 0x8, RB_POWERDOWN = 0x808 };

/* mount(2): change the flags of what is mounted already. */
enum { MNT_UPDATE = 0x10000 };

/* The argument of mount(2) for ext2fs. A null fspec means: the device that it was mounted from. */
struct ufs_args {
  const char *fspec;
};

enum { CLOCK_MONOTONIC = 3 };

struct timespec {
  i64 tv_sec;
  i64 tv_nsec;
};

/* One record of getdents(2). Records follow one another, d_reclen bytes apart. */
struct dirent {
  u64 d_fileno;
  u16 d_reclen;
  u16 d_namlen;
  u8 d_type;
  char d_name[512];
};

enum { DT_DIR = 4, DT_LNK = 10 };

/* sysctl(3) names: { CTL_KERN, KERN_... }. */
enum { CTL_KERN = 1, KERN_OSTYPE = 1, KERN_OSRELEASE = 2, KERN_VERSION = 4 };

static inline i64 syscall6(i64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  i64 result = number;
  u8 failed;
  register u64 r10 __asm__("r10") = d;
  register u64 r8 __asm__("r8") = e;
  register u64 r9 __asm__("r9") = f;
  /* rdx is the second half of a two-part answer, so it is lost too. */
  __asm__ volatile("syscall\n\tsetc %1"
                   : "+a"(result), "=&b"(failed), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
                   : "D"(a), "S"(b)
                   : "rcx", "r11", "memory", "cc");
  return failed ? -result : result;
}

#define CALL(number, a, b, c) syscall6((number), (u64)(a), (u64)(b), (u64)(c), 0, 0, 0)

static inline i64 sys_read(int fd, void *buffer, u64 length) { return CALL(SYS_read, fd, buffer, length); }
static inline i64 sys_write(int fd, const void *bytes, u64 length) { return CALL(SYS_write, fd, bytes, length); }
static inline i64 sys_open(const char *path, int flags, int mode) { return CALL(SYS_open, path, flags, mode); }
static inline i64 sys_close(int fd) { return CALL(SYS_close, fd, 0, 0); }
static inline i64 sys_dup2(int from, int to) { return CALL(SYS_dup2, from, to, 0); }
static inline i64 sys_fsync(int fd) { return CALL(SYS_fsync, fd, 0, 0); }
static inline i64 sys_sync(void) { return CALL(SYS_sync, 0, 0, 0); }
static inline i64 sys_reboot(int how) { return CALL(SYS_reboot, how, 0, 0); }
static inline i64 sys_getdents(int fd, void *buffer, u64 size) { return CALL(SYS_getdents, fd, buffer, size); }
static inline i64 sys_clock_gettime(int clock, struct timespec *t) { return CALL(SYS_clock_gettime, clock, t, 0); }
static inline i64 sys_nanosleep(const struct timespec *t) { return CALL(SYS_nanosleep, t, 0, 0); }

static inline i64 sys_mount(const char *type, const char *path, int flags, void *data, u64 length) {
  return syscall6(SYS_mount, (u64)type, (u64)path, (u64)flags, (u64)data, length, 0);
}

static inline i64 sys_sysctl(const int *name, u32 levels, void *old, u64 *old_length) {
  return syscall6(SYS_sysctl, (u64)name, levels, (u64)old, (u64)old_length, 0, 0);
}

#endif
