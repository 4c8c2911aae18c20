/*
 * Memory: the kernel's page tables, a bump allocator of contiguous pages, and mapping by hand for tests.
 * Spec: SDM 3A chapter 4 (4-level paging).
 *
 *   ffff800000000000  all 4 GiB of physical addresses in 2 MiB pages, the top GiB (devices) uncached
 *   ffffc00000000000  TEST_VA: self-tests and benchmarks map what they need here
 *   ffffffff80100000  the image: text R-X, rodata R--, data RW-
 *   0000000000400000  the ring 3 program of the self-tests
 */
#include "x86.h"

extern u8 __text_start[], __rodata_start[], __data_start[], __kernel_end[];
u64 pvh_modules_overlap(u64 start, u64 end);
u64 pvh_module_end(u64 paddr);

static u64 kernel_pml4[512] ALIGNED(4096);
static u64 direct_pdpt[512] ALIGNED(4096);
static u64 direct_pd[4][512] ALIGNED(4096);
static u64 image_pdpt[512] ALIGNED(4096);
static u64 image_pd[512] ALIGNED(4096);
static u64 image_pt[512] ALIGNED(4096);

u64 pte_nx;
static u64 pool_start, pool_next, pool_end;

u64 vtophys(const void *va) {
  u64 v = (u64)va;
  return v >= KERNBASE ? v - KERNBASE : v - DIRECT_MAP;
}

static void map_image(u8 *start, u8 *end, u64 flags) {
  for (u64 p = vtophys(start); p < vtophys(end); p += PAGE) image_pt[p / PAGE] = p | flags | PTE_P;
}

NOINLINE void paging_init(void) {
  if (rdmsr(MSR_EFER) & EFER_NXE) pte_nx = 1UL << 63;
  u64 global = cpu_features_edx >> CPUID_PGE_BIT & 1 ? PTE_G : 0;
  for (u64 i = 0; i < 4 * 512; i++)
    direct_pd[i / 512][i % 512] = i * LARGE_PAGE | PTE_P | PTE_W | PTE_PS | global | pte_nx | (i >= 3 * 512 ? PTE_PCD : 0);
  for (u64 i = 0; i < 4; i++) direct_pdpt[i] = vtophys(direct_pd[i]) | PTE_P | PTE_W;
  map_image(__text_start, __rodata_start, global);
  map_image(__rodata_start, __data_start, global | pte_nx);
  map_image(__data_start, __kernel_end, PTE_W | global | pte_nx);
  image_pd[0] = vtophys(image_pt) | PTE_P | PTE_W;
  image_pdpt[510] = vtophys(image_pd) | PTE_P | PTE_W;
  kernel_pml4[256] = vtophys(direct_pdpt) | PTE_P | PTE_W;
  kernel_pml4[511] = vtophys(image_pdpt) | PTE_P | PTE_W;
  lcr3(vtophys(kernel_pml4));
  if (global) lcr4(rcr4() | CR4_PGE);
}

/* The pool is the largest RAM range above 1 MiB, less the image and less modules. */
NOINLINE void memory_init(void) {
  for (u32 i = 0; i < memmap_entries; i++) {
    if (memmap[i].type != 1 || memmap[i].addr >= 4096 * MiB) continue;
    u64 start = MAX(memmap[i].addr, vtophys(__kernel_end)), end = MIN(memmap[i].addr + memmap[i].size, 4096 * MiB);
    u64 module;
    while (start < end && (module = pvh_modules_overlap(start, end))) {
      if (module > start + (end - start) / 2) end = module;
      else start = pvh_module_end(module);
    }
    start = (start + PAGE - 1) & ~(PAGE - 1);
    end &= ~(PAGE - 1);
    if (start < end && end - start > pool_end - pool_start) {
      pool_start = pool_next = start;
      pool_end = end;
    }
  }
  if (pool_end - pool_start < 8 * MiB) panic("only %lu KiB of memory above the image", (pool_end - pool_start) / KiB);
}

u64 memory_free(void) { return pool_end - pool_next; }

u64 memory_total(void) {
  u64 total = 0;
  for (u32 i = 0; i < memmap_entries; i++)
    if (memmap[i].type == 1) total += memmap[i].size;
  return total;
}

void *pages_alloc(u64 size, u64 alignment) {
  u64 start = (pool_next + alignment - 1) & ~(alignment - 1);
  u64 end = start + ((size + PAGE - 1) & ~(PAGE - 1));
  if (end > pool_end) panic("out of memory: %lu KiB wanted, %lu KiB free", size / KiB, memory_free() / KiB);
  pool_next = end;
  return memset(physical(start), 0, end - start);
}

u64 pages_mark(void) { return pool_next; }
void pages_release(u64 mark) { pool_next = mark; }

/* Page tables come from the top of the pool and stay: pages_release gives back only what pages_alloc gave. */
static u64 table_alloc(void) {
  if (pool_end - pool_next < PAGE) panic("out of memory for a page table");
  pool_end -= PAGE;
  memset(physical(pool_end), 0, PAGE);
  return pool_end;
}

/* The entry for va at a level: 1 is the PT, 2 the PD. Tables that are missing are made, open to user mode. */
u64 *page_entry(u64 va, int level) {
  u64 *table = kernel_pml4;
  for (int l = 4; l > level; l--) {
    u64 *entry = &table[va >> (12 + 9 * (l - 1)) & 511];
    if (!(*entry & PTE_P)) *entry = table_alloc() | PTE_P | PTE_W | PTE_U;
    table = physical(*entry & PTE_ADDRESS);
  }
  return &table[va >> (12 + 9 * (level - 1)) & 511];
}

void map_page(u64 va, u64 paddr, u64 flags) {
  *page_entry(va, 1) = paddr | flags | PTE_P;
  invlpg(va);
}

void map_large_page(u64 va, u64 paddr, u64 flags) {
  *page_entry(va, 2) = paddr | flags | PTE_P | PTE_PS;
  invlpg(va);
}

void unmap_page(u64 va) {
  *page_entry(va, 1) = 0;
  invlpg(va);
}
