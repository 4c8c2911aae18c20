/** The machine as the page sees it, folded from the worker's events. */
import { createStore, type StoreApi } from 'zustand/vanilla'
import type {
  BootMark,
  BootRequest,
  DiskSummary,
  EmulatorEvent,
  KernelSummary,
  LiveFigures,
  MachineState,
} from '../worker/protocol.ts'
import type { Resumed } from './resumed.ts'

export type { BootMark, BootRequest, DiskSummary, KernelSummary, LiveFigures, MachineState }

export interface LoadingFile {
  readonly file: string
  readonly loaded: number
  readonly total: number | undefined
  readonly bytesPerSecond: number
}

export interface MachineView {
  readonly state: MachineState
  /** What was asked for; undefined until the first Boot. */
  readonly request: BootRequest | undefined
  /** It goes on instead of booting. */
  readonly resumed: Resumed | undefined
  readonly loading: readonly LoadingFile[]
  readonly kernel: KernelSummary | undefined
  /** Those of the machine there is. */
  readonly disks: readonly DiskSummary[]
  readonly figures: LiveFigures | undefined
  /** Since the last power-on. */
  readonly marks: readonly BootMark[]
  readonly log: readonly string[]
  /** Counts power-ons, so that a view can tell two boots apart. */
  readonly powerOns: number
  /** Somebody has typed at it since it was switched on. */
  readonly typedAt: boolean
}

/** What a person would call it. */
export type Phase =
  | 'first-visit'
  | 'off'
  | 'loading'
  | 'warming'
  | 'booting'
  | 'running'
  | 'idle'
  | 'paused'
  | 'powered-off'
  | 'halted'
  | 'reset'
  | 'crashed'
  | 'refused'
  | 'fault'

/** Below this share of host time the guest counts as idle. */
const IDLE_BUSY = 0.05
const LOG_LINES = 500

export const initialView: MachineView = {
  state: { name: 'off' },
  request: undefined,
  resumed: undefined,
  loading: [],
  kernel: undefined,
  disks: [],
  figures: undefined,
  marks: [],
  log: [],
  powerOns: 0,
  typedAt: false,
}

/** Of a machine that was resumed, that of the boot which it goes on from. */
export const readyMark = (
  view: Pick<MachineView, 'marks'> & Partial<Pick<MachineView, 'resumed'>>,
): BootMark | undefined => view.marks.find((mark) => mark.kind === 'ready') ?? view.resumed?.ready

/** QEMU's isa-debug-exit gives odd codes, (value << 1) | 1: 1 is value 0, success. */
const phaseOfExit = (view: MachineView): Phase => {
  if (view.state.name !== 'stopped') return 'off'
  switch (view.state.exit.reason) {
    case 'guest-exit':
      return 'powered-off'
    case 'halt':
    case 'clock-end':
      return 'halted'
    case 'reset':
      return 'reset'
    case 'triple-fault':
      return 'crashed'
  }
}

export const phaseOf = (view: MachineView): Phase => {
  switch (view.state.name) {
    case 'off':
      return view.request ? 'off' : 'first-visit'
    case 'running': {
      const isReady = readyMark(view) !== undefined
      if (!isReady && (view.request?.expected.length ?? 0) > 0) return 'booting'
      return view.figures && view.figures.busy < IDLE_BUSY ? 'idle' : 'running'
    }
    case 'stopped':
      return phaseOfExit(view)
    default:
      return view.state.name
  }
}

/** A machine exists that may be paused, reset, powered off. */
export const isOn = (phase: Phase): boolean =>
  phase === 'booting' || phase === 'running' || phase === 'idle' || phase === 'paused'

/** Disks go with their machine. */
const hasDisks = ({ name }: MachineState): boolean => name !== 'off' && name !== 'refused' && name !== 'fault'

export const fold = (view: MachineView, event: EmulatorEvent): MachineView => {
  switch (event.type) {
    case 'state':
      return { ...view, state: event.state, ...(hasDisks(event.state) ? {} : { disks: [] }) }
    case 'loading': {
      const { file, loaded, total, bytesPerSecond } = event
      const others = view.loading.filter((entry) => entry.file !== file)
      return { ...view, loading: [...others, { file, loaded, total, bytesPerSecond }] }
    }
    case 'kernel':
      return { ...view, kernel: event.kernel }
    case 'disks':
      return { ...view, disks: event.disks }
    case 'figures':
      return { ...view, figures: event.figures }
    case 'mark':
      return event.mark.kind === 'power-on'
        ? { ...view, marks: [event.mark], figures: undefined, powerOns: view.powerOns + 1, typedAt: false }
        : { ...view, marks: [...view.marks, event.mark] }
    case 'log':
      return view.log.length < LOG_LINES ? { ...view, log: [...view.log, event.line] } : view
    case 'console':
    case 'disk-failed':
    case 'kept':
    case 'trace':
    case 'trace-lost':
      return view
  }
}

export type MachineStore = StoreApi<MachineView>
export const createMachineStore = (): MachineStore => createStore<MachineView>(() => initialView)
