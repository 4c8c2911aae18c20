/** The page's whole model: the stores and the verbs that act on them. React and the automation API are its two users. */
import type { EmulatorClient } from '../worker/client.ts'
import type { EmulatorEvent } from '../worker/protocol.ts'
import { type BootFormStore, createBootFormStore, formFor, kindOfDrop, requestFrom } from './boot-form-store.ts'
import { ConsoleStream } from './console-stream.ts'
import { type FileSource, type GuestChoice, OWN_GUEST_ID, ownGuest } from './guest-choice.ts'
import { createMachineStore, fold, isOn, type MachineStore, phaseOf } from './machine-store.ts'
import { createSettingsStore, type SettingsStore } from './settings-store.ts'

export interface Playground {
  readonly guests: readonly GuestChoice[]
  readonly machine: MachineStore
  readonly form: BootFormStore
  readonly settings: SettingsStore
  readonly console: ConsoleStream
  /** Boots what the form says, replacing the machine there is. Without a kernel it does nothing. */
  boot(): void
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
    if (event.type === 'mark' && event.mark.kind === 'power-on') stream.skip()
    machine.setState(fold(machine.getState(), event), true)
  })
  const stream: ConsoleStream = new ConsoleStream({
    send: (bytes) => client.send(bytes),
    acknowledge: (bytes) => client.acknowledge(bytes),
  })

  const chooseKernel = (source: FileSource) => {
    const current = form.getState()
    if (current.guestId === OWN_GUEST_ID) form.setState({ kernel: source })
    else form.setState({ ...formFor(ownGuest), kernel: source, memoryMiB: current.memoryMiB })
  }
  const addDisk = (source: FileSource) =>
    form.setState(({ disks }) => ({ disks: [...disks, { kind: 'image', source, readOnly: false }] }))

  return {
    guests,
    machine,
    form,
    settings,
    console: stream,
    boot: () => {
      const current = form.getState()
      const request = requestFrom(current, guestOf(current.guestId))
      if (!request) return
      stream.clear()
      machine.setState(({ powerOns }) => ({
        state: { name: 'loading' },
        request,
        loading: [],
        kernel: undefined,
        figures: undefined,
        marks: [],
        log: [],
        powerOns,
      }))
      client.boot(request)
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
        if (kind === 'kernel') chooseKernel(source)
        else if (kind === 'disk') addDisk(source)
        else form.setState({ initrd: source })
      }
    },
  }
}
