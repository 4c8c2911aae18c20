/*
 * Where the program starts, how it calls, where signal handlers end, and the division of 64 bits, on NetBSD/i386.
 */
#include "lib.h"

/* esp points at argc. */
__asm__(".globl _start\n"
        "_start:\n"
        "\txorl %ebp, %ebp\n"
        "\tpushl %esp\n"
        "\tcall start\n"
        "\tud2\n");

/*
 * The stack holds the return address, the number, the arguments: while the kernel looks at it, the number has given its
 * place to the return address.
 */
__asm__(".globl system_call\n"
        "system_call:\n"
        "\tpopl %ecx\n"
        "\tpopl %eax\n"
        "\tpushl %ecx\n"
        "\tint $0x80\n"
        "\tjnc 1f\n"
        "\tnegl %eax\n"
        "\tcltd\n"
        "1:\tpushl (%esp)\n"
        "\tret\n");

/*
 * A handler's arguments are still on the stack: the signal, its siginfo's address, its ucontext's. setcontext(2) is number
 * 308.
 */
__asm__(".globl signal_return\n"
        "signal_return:\n"
        "\tpushl 8(%esp)\n"
        "\tpushl $308\n"
        "\tcall system_call\n"
        "\tud2\n");

/* The compiler calls these by name, and there is no libgcc. A quotient of more than 32 bits takes two DIVs. */
u64 __udivmoddi4(u64 n, u64 d, u64 *rest) {
  u64 quotient = 0;
  if (d >> 32 == 0) {
    u32 high = (u32)(n >> 32), low = (u32)n, remainder = high % (u32)d;
    quotient = (u64)(high / (u32)d) << 32;
    __asm__("divl %2" : "+a"(low), "+d"(remainder) : "rm"((u32)d) : "cc");
    quotient |= low;
    n = remainder;
  } else {
    /* Less than 32 bits: one at a time. */
    int shift = __builtin_clz((u32)(d >> 32)) - (n >> 32 == 0 ? 31 : __builtin_clz((u32)(n >> 32)));
    for (; shift >= 0; shift--)
      if (n >> shift >= d) {
        n -= d << shift;
        quotient |= 1ull << shift;
      }
  }
  if (rest != NULL) *rest = n;
  return quotient;
}

i64 __divmoddi4(i64 n, i64 d, i64 *rest) {
  u64 remainder;
  const u64 quotient = __udivmoddi4(n < 0 ? -(u64)n : (u64)n, d < 0 ? -(u64)d : (u64)d, &remainder);
  if (rest != NULL) *rest = (i64)(n < 0 ? -remainder : remainder);
  return (i64)((n < 0) != (d < 0) ? -quotient : quotient);
}

u64 __udivdi3(u64 n, u64 d) { return __udivmoddi4(n, d, NULL); }
i64 __divdi3(i64 n, i64 d) { return __divmoddi4(n, d, NULL); }
u64 __umoddi3(u64 n, u64 d) {
  u64 rest;
  __udivmoddi4(n, d, &rest);
  return rest;
}
i64 __moddi3(i64 n, i64 d) {
  i64 rest;
  __divmoddi4(n, d, &rest);
  return rest;
}
