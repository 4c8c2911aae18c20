#include "long.h"
#define S(n) __attribute__((weak)) void n(void) {}
S(segment_tests) S(event_tests) S(return_tests) S(syscall_tests) S(debug_tests) S(register_tests) S(instruction_tests) S(fpu_tests) S(interrupt_tests)
