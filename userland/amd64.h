/*
 * NetBSD/amd64's calls. SYSCALL with the number in rax and arguments in rdi, rsi, rdx, r10, r8, r9. The answer is in rax;
 * the carry flag says that it is an errno. rcx and r11 are lost.
 */
#ifndef USERLAND_AMD64_H
#define USERLAND_AMD64_H

static inline i64 syscall6(i64 number, word a, word b, word c, word d, word e, word f) {
  long result = (long)number;
  u8 failed;
  register word r10 __asm__("r10") = d;
  register word r8 __asm__("r8") = e;
  register word r9 __asm__("r9") = f;
  /* rdx is the second half of a two-part answer, so it is lost too. */
  __asm__ volatile("syscall\n\tsetc %1"
                   : "+a"(result), "=&b"(failed), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
                   : "D"(a), "S"(b)
                   : "rcx", "r11", "memory", "cc");
  return failed ? -result : result;
}

/* The second argument is padding. */
static inline i64 sys_lseek(int fd, i64 offset, int whence) {
  return syscall6(SYS_lseek, (word)fd, 0, (word)offset, (word)whence, 0, 0);
}
static inline i64 sys_mknod(const char *path, u32 mode, u64 device) {
  return syscall6(SYS_mknod, (word)path, mode, device, 0, 0, 0);
}

#endif
