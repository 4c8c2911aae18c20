/** The kinds of lanes, once: what each is, where it is drawn, and the number that stands for it in links. */
import type { Lane } from './trace.ts'

interface LaneFacts {
  /** In a link's bytes: never given twice, never changed. */
  readonly wire: number
  /** From top to bottom on the page. */
  readonly place: number
  /** Its time is the CPU's. A device works beside it, and an idle CPU does no work. */
  readonly cpu: boolean
}

export const LANES = {
  kernel: { wire: 0, place: 0, cpu: true },
  thread: { wire: 5, place: 1, cpu: true },
  interrupts: { wire: 1, place: 2, cpu: true },
  process: { wire: 2, place: 3, cpu: true },
  devices: { wire: 3, place: 4, cpu: false },
  idle: { wire: 4, place: 5, cpu: false },
} as const satisfies Readonly<Record<string, LaneFacts>>

export type LaneKind = keyof typeof LANES

export const LANE_KINDS = Object.keys(LANES) as readonly LaneKind[]

/** undefined for a number that stands for none. */
export const laneKindOfWire = (wire: number): LaneKind | undefined => LANE_KINDS.find((k) => LANES[k].wire === wire)

/** Of a lane that another program's file names: ours by its name, a thread otherwise. */
export const laneKindNamed = (name: string): LaneKind =>
  name === 'kernel' || name === 'interrupts' || name === 'devices' || name === 'idle' ? name : 'thread'

export const isCpuLane = (lane: Lane | undefined): boolean => lane !== undefined && LANES[lane.kind].cpu

/** Indices of lanes as they are drawn, from top to bottom. */
export const lanesInPlace = (lanes: readonly Lane[]): number[] =>
  [...lanes.keys()].sort((a, b) => LANES[lanes[a]!.kind].place - LANES[lanes[b]!.kind].place || a - b)
