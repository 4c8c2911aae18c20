/** The page's whole model: the stores and the verbs that act on them. React and the automation API are its two users. */

import type { Trace } from '../trace/trace.ts'
import type { EmulatorClient } from '../worker/client.ts'
import type { EmulatorEvent } from '../worker/protocol.ts'
import {
  type BootForm,
  type BootFormStore,
  clampMemory,
  createBootFormStore,
  formFor,
  kindOfDrop,
  requestFrom,
} from './boot-form-store.ts'
import { ConsoleStream } from './console-stream.ts'
import { type FileSource, type GuestChoice, OWN_GUEST_ID, ownGuest } from './guest-choice.ts'
import { GuestFiles } from './guest-files.ts'
import type { Lesson } from './lessons.ts'
import { createMachineStore, fold, isOn, type MachineStore, phaseOf } from './machine-store.ts'
import { createSettingsStore, type SettingsStore } from './settings-store.ts'
import { type Run, TraceDesk } from './trace-store.ts'

export interface Playground {
  readonly guests: readonly GuestChoice[]
  readonly machine: MachineStore
  readonly form: BootFormStore
  readonly settings: SettingsStore
  readonly console: ConsoleStream
  readonly trace: TraceDesk
  readonly files: GuestFiles
  /** Boots what the form says, replacing the machine there is. Without a kernel it does nothing. */
  boot(): void
  /** Boots again with one thing different, and compares when it is over. */
  bootWith(lesson: Lesson): void
  /** Boots what the shown trace says was booted. */
  bootShown(): void
  pause(): void
  resume(): void
  reset(): void
  powerOff(): void
  resizeConsole(columns: number, rows: number): void
  registers(): Promise<Readonly<Record<string, string>>>
  chooseGuest(id: string): void
  chooseKernel(source: FileSource): void
  addDisk(source: FileSource): void
  /** Takes dropped files, each for what it is. */
  drop(files: readonly File[]): Promise<void>
}

export interface PlaygroundParts {
  readonly guests: readonly GuestChoice[]
  /** Makes the worker's client; the events come back here. */
  readonly connect: (onEvent: (event: EmulatorEvent) => void) => EmulatorClient
}

const DIM_LINE = '\r\n\x1b[0m\x1b[2m-- reset --\x1b[0m\r\n'

/** Files are the same when they are one object; everything else by value. */
const settingsOf = (form: BootForm): string => JSON.stringify({ ...form, kernel: 0, initrd: 0, disks: 0 })
const isSameForm = (a: BootForm, b: BootForm): boolean =>
  a.kernel === b.kernel && a.initrd === b.initrd && a.disks === b.disks && settingsOf(a) === settingsOf(b)

/** A trace says what was booted and how; files are the guest's own. */
const formOfTrace = ({ meta }: Trace, guests: readonly GuestChoice[]): BootForm => {
  const guest = guests.find(({ id }) => id === meta.guest) ?? ownGuest
  const base = formFor(guest)
  return {
    ...base,
    ...(meta.profile === 'microvm' || meta.profile === 'firecracker' ? { profile: meta.profile } : {}),
    ...(meta.clock === 'icount' || meta.clock === 'wall' ? { clock: meta.clock } : {}),
    ...(meta.memoryMiB !== undefined && { memoryMiB: clampMemory(meta.memoryMiB) }),
    ...(meta.cpu && { cpu: meta.cpu }),
    // What the board added, it adds again.
    ...(meta.cmdline !== undefined && { cmdline: meta.cmdline.replace(/\s*virtio_mmio\.device=\S+/g, '').trim() }),
    trace: true,
  }
}

