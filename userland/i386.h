/*
 * NetBSD/i386's calls. INT 0x80 with the number in eax, and the arguments on the stack as a C function has them: words above
 * a return address, a 64-bit one as two, the lower half first. The answer is in eax, of lseek(2) in edx and eax; the carry
 * flag says that it is an errno. edx is lost.
 */
#ifndef USERLAND_I386_H
#define USERLAND_I386_H

i64 system_call(word number, ...); /* only lseek(2) answers with more than a word */

static inline i64 syscall6(i64 number, word a, word b, word c, word d, word e, word f) {
  return (long)system_call((word)number, a, b, c, d, e, f);
}

/* The second argument is padding. */
static inline i64 sys_lseek(int fd, i64 offset, int whence) { return system_call(SYS_lseek, fd, 0, offset, whence); }
static inline i64 sys_mknod(const char *path, u32 mode, u64 device) {
  return (long)system_call(SYS_mknod, path, mode, device);
}

#endif
