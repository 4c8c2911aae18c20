/** Switches that change what a boot costs: each boots again with one thing different, and says what the kernel does then. */
import type { BootForm } from './boot-form-store.ts'

export interface Lesson {
  readonly id: string
  /** Reads behind "Boot again with". */
  readonly name: string
  /** Two sentences: what the kernel does because of it. */
  readonly about: string
  /** Undefined where it would change nothing. */
  apply(form: BootForm): Partial<BootForm> | undefined
}

const MEMORY_MAX = 1024

export const LESSONS: readonly Lesson[] = [
  {
    id: 'tsc-leaf',
    name: 'no TSC frequency leaf',
    about:
      'CPUID leaf 0x15 tells the kernel how fast its time-stamp counter runs. Without it the kernel counts the TSC against the i8254 timer, and waits while it does.',
    apply: ({ cpu }) => (cpu['tsc-leaf'] === false ? undefined : { cpu: { ...cpu, 'tsc-leaf': false } }),
  },
  {
    id: 'verbose',
    name: 'a verbose console',
    about:
      'NetBSD’s -z prints next to nothing and -v prints every device’s every attachment. Each byte is a port write that leaves the CPU for the serial port and waits for it.',
    apply: ({ cmdline }) => {
      const words = cmdline.split(/\s+/).filter((word) => word !== '' && word !== '-z' && word !== '-q')
      const next = words.includes('-v') ? words.join(' ') : [...words, '-v'].join(' ')
      return next === cmdline ? undefined : { cmdline: next }
    },
  },
  {
    id: 'firecracker',
    name: 'Firecracker’s board',
    about:
      'The kernel finds its virtio devices at Firecracker’s addresses, and no RTC or i8254 where they used to be. What it would have read from them it does without, or waits for in vain.',
    apply: ({ profile }) => (profile === 'firecracker' ? undefined : { profile: 'firecracker' }),
  },
  {
    id: 'fewer-devices',
    name: 'fewer devices',
    about:
      'No network interface and no entropy device are on the board. The kernel then has fewer virtio transports to probe, negotiate with and set up queues for.',
    apply: ({ rng, net }) => (!rng && net === 'none' ? undefined : { rng: false, net: 'none' }),
  },
  {
    id: 'memory',
    name: 'four times the memory',
    about:
      'The kernel keeps a vm_page for every page of RAM and sets each up while it boots. Four times the memory is four times that work, before the first device is looked for.',
    apply: ({ memoryMiB }) =>
      memoryMiB * 4 > MEMORY_MAX * 4 ? undefined : { memoryMiB: Math.min(3072, memoryMiB * 4) },
  },
]
