/* Benchmark loops: each returns a check value that depends on all of its work, and the same on every machine. */
#pragma once
#include "kernel.h"

u64 bench_sse2(u64 iterations);
u64 bench_cold_block(u64 value);
extern u8 bench_cold_block_end[];
