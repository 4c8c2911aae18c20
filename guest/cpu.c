/*
 * CPUID: who the processor says it is, and the feature words as names.
 * Specs: SDM 2A, CPUID; AMD APM vol. 3 appendix E; VMware KB 1009458 (leaf 0x40000010).
 */
#include "x86.h"

u32 cpu_features_edx, cpu_features_ecx, cpu_extended_edx, cpu_physical_bits = 36;
static u32 max_leaf, max_extended_leaf;
static char vendor[13], brand[49], hypervisor[13];
static u32 signature;

NOINLINE void cpu_identify(void) {
  u32 r[4];
  cpuid(0, 0, r);
  max_leaf = r[0];
  memcpy(vendor, &r[1], 4);
  memcpy(vendor + 4, &r[3], 4);
  memcpy(vendor + 8, &r[2], 4);
  cpuid(1, 0, r);
  signature = r[0];
  cpu_features_ecx = r[2];
  cpu_features_edx = r[3];
  cpuid(0x80000000, 0, r);
  max_extended_leaf = r[0];
  cpuid(0x80000001, 0, r);
  cpu_extended_edx = r[3];
  if (max_extended_leaf >= 0x80000004)
    for (u32 i = 0; i < 3; i++) cpuid(0x80000002 + i, 0, (u32 *)(brand + 16 * i));
  if (max_extended_leaf >= 0x80000008) {
    cpuid(0x80000008, 0, r);
    cpu_physical_bits = r[0] & 255;
  }
  if (cpu_features_ecx >> 31) {
    cpuid(0x40000000, 0, r);
    memcpy(hypervisor, &r[1], 12);
  }
}

NOINLINE void fpu_init(void) {
  lcr4(rcr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
  __asm__ volatile("fninit");
}

u32 cpu_tsc_khz(void) {
  u32 r[4];
  if (cpu_features_ecx >> 31) {
    cpuid(0x40000000, 0, r);
    if (r[0] >= 0x40000010 && r[0] < 0x40010000) {
      cpuid(0x40000010, 0, r);
      if (r[0]) return r[0];
    }
  }
  if (max_leaf >= 0x15 && !strcmp(vendor, "GenuineIntel")) {
    cpuid(0x15, 0, r);
    if (r[0] && r[1] && r[2]) return (u32)((u64)r[2] * r[1] / r[0] / 1000);
  }
  return 0;
}

/* Names by bit, separated by a space; '-' has no name of interest. */
static const char leaf1_edx[] =
    "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 psn clfsh - ds acpi mmx fxsr sse sse2 ss "
    "htt tm - pbe";
static const char leaf1_ecx[] =
    "sse3 pclmulqdq dtes64 monitor ds-cpl vmx smx eist tm2 ssse3 cnxt-id sdbg fma cx16 xtpr pdcm - pcid dca sse4.1 "
    "sse4.2 x2apic movbe popcnt tsc-deadline aes xsave osxsave avx f16c rdrand hypervisor";
static const char leaf7_ebx[] =
    "fsgsbase tsc-adjust sgx bmi1 hle avx2 fdp-excptn smep bmi2 erms invpcid rtm pqm zero-fcs mpx pqe avx512f avx512dq "
    "rdseed adx smap avx512-ifma - clflushopt clwb pt avx512pf avx512er avx512cd sha avx512bw avx512vl";
static const char leaf7_ecx[] =
    "prefetchwt1 avx512-vbmi umip pku ospke waitpkg avx512-vbmi2 cet-ss gfni vaes vpclmulqdq avx512-vnni avx512-bitalg "
    "tme avx512-vpopcntdq - la57 - - - - - rdpid kl bus-lock cldemote - movdiri movdir64b enqcmd sgx-lc pks";
static const char extended_edx[] =
    "- - - - - - - - - - - syscall - - - - - - - - nx - mmxext - - ffxsr pdpe1gb rdtscp - lm 3dnowext 3dnow";
static const char extended_ecx[] =
    "lahf cmp-legacy svm extapic cr8-legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp fma4 tce - "
    "nodeid - tbm topoext perfctr-core perfctr-nb - - - - monitorx addr-mask-ext -";

static void print_bits(const char *label, u32 bits, const char *names) {
  char line[400];
  int n = snprintf(line, sizeof line, "  %-14s %08x", label, bits);
  for (u32 bit = 0; bit < 32 && *names; bit++) {
    const char *end = names;
    while (*end && *end != ' ') end++;
    if (bits >> bit & 1 && *names != '-') {
      line[n++] = ' ';
      for (const char *p = names; p < end; p++) line[n++] = *p;
    }
    names = *end ? end + 1 : end;
  }
  line[n] = 0;
  printf("%s\n", line);
}

NOINLINE void cpu_print(void) {
  u32 r[4];
  const char *name = brand;
  while (*name == ' ') name++;
  u32 family = signature >> 8 & 15, model = signature >> 4 & 15;
  if (family == 6 || family == 15) model |= signature >> 12 & 0xf0;
  if (family == 15) family += signature >> 20 & 255;
  printf("cpu: %s \"%s\" family %u model %u stepping %u, %u physical bits%s%s\n", vendor, name, family, model,
         signature & 15, cpu_physical_bits, hypervisor[0] ? ", hypervisor " : "", hypervisor);
  printf("  leaves to 0x%x and 0x%x\n", max_leaf, max_extended_leaf);
  print_bits("1.edx", cpu_features_edx, leaf1_edx);
  print_bits("1.ecx", cpu_features_ecx, leaf1_ecx);
  if (max_leaf >= 7) {
    cpuid(7, 0, r);
    print_bits("7.ebx", r[1], leaf7_ebx);
    print_bits("7.ecx", r[2], leaf7_ecx);
  }
  cpuid(0x80000001, 0, r);
  print_bits("80000001.edx", r[3], extended_edx);
  print_bits("80000001.ecx", r[2], extended_ecx);
}
