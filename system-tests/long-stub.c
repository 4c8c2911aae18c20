#include "long.h"
#define S(n) __attribute__((weak)) void n(void) {}
S(fpu_tests) S(interrupt_tests)
