/* The one file compiled with SSE2: an escape-time iteration in doubles, two lanes, with a divide and a root each step. */
#include "bench.h"

typedef double v2 __attribute__((vector_size(16)));

static double square_root(double x) {
  __asm__("sqrtsd %0, %0" : "+x"(x));
  return x;
}

NOINLINE u64 bench_sse2(u64 iterations) {
  v2 x = {0.25, -0.5}, y = {0.125, 0.375}, c = {-0.4, 0.3};
  double sum = 1;
  for (u64 i = 0; i < iterations; i++) {
    v2 xx = x * x - y * y + c;
    y = (x + x) * y + (v2){0.1, -0.2};
    x = xx;
    sum = square_root(sum + x[0] * x[0] + y[1] * y[1]) + 1.0 / (1.0 + x[1] * x[1]);
  }
  union {
    double d;
    u64 u;
  } bits = {sum + x[0] + y[0]};
  return bits.u;
}
