/** A stack that the CPU runs on, with the frames that are open on it (span-builder.ts tells the kinds). */
import type { Process, SystemCall } from './processes.ts'

/** Fields of a frame in Context.frames. */
export const STRIDE = 12
export const R = 0
export const NODE = 1
export const SEG_I = 2
export const SEG_N = 3
export const SEG_CALLS = 4
/** Short neighbours among the frame's children, waiting to become one span. */
export const RUN_I0 = 5
export const RUN_I1 = 6
export const RUN_N0 = 7
export const RUN_N1 = 8
export const RUN_CALLS = 9
export const RUN_FUNC = 10
export const RUN_LONGEST = 11

export type ContextKind = 'thread' | 'user' | 'interrupt' | 'syscall'

export class Context {
  kind: ContextKind = 'thread'
  lane = 0
  /** Depth in the lane of its first frame. */
  baseDepth = 0
  frames = new Float64Array(24 * STRIDE)
  depth = 0
  /** The first frame stands for the way in and has no return address on this stack: no RET pops it. */
  rooted = false
  /** Stack pointers seen; lo > hi: none yet. */
  lo = Infinity
  hi = -Infinity
  /** rsp at entry, interrupts only. */
  entryRsp = 0
  parent: Context | undefined
  child: Context | undefined
  suspended = false
  key = -1
  space = -1
  /** Of a user context. */
  process: Process | undefined
  /** Of a system call. */
  call: SystemCall | undefined
  /** Of a user context in a system call: depth of the frame that stands for it in the process's lane. */
  callDepth = -1

  reset(kind: ContextKind, lane: number): this {
    this.kind = kind
    this.lane = lane
    this.baseDepth = 0
    this.depth = 0
    this.rooted = false
    this.lo = Infinity
    this.hi = -Infinity
    this.entryRsp = 0
    this.parent = undefined
    this.child = undefined
    this.suspended = false
    this.key = -1
    this.space = -1
    this.process = undefined
    this.call = undefined
    this.callDepth = -1
    return this
  }
}

/** Where the context's first call returned to on its stack; 0 without calls. */
export const outermost = ({ frames, depth, rooted }: Context): number => {
  const first = rooted ? 1 : 0
  return depth > first ? frames[first * STRIDE + R] : 0
}
