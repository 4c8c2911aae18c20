/** Sums over calling contexts, and what follows from how spans lie in each other. */
import {
  type FunctionTable,
  grown,
  type Lane,
  NO_FUNCTION,
  NO_STACK,
  type SpanTable,
  type StackTable,
} from './trace.ts'

/** Of each stack and all below it. Parents stand before children. */
export const stackTotals = (stacks: StackTable, self: Float64Array): Float64Array => {
  const total = self.slice()
  for (let k = stacks.length - 1; k >= 0; k--) {
    const parent = stacks.parent[k]
    if (parent !== NO_STACK) total[parent] += total[k]
  }
  return total
}

/** Does a stack's function already run further out in it? */
export const isRecursive = (stacks: StackTable, k: number): boolean => {
  const func = stacks.func[k]
  for (let p = stacks.parent[k]; p !== NO_STACK; p = stacks.parent[p]) if (stacks.func[p] === func) return true
  return false
}

export const functionTable = (stacks: StackTable, names: readonly string[], address: Float64Array): FunctionTable => {
  const length = names.length
  const calls = new Float64Array(length)
  const self = new Float64Array(length)
  const total = new Float64Array(length)
  const selfInstructions = new Float64Array(length)
  const totalInstructions = new Float64Array(length)
  const totalNs = stackTotals(stacks, stacks.self)
  const totalI = stackTotals(stacks, stacks.selfInstructions)
  for (let k = 0; k < stacks.length; k++) {
    const func = stacks.func[k]
    if (func === NO_FUNCTION) continue
    calls[func] += stacks.calls[k]
    self[func] += stacks.self[k]
    selfInstructions[func] += stacks.selfInstructions[k]
    if (isRecursive(stacks, k)) continue
    total[func] += totalNs[k]
    totalInstructions[func] += totalI[k]
  }
  return { length, names: [...names], address, calls, self, total, selfInstructions, totalInstructions }
}

/** Collects stacks while something is read. */
export class StackColumns {
  length = 0
  parent = new Int32Array(256)
  func = new Uint32Array(256)
  lane = new Uint16Array(256)
  calls = new Float64Array(256)
  self = new Float64Array(256)
  selfInstructions = new Float64Array(256)
  readonly #children = new Map<number, Map<number, number>>()

  /** The stack of `func` called from stack `parent`, or of a lane (NO_STACK, NO_FUNCTION). */
  child(parent: number, func: number, lane: number): number {
    const key = parent === NO_STACK ? -1 - lane : parent
    let children = this.#children.get(key)
    if (children === undefined) this.#children.set(key, (children = new Map()))
    let k = children.get(func)
    if (k === undefined) {
      k = this.length++
      if (k === this.parent.length) {
        const more = k * 2
        this.parent = grown(this.parent, more)
        this.func = grown(this.func, more)
        this.lane = grown(this.lane, more)
        this.calls = grown(this.calls, more)
        this.self = grown(this.self, more)
        this.selfInstructions = grown(this.selfInstructions, more)
      }
      this.parent[k] = parent
      this.func[k] = func
      this.lane[k] = lane
      children.set(func, k)
    }
    return k
  }

  finish(): StackTable {
    const n = this.length
    return {
      length: n,
      parent: this.parent.slice(0, n),
      func: this.func.slice(0, n),
      lane: this.lane.slice(0, n),
      calls: this.calls.slice(0, n),
      self: this.self.slice(0, n),
      selfInstructions: this.selfInstructions.slice(0, n),
    }
  }
}

/**
 * Walks spans lane by lane as they opened and closed: `open` with what it lies in (-1 at the bottom) and how many those
 * are, `close` when all inside it have closed. Dropped spans leave gaps in depth: the nearest one that remains is around.
 */
export const forEachSpan = (
  spans: SpanTable,
  open: (span: number, around: number, level: number) => void,
  close?: (span: number) => void,
  { order = openingOrder(spans), deepest = Infinity }: { readonly order?: Uint32Array; readonly deepest?: number } = {},
): void => {
  const inside: number[] = []
  const closeOne = (): void => {
    const span = inside.pop()!
    close?.(span)
  }
  let lane = -1
  for (const k of order) {
    if (spans.lane[k] !== lane) {
      while (inside.length > 0) closeOne()
      lane = spans.lane[k]
    }
    while (inside.length > 0) {
      const top = inside.at(-1)!
      if (spans.depth[top] < spans.depth[k] && spans.end[top] >= spans.end[k] && inside.length < deepest) break
      closeOne()
    }
    open(k, inside.at(-1) ?? -1, inside.length)
    inside.push(k)
  }
  while (inside.length > 0) closeOne()
}

/** Stacks from spans, for traces that come without (links, other formats). */
export const stacksFromSpans = (spans: SpanTable, lanes: readonly Lane[]): StackTable => {
  const columns = new StackColumns()
  const stackOf = new Int32Array(spans.length)
  forEachSpan(spans, (k, around) => {
    const base = around < 0 ? columns.child(NO_STACK, NO_FUNCTION, spans.lane[k]) : stackOf[around]
    // A span without function (idle) is its lane's own time.
    const stack = spans.func[k] === NO_FUNCTION ? base : columns.child(base, spans.func[k], spans.lane[k])
    stackOf[k] = stack
    const ns = spans.end[k] - spans.start[k]
    const instructions = spans.endInstructions[k] - spans.startInstructions[k]
    columns.calls[stack] += spans.calls[k]
    columns.self[stack] += ns
    columns.selfInstructions[stack] += instructions
    if (around < 0) return
    columns.self[base] = Math.max(0, columns.self[base] - ns)
    columns.selfInstructions[base] = Math.max(0, columns.selfInstructions[base] - instructions)
  })
  for (let k = 0; k < lanes.length; k++) columns.child(NO_STACK, NO_FUNCTION, k)
  return columns.finish()
}

/** Spans by lane, then start, then depth: the order in which they opened. */
export const openingOrder = (spans: SpanTable): Uint32Array => {
  const order = Uint32Array.from({ length: spans.length }, (_, k) => k)
  const { lane, start, depth } = spans
  return order.sort((a, b) => lane[a] - lane[b] || start[a] - start[b] || depth[a] - depth[b] || a - b)
}
