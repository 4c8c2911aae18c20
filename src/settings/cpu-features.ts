/**
 * CPU features that a person may switch, by their SDM or NetBSD names in lower case. What each is in CPUID, whether it is on
 * unasked and what it needs beside it is the machine's (cpu-model.ts).
 */
export const CPU_FEATURES = [
  '1gb-pages',
  'apic',
  'arch-capabilities',
  'cx16',
  'erms',
  'fsgsbase',
  'hypervisor',
  'invariant-tsc',
  'invpcid',
  'mtrr',
  'mwait',
  'nx',
  'pcid',
  'popcnt',
  'rdrand',
  'rdseed',
  'rdtscp',
  'smap',
  'smep',
  'sse3',
  'sse4.1',
  'sse4.2',
  'ssse3',
  'tsc-adjust',
  'tsc-deadline',
  'tsc-leaf',
  'umip',
  'vendor-intel',
  'xsave',
  'xsaveopt',
] as const
export type CpuFeature = (typeof CPU_FEATURES)[number]
