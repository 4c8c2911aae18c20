/**
 * Sums over calling contexts: per function, merged by stack (left-heavy), callers and callees, and the sandwich of both
 * around one function. All derive from the StackTable; none changes it.
 */
import {
  type FunctionTable,
  grown,
  type Lane,
  NO_FUNCTION,
  NO_STACK,
  type SpanTable,
  type StackTable,
} from './trace.ts'

export type Measure = 'time' | 'instructions' | 'calls'

const selfOf = (stacks: StackTable, measure: Measure): Float64Array =>
  measure === 'time' ? stacks.self : measure === 'instructions' ? stacks.selfInstructions : stacks.calls

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
const isRecursive = (stacks: StackTable, k: number): boolean => {
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
 * Stacks from spans, for traces that come without (links, other formats). What lies on a span's row above it is its
 * parent. `parents` answers each span's parent too: NO_STACK at the bottom.
 */
export const stacksFromSpans = (
  spans: SpanTable,
  lanes: readonly Lane[],
): { readonly stacks: StackTable; readonly parents: Int32Array } => {
  const order = openingOrder(spans)
  const parents = new Int32Array(spans.length).fill(NO_STACK)
  const columns = new StackColumns()
  const stackOf = new Int32Array(spans.length)
  const open: number[] = []
  let lane = -1
  for (const k of order) {
    if (spans.lane[k] !== lane) {
      lane = spans.lane[k]
      open.length = 0
    }
    while (open.length > 0) {
      const top = open.at(-1)!
      if (spans.depth[top] < spans.depth[k] && spans.end[top] >= spans.end[k]) break
      open.pop()
    }
    const up = open.at(-1)
    // Dropped spans leave gaps in depth; the nearest one that remains is the parent.
    const parent = up ?? NO_STACK
    parents[k] = parent
    const base = up === undefined ? columns.child(NO_STACK, NO_FUNCTION, lane) : stackOf[up]
    // A span without function (idle) is its lane's own time.
    const stack = spans.func[k] === NO_FUNCTION ? base : columns.child(base, spans.func[k], lane)
    stackOf[k] = stack
    const ns = spans.end[k] - spans.start[k]
    const instructions = spans.endInstructions[k] - spans.startInstructions[k]
    columns.calls[stack] += spans.calls[k]
    columns.self[stack] += ns
    columns.selfInstructions[stack] += instructions
    if (up !== undefined) {
      columns.self[base] = Math.max(0, columns.self[base] - ns)
      columns.selfInstructions[base] = Math.max(0, columns.selfInstructions[base] - instructions)
    }
    open.push(k)
  }
  for (let k = 0; k < lanes.length; k++) columns.child(NO_STACK, NO_FUNCTION, k)
  return { stacks: columns.finish(), parents }
}

/** Spans by lane, then start, then depth: the order in which they opened. */
export const openingOrder = (spans: SpanTable): Uint32Array => {
  const order = Uint32Array.from({ length: spans.length }, (_, k) => k)
  const { lane, start, depth } = spans
  return order.sort((a, b) => lane[a] - lane[b] || start[a] - start[b] || depth[a] - depth[b] || a - b)
}

// ── views ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A tree of merged stacks to draw: boxes with a depth, laid out from 0 to `total`. Parents before children. */
export interface MergedStacks {
  readonly length: number
  readonly total: number
  readonly depth: Uint16Array
  readonly func: Uint32Array
  readonly start: Float64Array
  readonly end: Float64Array
  readonly self: Float64Array
  readonly calls: Float64Array
  readonly parent: Int32Array
}

interface Node {
  func: number
  total: number
  self: number
  calls: number
  children: Map<number, Node>
}
const newNode = (func: number): Node => ({ func, total: 0, self: 0, calls: 0, children: new Map() })
const childNode = (node: Node, func: number): Node => {
  let child = node.children.get(func)
  if (child === undefined) node.children.set(func, (child = newNode(func)))
  return child
}

/** Boxes narrower than this share of the whole are left out of a drawn tree. */
const SHARE_MIN = 1e-5
const DEPTH_MAX = 2048

/** The heaviest child first: left-heavy. */
const layOut = (root: Node): MergedStacks => {
  const columns: { depth: number; node: Node; start: number; parent: number }[] = []
  const least = root.total * SHARE_MIN
  const work: { node: Node; depth: number; start: number; parent: number }[] = []
  const pushChildren = (node: Node, depth: number, start: number, parent: number): void => {
    const children = [...node.children.values()].filter((c) => c.total > least)
    children.sort((a, b) => b.total - a.total || a.func - b.func)
    let x = start
    const placed = children.map((child) => {
      const box = { node: child, depth, start: x, parent }
      x += child.total
      return box
    })
    for (let k = placed.length - 1; k >= 0; k--) work.push(placed[k]!)
  }
  pushChildren(root, 0, 0, NO_STACK)
  while (work.length > 0) {
    const box = work.pop()!
    columns.push(box)
    if (box.depth < DEPTH_MAX) pushChildren(box.node, box.depth + 1, box.start, columns.length - 1)
  }
  return {
    length: columns.length,
    total: root.total,
    depth: Uint16Array.from(columns, (c) => c.depth),
    func: Uint32Array.from(columns, (c) => c.node.func),
    start: Float64Array.from(columns, (c) => c.start),
    end: Float64Array.from(columns, (c) => c.start + c.node.total),
    self: Float64Array.from(columns, (c) => c.node.self),
    calls: Float64Array.from(columns, (c) => c.node.calls),
    parent: Int32Array.from(columns, (c) => c.parent),
  }
}

/** All stacks of the given lanes (all lanes without it) merged, heaviest left. */
export const leftHeavy = (stacks: StackTable, measure: Measure = 'time', lanes?: ReadonlySet<number>): MergedStacks => {
  const self = selfOf(stacks, measure)
  const root = newNode(NO_FUNCTION)
  const nodes: Node[] = []
  for (let k = 0; k < stacks.length; k++) {
    const parent = stacks.parent[k]
    const up = parent === NO_STACK ? root : nodes[parent]!
    const node = stacks.func[k] === NO_FUNCTION ? up : childNode(up, stacks.func[k])
    nodes.push(node)
    if (lanes !== undefined && !lanes.has(stacks.lane[k])) continue
    // Time that a lane spent outside any function has no box.
    if (node === root) continue
    node.self += self[k]
    node.calls += stacks.calls[k]
  }
  sumUp(root)
  return layOut(root)
}

const sumUp = (root: Node): void => {
  const order: Node[] = [root]
  for (let k = 0; k < order.length; k++) for (const child of order[k]!.children.values()) order.push(child)
  for (const node of order) node.total = node.self
  for (let k = order.length - 1; k >= 0; k--)
    for (const child of order[k]!.children.values()) order[k]!.total += child.total
}

export interface Sandwich {
  readonly func: number
  readonly self: number
  readonly total: number
  readonly calls: number
  /** What it called, merged: depth 0 is the function itself. */
  readonly callees: MergedStacks
  /** Who called it, inverted: depth 0 is the function itself, depth 1 its callers, sized by what they spent in it. */
  readonly callers: MergedStacks
}

/** One function's callees below and callers above it. Recursive calls count in the outermost one. */
export const sandwich = (stacks: StackTable, func: number, measure: Measure = 'time'): Sandwich => {
  const self = selfOf(stacks, measure)
  const totals = stackTotals(stacks, self)
  const down = newNode(NO_FUNCTION)
  const up = newNode(NO_FUNCTION)
  /** Stack -> its node in the callees' tree, for stacks inside an outermost call of `func`. */
  const inside = new Map<number, Node>()
  let calls = 0
  let ownSelf = 0
  let total = 0
  for (let k = 0; k < stacks.length; k++) {
    const parent = inside.get(stacks.parent[k])
    const isFunc = stacks.func[k] === func
    if (isFunc) {
      calls += stacks.calls[k]
      ownSelf += self[k]
    }
    if (parent !== undefined || isFunc) {
      const node = childNode(parent ?? down, stacks.func[k])
      node.self += self[k]
      node.calls += stacks.calls[k]
      inside.set(k, node)
    }
    if (!isFunc || parent !== undefined) continue
    total += totals[k]
    let node = childNode(up, func)
    node.calls += stacks.calls[k]
    for (let p = stacks.parent[k]; p !== NO_STACK && stacks.func[p] !== NO_FUNCTION; p = stacks.parent[p]) {
      node = childNode(node, stacks.func[p])
      node.calls += stacks.calls[k]
    }
    // What was spent sits at the far end; the sums carry it back to the function.
    node.self += totals[k]
  }
  sumUp(down)
  sumUp(up)
  return { func, self: ownSelf, total, calls, callees: layOut(down), callers: layOut(up) }
}

export interface Neighbour {
  readonly func: number
  readonly calls: number
  /** Spent in the callee on behalf of this caller (callers), or in this callee on behalf of the function (callees). */
  readonly total: number
}

/** Immediate callers and callees, heaviest first. NO_FUNCTION as a caller: called from outside any known function. */
export const neighbours = (
  stacks: StackTable,
  func: number,
  measure: Measure = 'time',
): { readonly callers: readonly Neighbour[]; readonly callees: readonly Neighbour[] } => {
  const totals = stackTotals(stacks, selfOf(stacks, measure))
  const callers = new Map<number, { calls: number; total: number }>()
  const callees = new Map<number, { calls: number; total: number }>()
  const add = (map: typeof callers, key: number, k: number): void => {
    const entry = map.get(key) ?? { calls: 0, total: 0 }
    entry.calls += stacks.calls[k]
    if (!isRecursive(stacks, k)) entry.total += totals[k]
    map.set(key, entry)
  }
  for (let k = 0; k < stacks.length; k++) {
    const parent = stacks.parent[k]
    if (parent === NO_STACK) continue
    if (stacks.func[k] === func) add(callers, stacks.func[parent], k)
    if (stacks.func[parent] === func) add(callees, stacks.func[k], k)
  }
  const sorted = (map: typeof callers): Neighbour[] =>
    [...map].map(([f, entry]) => ({ func: f, ...entry })).sort((a, b) => b.total - a.total || b.calls - a.calls)
  return { callers: sorted(callers), callees: sorted(callees) }
}
