/**
 * Switches that change what a boot costs: each boots again with one thing different, and says what the kernel does then.
 * The sentences were held against NetBSD's traces (e2e/netbsd.spec.ts boots with each of them).
 */
import { SETTINGS, VIRTIO_SLOTS, virtioSlotsTaken } from '../settings/settings.ts'
import type { BootForm } from './boot-form-store.ts'
import type { DiskSource } from './guest-choice.ts'

/** 1970. */
const RTC_UNSET = 0

export interface Lesson {
  readonly id: string
  /** Reads behind "Boot again with". */
  readonly name: string
  /** Two sentences: what the kernel does because of it. */
  readonly about: string
  /** Undefined where it would change nothing. */
  apply(form: BootForm): Partial<BootForm> | undefined
}

const MORE_MEMORY = 4
const MORE_DISKS = 3
const BLANK = new Blob([new Uint8Array(1024 * 1024)])
const blankDisk = (index: number): DiskSource => ({
  kind: 'image',
  source: { kind: 'blob', name: `blank-${index}.img`, blob: BLANK },
  readOnly: false,
})

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
      'NetBSD’s -z prints next to nothing and -v prints every device’s every attachment. Each byte is a port write with reads of the line status around it, and each of those leaves the CPU.',
    apply: ({ cmdline }) => {
      const words = cmdline.split(/\s+/).filter((word) => word !== '' && word !== '-z' && word !== '-q')
      const next = words.includes('-v') ? words.join(' ') : [...words, '-v'].join(' ')
      return next === cmdline ? undefined : { cmdline: next }
    },
  },
  {
    id: 'no-apic',
    name: 'i8254 and i8259 alone',
    about:
      'CPUID offers no APIC and there is no MP table, so interrupts come through the two i8259s and the clock ticks from the i8254. Each short wait of a driver then reads the i8254’s count by port instead of the local APIC timer’s from memory.',
    apply: ({ cpu }) => (cpu['apic'] === false ? undefined : { cpu: { ...cpu, apic: false } }),
  },
  {
    id: 'rtc-unset',
    name: 'an RTC that was never set',
    about:
      'The RTC says 1970, which NetBSD calls preposterous. It takes the time of the root file system instead, and the warnings about it are all that this costs.',
    apply: ({ epoch }) => (epoch === RTC_UNSET ? undefined : { epoch: RTC_UNSET }),
  },
  {
    id: 'firecracker',
    name: 'Firecracker’s board',
    about:
      'Firecracker’s virtio queues hold 256 entries where QEMU’s hold 1,024, so the kernel allocates and clears less for each device. There is no RTC: the kernel reads zeros where it would be, and takes the time of the root file system.',
    apply: ({ profile }) => (profile === 'firecracker' ? undefined : { profile: 'firecracker' }),
  },
  {
    id: 'more-devices',
    name: 'three more disks',
    about:
      'Each empty disk is one more virtio transport to find, to agree on features with and to attach. Most of what it costs is memory: its queue is allocated, mapped and cleared before the first request.',
    apply: (form) =>
      virtioSlotsTaken(form, form.disks.length + MORE_DISKS) > VIRTIO_SLOTS
        ? undefined
        : { disks: [...form.disks, ...Array.from({ length: MORE_DISKS }, (_, index) => blankDisk(index))] },
  },
  {
    id: 'fewer-devices',
    name: 'no device but its disks',
    about:
      'The command line names no network interface, no entropy device and no virtio console. The kernel has fewer transports to probe, and allocates no queues and buffers for them.',
    apply: ({ rng, net, virtioConsole }) =>
      rng || net !== 'none' || virtioConsole ? { rng: false, net: 'none', virtioConsole: false } : undefined,
  },
  {
    id: 'memory',
    name: 'four times the memory',
    about:
      'The kernel keeps a vm_page for every page of RAM and sets each up while it boots. Four times the memory is four times that work, before the first device is looked for.',
    apply: ({ memoryMiB }) =>
      memoryMiB * MORE_MEMORY > SETTINGS.memoryMiB.max ? undefined : { memoryMiB: memoryMiB * MORE_MEMORY },
  },
]