export const createPlayground = ({ guests: catalogue, connect }: PlaygroundParts): Playground => {
  const guests = [...catalogue, ownGuest]
  const guestOf = (id: string) => guests.find((guest) => guest.id === id) ?? ownGuest
  const machine = createMachineStore()
  const form = createBootFormStore(guests[0] ?? ownGuest)
  const settings = createSettingsStore()

  const client = connect((event) => {
    if (event.type === 'console') {
      stream.feed(event.bytes)
      return
    }
    if (event.type === 'trace') {
      trace.update(event.update)
      return
    }
    if (event.type === 'trace-lost') {
      trace.lost(event.problem)
      return
    }
    if (event.type === 'mark' && event.mark.kind === 'power-on') {
      stream.skip()
      trace.powerOn(event.mark.boot)
    }
    machine.setState(fold(machine.getState(), event), true)
  })
  const stream: ConsoleStream = new ConsoleStream({
    send: (bytes) => client.send(bytes),
    acknowledge: (bytes) => client.acknowledge(bytes),
  })

  const trace = new TraceDesk(() => client.askTrace())
  const files = new GuestFiles(() => machine.getState().state.name === 'loading')

  const chooseKernel = (source: FileSource) => {
    const current = form.getState()
    if (current.guestId === OWN_GUEST_ID) form.setState({ kernel: source })
    else form.setState({ ...formFor(ownGuest), kernel: source, memoryMiB: current.memoryMiB })
  }
  const addDisk = (source: FileSource) =>
    form.setState(({ disks }) => ({ disks: [...disks, { kind: 'image', source, readOnly: false }] }))

  const boot = () => {
    const current = form.getState()
    const liveNs = trace.liveNs(current.guestId)
    const request = requestFrom(current, guestOf(current.guestId), liveNs)
    if (!request) return
    stream.clear()
    trace.begin(request.label, current, liveNs)
    machine.setState(({ powerOns }) => ({
      state: { name: 'loading' },
      request,
      loading: [],
      kernel: undefined,
      disks: [],
      diskProblem: undefined,
      figures: undefined,
      marks: [],
      log: [],
      powerOns,
    }))
    client.boot(request)
    void files.refresh()
  }

  /** Boots this once; what the person chose stays chosen. */
  const bootForm = (once: BootForm) => {
    const chosen = form.getState()
    form.setState(once, true)
    boot()
    form.setState(chosen, true)
  }

  return {
    guests,
    machine,
    form,
    settings,
    console: stream,
    trace,
    files,
    boot,
    bootWith: (lesson) => {
      const last = trace.view.runs.find((run) => run.form !== undefined)
      // What is changed is what was booted, not what the form has become since. Counting instructions, the host's speed
      // is in neither run: two boots are compared, not two moments of this computer.
      const base: BootForm = { ...(last?.form ?? form.getState()), clock: 'icount', trace: true }
      const change = lesson.apply(base)
      if (!change) return
      const about = `${lesson.name}: ${lesson.about}`
      const compareWith = (before: Run) => {
        bootForm({ ...base, ...change })
        trace.compareNext(before, about)
      }
      const before = trace.view.runs.find((run) => run.form && isSameForm(run.form, base))
      if (before) {
        compareWith(before)
        return
      }
      bootForm(base)
      trace.whenDone(compareWith)
    },
    bootShown: () => {
      const run = trace.view.shown
      if (!run) return
      if (run.form) form.setState(run.form, true)
      else form.setState(formOfTrace(run.trace, guests), true)
      if (form.getState().kernel) boot()
    },
    pause: () => client.pause(),
    resume: () => client.resume(),
    reset: () => {
      if (isOn(phaseOf(machine.getState())) || machine.getState().state.name === 'stopped') {
        stream.note(DIM_LINE)
        stream.deafen()
        client.reset()
      }
    },
    powerOff: () => client.powerOff(),
    resizeConsole: (columns, rows) => client.resizeConsole(columns, rows),
    registers: () => client.registers(),
    chooseGuest: (id) => form.setState(formFor(guestOf(id)), true),
    chooseKernel,
    addDisk,
    drop: async (files) => {
      for (const file of files) {
        const source: FileSource = { kind: 'blob', name: file.name, blob: file }
        const kind = await kindOfDrop(file)
        if (kind === 'trace') {
          await trace.openFile(file)
          continue
        }
        if (kind === 'kernel') chooseKernel(source)
        else if (kind === 'disk') addDisk(source)
        else form.setState({ initrd: source })
      }
    },
  }
}
