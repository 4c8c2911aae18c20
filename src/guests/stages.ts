/**
 * The stages of a boot in the kernel's own words, in order. A stage lasts until the next one that was seen begins; one
 * that is never seen is left out. Symbols are those of NetBSD/amd64 and i386 (sys/arch, locore.S and machdep.c; sys/kern).
 */
import type { Stage } from './guest.ts'

const MACHINE_DEPENDENT = 'Machine-dependent start: CPU probe, physical memory, pmap, interrupt tables, console'

export const NETBSD_STAGES: readonly Stage[] = [
  {
    name: 'start_pvh',
    about: '32-bit entry: clears bss, saves the start info, builds the first page tables, on amd64 enters long mode',
    marks: [{ kind: 'entry' }],
  },
  {
    name: 'init_x86_64',
    about: MACHINE_DEPENDENT,
    marks: [{ kind: 'call', symbol: 'init_x86_64' }],
  },
  {
    name: 'init386',
    about: MACHINE_DEPENDENT,
    marks: [{ kind: 'call', symbol: 'init386' }],
  },
  {
    name: 'main',
    about: 'Machine-independent start: memory allocators, lwp0, file system tables, self-tests',
    marks: [
      { kind: 'call', symbol: 'main' },
      { kind: 'console', pattern: '^\\[[ 0-9.]+\\] Copyright \\(c\\)' },
    ],
  },
  {
    name: 'configure',
    about: 'autoconf(9) begins: the root of the device tree is looked for',
    marks: [
      { kind: 'call', symbol: 'configure' },
      { kind: 'call', symbol: 'cpu_configure' },
      { kind: 'console', pattern: 'mainbus0 \\(root\\)' },
    ],
  },
  {
    name: 'mainbus0',
    about: 'CPUs, IOAPIC and the buses attach',
    marks: [
      { kind: 'call', symbol: 'mainbus_attach' },
      { kind: 'console', pattern: 'cpu0 at mainbus0' },
    ],
  },
  {
    name: 'isa0',
    about: 'Serial port, clock and timers attach',
    marks: [
      { kind: 'call', symbol: 'isaattach' },
      { kind: 'console', pattern: 'isa0 at mainbus0' },
    ],
  },
  {
    name: 'pv0',
    about: 'virtio-mmio devices named on the command line attach',
    marks: [
      { kind: 'call', symbol: 'pv_attach' },
      { kind: 'console', pattern: 'pv0 at mainbus0' },
    ],
  },
  {
    name: 'ubc_init',
    about: 'Autoconf has found its devices: deferred entropy, per-CPU generators, mappings of the file cache',
    marks: [
      { kind: 'call', symbol: 'rnd_init_softint' },
      { kind: 'call', symbol: 'ubc_init' },
    ],
  },
  {
    name: 'initclocks',
    about: 'Timecounters and the periodic interrupt are set up; delays and calibrations take their time here',
    marks: [{ kind: 'call', symbol: 'initclocks' }],
  },
  {
    // Kernels built with link-time or -O2 inlining have no configure2 to be called: it begins with this.
    name: 'configure2',
    about: 'Interrupts are on; secondary CPUs, kernel threads and deferred device work',
    marks: [
      { kind: 'call', symbol: 'configure2' },
      { kind: 'call', symbol: 'cpu_boot_secondary_processors' },
    ],
  },
  {
    name: 'domaininit',
    about: 'Network domains and their protocols',
    marks: [{ kind: 'call', symbol: 'domaininit' }],
  },
  {
    // main() calls it for a few classes before; the first fork is that of process 1, just before it is called for all.
    name: 'module_init_class',
    about:
      'Process 1 is forked and waits; built-in modules start: ciphers with their self-tests, file systems, executables',
    marks: [{ kind: 'call', symbol: 'fork1' }],
  },
  {
    name: 'vfs_mountroot',
    about: 'The root file system is found and mounted',
    marks: [
      { kind: 'call', symbol: 'cpu_rootconf' },
      { kind: 'call', symbol: 'vfs_mountroot' },
      { kind: 'console', pattern: 'root on \\w+' },
    ],
  },
  {
    name: 'start_init',
    about: 'Process 1 looks for init(8) and executes it',
    // Its thread begins with start_init() as soon as somebody sleeps, and waits: main() ends when it lets it go on.
    marks: [
      { kind: 'call', symbol: 'uvm_scheduler' },
      { kind: 'console', pattern: 'root file system type' },
      { kind: 'call', symbol: 'start_init' },
    ],
  },
  {
    name: 'init',
    about: 'The first instruction in user mode',
    marks: [{ kind: 'user' }, { kind: 'console', pattern: '^INIT: ' }],
  },
  {
    name: 'prompt',
    about: 'The shell waits for input',
    marks: [{ kind: 'console', pattern: '# $' }],
  },
]

/** The embedded guest's functions have NetBSD's names where they do NetBSD's work (guest/main.c). */
export const PLAYGROUND_STAGES: readonly Stage[] = [
  { name: 'start_pvh', about: '32-bit entry: clears bss, first page tables, long mode', marks: [{ kind: 'entry' }] },
  {
    name: 'init_x86_64',
    about: 'Console, CPU, descriptor tables, paging, start info, memory',
    marks: [{ kind: 'call', symbol: 'init_x86_64' }],
  },
  {
    name: 'main',
    about: 'Says what it was given',
    marks: [
      { kind: 'call', symbol: 'main' },
      { kind: 'console', pattern: '^NetBSD microVM playground' },
    ],
  },
  {
    name: 'configure',
    about: 'Interrupts, timers and devices are found and calibrated',
    marks: [
      { kind: 'call', symbol: 'configure' },
      { kind: 'console', pattern: '^mptable: ' },
    ],
  },
  {
    name: 'run_selftests',
    about: 'Long mode, strings, paging, exceptions, user mode',
    marks: [
      { kind: 'call', symbol: 'run_selftests' },
      { kind: 'console', pattern: '^selftest ' },
    ],
  },
  {
    name: 'prompt',
    about: 'The prompt waits for input',
    marks: [
      { kind: 'call', symbol: 'prompt' },
      { kind: 'console', pattern: 'playground> $' },
    ],
  },
]
