/**
 * Every setting of a machine, once. Types, defaults, limits, the command line's options and its help, the address's
 * parameters, what a program, a kept guest or a trace may say, and the form's fields come from these rows.
 *
 * Files (kernel, initrd, disks) are not settings: how a host finds them differs for good reasons.
 */
import { CPU_FEATURES } from './cpu-features.ts'
import { choice, onOff, switches, text, type ValueOf, whole } from './setting.ts'

export const SETTINGS = {
  profile: choice({
    default: 'microvm',
    choices: { microvm: 'microvm (QEMU)', firecracker: 'firecracker' },
    flag: 'profile',
    param: 'profile',
    label: 'Profile',
    about: 'the board',
  }),
  memoryMiB: whole({
    default: 256,
    unit: 'MiB',
    // Where NetBSD finds room to start; above 3 GiB the 32-bit hole of memory-mapped devices begins.
    min: 32,
    max: 3072,
    steps: [32, 64, 128, 256, 512, 1024, 2048, 3072],
    flag: 'memory',
    param: 'memory',
    label: 'Memory',
    about: 'RAM',
  }),
  cmdline: text({
    default: 'console=com root=ld0a -z',
    flag: 'cmdline',
    param: 'cmdline',
    label: 'Command line',
    about: "the kernel's command line",
  }),
  net: choice({
    default: 'none',
    choices: { user: 'user networking', none: 'none' },
    flag: 'net',
    param: 'net',
    about: 'a virtio-net card with user networking',
    plugsVirtio: true,
  }),
  rng: onOff({
    default: true,
    flag: 'rng',
    param: 'rng',
    about: 'a virtio entropy device',
    plugsVirtio: true,
  }),
  virtioConsole: onOff({
    default: true,
    flag: 'virtio-console',
    param: 'virtio-console',
    about: 'a virtio console beside the serial port',
    plugsVirtio: true,
  }),
  /** Of the terminal, in characters; a virtio console tells its guest. In the page it is the terminal's own. */
  columns: whole({
    default: 80,
    unit: 'columns',
    min: 1,
    max: 0xffff,
    flag: 'columns',
    about: "the terminal's width, which a virtio console tells",
  }),
  rows: whole({
    default: 25,
    unit: 'rows',
    min: 1,
    max: 0xffff,
    flag: 'rows',
    about: 'its height',
  }),
  clock: choice({
    default: 'wall',
    choices: { wall: 'Real time', icount: 'Instruction count, repeatable' },
    flag: 'clock',
    param: 'clock',
    label: 'Clock',
    about: 'icount counts instructions, so that runs repeat exactly; wall follows real time',
  }),
  /** What the RTC says at power-on under icount, in seconds since 1970 UTC: 2026-01-01 00:00:00. */
  epoch: whole({
    default: 1_767_225_600,
    unit: 'seconds',
    min: 0,
    // The end of 9999, as far as the RTC's four digits go.
    max: 253_402_300_799,
    flag: 'epoch',
    param: 'epoch',
    about: "the RTC's time at power-on under icount, since 1970 UTC",
  }),
  /** Of RDRAND, RDSEED and virtio-rng under icount. */
  seed: whole({
    default: 1,
    unit: '',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    flag: 'seed',
    param: 'seed',
    about: 'what is random under icount follows from it',
  }),
  engine: choice({
    default: 'auto',
    choices: { interp: 'interpreter', auto: 'interpreter and translator' },
    flag: 'engine',
    param: 'engine',
    about: 'interpret only, or translate hot code too',
  }),
  cpu: switches({
    default: {},
    names: CPU_FEATURES,
    flag: 'cpu',
    param: 'cpu',
    about: 'CPU features, separated by commas',
  }),
  /** Call events are recorded. On the command line `--trace FILE` says it, with the file. */
  trace: onOff({
    default: true,
    words: ['Functions and stages', 'Stages only, as the console tells them'],
    param: 'trace',
    label: 'Timeline',
    about: 'call events are recorded; without them the timeline has the stages that the console tells',
  }),
}

export type SettingName = keyof typeof SETTINGS
/** How a machine is set. */
export type MachineSettings = { readonly [K in SettingName]: ValueOf<(typeof SETTINGS)[K]> }

export type ProfileName = MachineSettings['profile']
export type ClockName = MachineSettings['clock']
export type CpuSwitches = MachineSettings['cpu']
/** Of a terminal, in characters. */
export type TerminalSize = Pick<MachineSettings, 'columns' | 'rows'>

export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[]

export const DEFAULTS = Object.fromEntries(
  SETTING_NAMES.map((name) => [name, SETTINGS[name].default]),
) as unknown as MachineSettings

/** The settings in a record that has more beside them; those that it leaves open are left out. */
export const settingsOf = <S extends Partial<MachineSettings>>(record: S): Pick<S, SettingName & keyof S> =>
  Object.fromEntries(
    SETTING_NAMES.flatMap((name) => (record[name] === undefined ? [] : [[name, record[name]]])),
  ) as Pick<S, SettingName & keyof S>

/** Largest guest RAM, in bytes. */
export const RAM_MAX = SETTINGS.memoryMiB.max * 1024 * 1024

export const memoryBytes = ({ memoryMiB = SETTINGS.memoryMiB.default }: Partial<MachineSettings>): number =>
  memoryMiB * 1024 * 1024

/** "microvm, 1 cpu, 256 MiB": the machine in a line. What nobody said is left out. */
export const boardWords = ({ profile, memoryMiB }: { readonly [K in SettingName]?: unknown }): string =>
  [profile, '1 cpu', memoryMiB === undefined ? undefined : `${memoryMiB} ${SETTINGS.memoryMiB.unit}`]
    .filter((part) => part !== undefined)
    .join(', ')

/** Both boards have so many virtio-mmio transports. */
export const VIRTIO_SLOTS = 8
/** Transports that a machine with so many disks takes. What is not set is as by default. */
export const virtioSlotsTaken = (settings: Partial<MachineSettings>, disks: number): number => {
  const all = { ...DEFAULTS, ...settings }
  return disks + SETTING_NAMES.filter((name) => SETTINGS[name].plugsVirtio && all[name] && all[name] !== 'none').length
}
