/*
 * `bench`: hot loops of 50 to 100 million instructions, each in a shape of its own. The argument multiplies
 * the iterations. They run with interrupts on and nothing to interrupt them.
 */
#include "bench.h"
#include "x86.h"

static u64 next_random(u64 *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static NOINLINE u64 bench_alu(u64 iterations) {
  u64 a = 1, b = 0x9e3779b97f4a7c15;
  for (u64 i = 0; i < iterations; i++) {
    a = a * 6364136223846793005 + i;
    b ^= a >> 29;
    b = b << 13 | b >> 51;
    a += b;
    if (b & 16) a ^= i << 3;
  }
  return a ^ b;
}

static NOINLINE u64 bench_memory(u64 iterations) {
  enum { WORDS = 4 * MiB / 8 };
  u64 *words = pages_alloc(WORDS * 8, PAGE);
  for (u64 pass = 0; pass < iterations; pass++)
    for (u64 i = 0; i < WORDS; i++) words[i] += i ^ pass;
  u64 check = 0;
  for (u64 i = 0; i < WORDS; i += 61) check = check * 31 + words[i];
  return check;
}

static NOINLINE u64 bench_chase(u64 iterations) {
  enum { CELLS = 1 * MiB / 8 };
  void **cells = pages_alloc(CELLS * 8, PAGE);
  u32 *order = pages_alloc(CELLS * 4, PAGE);
  u64 state = 88172645463325252;
  for (u32 i = 0; i < CELLS; i++) order[i] = i;
  for (u32 i = CELLS - 1; i > 0; i--) { /* Sattolo: one cycle through all cells */
    u32 j = (u32)(next_random(&state) % i), t = order[i];
    order[i] = order[j];
    order[j] = t;
  }
  for (u32 i = 0; i < CELLS; i++) cells[i] = &cells[order[i]];
  void **p = cells;
  for (u64 i = 0; i < iterations; i++) p = *p;
  return (u64)(p - cells);
}

static NOINLINE u64 bench_sieve(u64 iterations) {
  enum { SIZE = 1 * MiB };
  u8 *composite = pages_alloc(SIZE, PAGE);
  u64 primes = 0;
  for (u64 pass = 0; pass < iterations; pass++) {
    memset(composite, 0, SIZE);
    primes = 0;
    for (u32 i = 2; i < SIZE; i++) {
      if (composite[i]) continue;
      primes++;
      for (u64 j = (u64)i * i; j < SIZE; j += i) composite[j] = 1;
    }
  }
  return primes;
}

enum { OP_PUSH, OP_LOAD, OP_STORE, OP_ADD, OP_MUL, OP_XOR, OP_JUMP_IF_LESS, OP_HALT };

static NOINLINE u64 bench_interpreter(u64 iterations) {
  /* v1 = v1 * 1103515245 + v0 ^ 12345; v0++; while v0 < iterations */
  static const u32 program[] = {
      OP_LOAD, 1, OP_PUSH, 1103515245, OP_MUL, OP_LOAD, 0, OP_ADD, OP_PUSH, 12345, OP_XOR, OP_STORE, 1,
      OP_LOAD, 0, OP_PUSH, 1, OP_ADD, OP_STORE, 0, OP_LOAD, 0, OP_LOAD, 2, OP_JUMP_IF_LESS, 0, OP_HALT};
  u64 variables[3] = {0, 1, iterations}, stack[8], *sp = stack;
  const volatile u32 *pc = program;
  for (;;) switch (*pc++) {
      case OP_PUSH: *sp++ = *pc++; break;
      case OP_LOAD: *sp++ = variables[*pc++]; break;
      case OP_STORE: variables[*pc++] = *--sp; break;
      case OP_ADD: sp--; sp[-1] += sp[0]; break;
      case OP_MUL: sp--; sp[-1] *= sp[0]; break;
      case OP_XOR: sp--; sp[-1] ^= sp[0]; break;
      case OP_JUMP_IF_LESS: {
        u32 target = *pc++;
        sp -= 2;
        if (sp[0] < sp[1]) pc = program + target;
        break;
      }
      default: return variables[1];
    }
}

__attribute__((noipa)) u64 fib(u64 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

static NOINLINE u64 bench_fib(u64 iterations) {
  u64 check = 0;
  for (u64 i = 0; i < iterations; i++) check = check * 3 + fib(20);
  return check;
}

/* 64 small functions, each on a page of its own: lea k(%rdi,%rdi,2),%rax; xor %rsi,%rax; ret. */
static NOINLINE u64 bench_indirect(u64 iterations) {
  enum { FUNCTIONS = 64 };
  u64 (*functions[FUNCTIONS])(u64, u64);
  u8 *pages = pages_alloc(FUNCTIONS * PAGE, PAGE);
  u64 va = TEST_VA + 0x1000000;
  for (u64 i = 0; i < FUNCTIONS; i++) {
    u8 *code = pages + i * PAGE + i * 48;
    const u8 bytes[] = {0x48, 0x8d, 0x84, 0x7f, (u8)(i * 5 + 1), (u8)i, 0, 0, 0x48, 0x31, 0xf0, 0xc3};
    memcpy(code, bytes, sizeof bytes);
    map_page(va + i * PAGE, vtophys(pages) + i * PAGE, 0);
    functions[i] = (u64(*)(u64, u64))(va + i * PAGE + i * 48);
  }
  u64 value = 1;
  for (u64 i = 0; i < iterations; i++) value = functions[(i * 29 + (value >> 60)) % FUNCTIONS](value, i);
  for (u64 i = 0; i < FUNCTIONS; i++) unmap_page(va + i * PAGE);
  return value;
}

/* 1 MiB filled, then 1 MiB moved, each time; apart by an odd number of pages, lest both fall on one entry of a TLB. */
static NOINLINE u64 bench_copy(u64 iterations) {
  u8 *a = pages_alloc(2 * MiB + 37 * PAGE, PAGE), *b = a + MiB + 37 * PAGE;
  u64 check = 0;
  for (u64 i = 0; i < iterations; i++) {
    memset(a, (int)i, MiB);
    a[i * 4099 % MiB] ^= 0x55;
    memcpy(b, a, MiB);
    check = check * 31 + b[i * 4099 % MiB] + b[MiB - 1];
  }
  return check;
}

/* Fresh copies of 2048 different functions, each called once: nothing is ever hot. */
static NOINLINE u64 bench_cold(u64 iterations) {
  enum { COPIES = 64 };
  u64 size = (u64)(bench_cold_block_end - (u8 *)bench_cold_block);
  u64 stride = (size + PAGE - 1) & ~(PAGE - 1);
  u8 *copies = pages_alloc(COPIES * stride, PAGE);
  u64 va = TEST_VA + 0x4000000, value = 1;
  for (u64 p = 0; p < COPIES * stride; p += PAGE) map_page(va + p, vtophys(copies) + p, 0);
  for (u64 i = 0; i < iterations; i++) {
    u64 offset = i % COPIES * stride;
    memcpy(copies + offset, (const void *)bench_cold_block, size);
    value = ((u64(*)(u64))(va + offset))(value);
  }
  for (u64 p = 0; p < COPIES * stride; p += PAGE) unmap_page(va + p);
  return value;
}

static const struct {
  const char *name;
  u64 (*run)(u64);
  u64 iterations;
} benches[] = {
    {"alu", bench_alu, 6000000},
    {"memory", bench_memory, 24},
    {"chase", bench_chase, 20000000},
    {"sieve", bench_sieve, 6},
    {"interpreter", bench_interpreter, 700000},
    {"fib", bench_fib, 300},
    {"indirect", bench_indirect, 5000000},
    {"sse2", bench_sse2, 4000000},
    {"copy", bench_copy, 256},
    {"cold", bench_cold, 64},
};

NOINLINE void bench_run(const char *name, u64 scale) {
  bool known = false;
  for (u32 i = 0; i < COUNT_OF(benches); i++) {
    if (name && strcmp(name, benches[i].name)) continue;
    known = true;
    u64 mark = pages_mark();
    u64 iterations = benches[i].iterations * scale, start = rdtsc();
    u64 check = benches[i].run(iterations);
    u64 ticks = rdtsc() - start;
    printf("bench %s iterations %lu tsc %lu check %016lx\n", benches[i].name, iterations, ticks, check);
    pages_release(mark);
    if (console_interrupted()) return;
  }
  if (!known) {
    printf("bench: there is no \"%s\"; there are:", name);
    for (u32 i = 0; i < COUNT_OF(benches); i++) printf(" %s", benches[i].name);
    printf("\n");
  }
}
