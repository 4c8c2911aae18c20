/**
 * Stacks merged to be looked at: all of them with the heaviest left, the callers and callees of a function, and the
 * sandwich of both around it. All derive from the StackTable; none changes it.
 */
import { isRecursive, stackTotals } from '../model/stacks.ts'
import { NO_FUNCTION, NO_STACK, type StackTable } from '../model/trace.ts'

export type Measure = 'time' | 'instructions' | 'calls'

const selfOf = (stacks: StackTable, measure: Measure): Float64Array =>
  measure === 'time' ? stacks.self : measure === 'instructions' ? stacks.selfInstructions : stacks.calls

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

/** Of a function whose stacks are not all there: what all its calls took, and the function that stands for those missing. */
export interface KnownSums {
  readonly self: number
  readonly total: number
  readonly leftOut: number
}

/** One function's callees below and callers above it. Recursive calls count in the outermost one. */
export const sandwich = (stacks: StackTable, func: number, measure: Measure = 'time', known?: KnownSums): Sandwich => {
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
  if (known !== undefined && known.total > total) {
    // Calls that are in no stack: called from somewhere, part of it the function's own time.
    const missing = known.total - total
    const own = Math.min(missing, Math.max(0, known.self - ownSelf))
    childNode(childNode(up, func), known.leftOut).self += missing
    const node = childNode(down, func)
    node.self += own
    childNode(node, known.leftOut).self += missing - own
    total = known.total
    ownSelf += own
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
