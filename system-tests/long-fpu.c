/* FXSAVE's layouts and XSAVE's components: SDM 1 10.5.1 (tables 10-2, 10-3), 13.4-13.11. Instruction pointers are not looked at. */
#include "long.h"

#define LOAD "fninit\n fld1\n fldpi\n fldz\n pcmpeqd %xmm0, %xmm0\n movdqa %xmm0, %xmm7\n psrldq $5, %xmm7\n"
SNIPPET(fxsave_long, LOAD "pcmpeqd %xmm15, %xmm15\n fxsave (%rdi)")
SNIPPET(fxsave_64, LOAD "pcmpeqd %xmm15, %xmm15\n fxsave64 (%rdi)")
SNIPPET(fxsave_compat, ".code32\n" LOAD "fxsave (%edi)")
SNIPPET(fxrstor_long, "fxrstor (%rdi)\n pxor %xmm0, %xmm0\n fxsave (%rsi)")
SNIPPET(mmx_state, "fninit\n fld1\n movq %rdi, %mm3\n fxsave (%rdi)\n emms")
SNIPPET(xsave_it, LOAD "pcmpeqd %xmm15, %xmm15\n movl %ecx, %eax\n movl $-1, %edx\n xsave (%rdi)")
SNIPPET(xrstor_it, LOAD "movl %ecx, %eax\n xorl %edx, %edx\n xrstor (%rdi)\n fxsave (%rsi)")
SNIPPET(fnsave_it, LOAD "fnsave (%rdi)\n fxsave (%rsi)")
SNIPPET(reset_it, "fninit\n pxor %xmm0, %xmm0\n pxor %xmm7, %xmm7\n pxor %xmm15, %xmm15")

static u8 area[1024] __attribute__((aligned(64))), other[1024] __attribute__((aligned(64)));

static u32 sum(const u8 *p, u32 n) {
  u32 h = 5381;
  while (n--) h = h * 33 + *p++;
  return h;
}
/* The ten bytes of each register: the six after them are reserved. */
static u32 sum_st(const u8 *p) {
  u32 h = 0;
  for (u32 i = 0; i < 8; i++) h = h * 31 + sum(p + i * 16, 10);
  return h;
}
static void show(const char *name, const u8 *p) {
  print("%s v%x fcw %x fsw %x ftw %x mxcsr %x mask %x st %x xmm0 %x xmm7 %x xmm8 %x xmm15 %x rest %x\n", name, (u32)trap.vector,
        *(u16 *)p, *(u16 *)(p + 2), *(u16 *)(p + 4), *(u32 *)(p + 24), *(u32 *)(p + 28), sum_st(p + 32), *(u32 *)(p + 160),
        *(u32 *)(p + 160 + 112 + 8), *(u32 *)(p + 160 + 128), *(u32 *)(p + 160 + 240), sum(p + 416, 96));
}
static struct context with(struct context c, u64 rdi, u64 rsi, u64 rcx) {
  c.r[RDI] = rdi, c.r[RSI] = rsi, c.r[RCX] = rcx;
  return c;
}

void fpu_tests(void) {
  static const struct { const char *name; const char *code; u32 compat; } saves[] = {
      {"fxsave", fxsave_long, 0}, {"fxsave64", fxsave_64, 0}, {"fxsave.compat", fxsave_compat, 1}};
  struct context c;
  for (u32 i = 0; i < ARRAY(saves); i++) {
    c = kernel(reset_it);
    run(&c);
    fill(area, 0x5a, sizeof area);
    c = with(saves[i].compat ? kernel32(saves[i].code) : kernel(saves[i].code), (u64)area, 0, 0);
    run(&c);
    show(saves[i].name, area);
  }
  /* Back, with other contents. */
  fill(area, 0, sizeof area);
  for (u32 i = 0; i < 8; i++) area[32 + i * 16] = (u8)(i + 1), area[32 + i * 16 + 7] = 0x80, area[32 + i * 16 + 9] = 0x40;
  *(u16 *)area = 0x27f, *(u16 *)(area + 2) = 0x3a00, area[4] = 0xa5, *(u32 *)(area + 24) = 0x1fa0;
  area[160 + 240] = 0x77;
  fill(other, 0x5a, sizeof other);
  c = with(kernel(fxrstor_long), (u64)area, (u64)other, 0);
  run(&c);
  show("fxrstor", other);
  fill(area, 0x5a, sizeof area);
  c = with(kernel(fnsave_it), (u64)area, (u64)other, 0);
  run(&c);
  print("fnsave fcw %x fsw %x ftw %x st %x\n", *(u32 *)area & 0xffff, *(u32 *)(area + 4) & 0xffff, *(u32 *)(area + 8) & 0xffff, sum(area + 28, 80));
  show("fnsave.after", other);
  lcr4(rcr4() | CR4_OSXSAVE);
  __asm__ volatile("xsetbv" ::"a"(3), "d"(0), "c"(0));
  for (u32 mask = 0; mask < 4; mask++) {
    c = kernel(reset_it);
    run(&c);
    fill(area, 0x5a, sizeof area);
    fill(area + 512, 0, 64);
    c = with(kernel(xsave_it), (u64)area, 0, mask);
    run(&c);
    print("xsave.%d bv %llx ", mask, *(u64 *)(area + 512));
    show("is", area);
    fill(other, 0x5a, sizeof other);
    fill(area, 0, 512);
    *(u16 *)area = 0x37f, area[4] = 1, area[32] = 0x99, area[41] = 0x40, *(u32 *)(area + 24) = 0x1fa0, area[160] = 0x33;
    for (u32 bv = 0; bv < 4; bv++) {
      *(u64 *)(area + 512) = bv;
      c = with(kernel(xrstor_it), (u64)area, (u64)other, mask);
      run(&c);
      print("xrstor.%d.bv.%d ", mask, bv);
      show("is", other);
    }
  }
  c = with(kernel(mmx_state), (u64)area, 0, 0);
  run(&c);
  print("mmx fsw %x ftw %x st3 %x %x\n", *(u16 *)(area + 2), area[4], *(u32 *)(area + 32 + 48) == (u32)(u64)area, *(u16 *)(area + 32 + 48 + 8));
  __asm__ volatile("ldmxcsr %0" ::"m"((u32){0x1f80}));
  lcr4(rcr4() & ~(u64)CR4_OSXSAVE);
}
