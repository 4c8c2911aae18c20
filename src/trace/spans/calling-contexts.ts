/**
 * Calling contexts while they grow: a tree of rows, one for each distinct stack, that time is added up in. Columns may move
 * when a row is added.
 */
import { grown, type Lane, NO_FUNCTION, NO_STACK, type StackTable } from '../model/trace.ts'
import type { Context } from './context.ts'
import type { FunctionNames } from './function-names.ts'

const MAX_NODES = 1 << 19

export class CallingContexts {
  readonly lanes: Lane[] = []
  /** Each lane's own row. */
  readonly laneNode: number[] = []
  readonly #names: FunctionNames
  /** Row 0 is none: the table's free mark. */
  #length = 1
  parent = new Int32Array(4096)
  func = new Uint32Array(4096)
  lane = new Uint16Array(4096)
  calls = new Float64Array(4096)
  self = new Float64Array(4096)
  selfInstructions = new Float64Array(4096)
  lastChild = new Int32Array(4096)
  /** Target by which the row was last called: makes the last child found without a look-up. */
  target = new Float64Array(4096)
  /** (parent, func) -> row, open addressing; 0 is free. */
  #table = new Int32Array(1 << 14)

  constructor(names: FunctionNames) {
    this.#names = names
  }

  child(parent: number, target: number, { kind, lane }: Context, i: number, n: number): number {
    const node = this.of(parent, this.#names.of(target, kind === 'user'), lane, i, n)
    this.lastChild[parent] = node
    this.target[node] = target
    return node
  }

  of(parent: number, func: number, lane: number, i: number, n: number): number {
    let table = this.#table
    let mask = table.length - 1
    let slot = (Math.imul(parent, 0x9e3779b1) ^ Math.imul(func, 0x85ebca6b)) >>> 8
    for (slot &= mask; ; slot = (slot + 1) & mask) {
      const found = table[slot]
      if (found === 0) break
      if (this.parent[found] === parent && this.func[found] === func) return found
    }
    // Too many distinct stacks: the function hangs from its lane, its own sums stay exact.
    const flat = this.laneNode[lane]!
    if (this.#length >= MAX_NODES && parent !== flat) return this.of(flat, func, lane, i, n)
    const node = this.#add(parent, func, lane)
    if (this.#names.firstInstructions[func]! < 0) {
      this.#names.firstInstructions[func] = i
      this.#names.firstNs[func] = n
    }
    table[slot] = node
    if (this.#length * 2 > table.length) {
      table = this.#table = new Int32Array(table.length * 4)
      mask = table.length - 1
      for (let k = 1; k < this.#length; k++) {
        if (this.parent[k] === NO_STACK) continue
        slot = (Math.imul(this.parent[k], 0x9e3779b1) ^ Math.imul(this.func[k], 0x85ebca6b)) >>> 8
        for (slot &= mask; table[slot] !== 0; ) slot = (slot + 1) & mask
        table[slot] = k
      }
    }
    return node
  }

  #add(parent: number, func: number, lane: number): number {
    const node = this.#length++
    if (node >= this.parent.length) {
      const length = this.parent.length * 2
      this.parent = grown(this.parent, length)
      this.func = grown(this.func, length)
      this.lane = grown(this.lane, length)
      this.calls = grown(this.calls, length)
      this.self = grown(this.self, length)
      this.selfInstructions = grown(this.selfInstructions, length)
      this.lastChild = grown(this.lastChild, length)
      this.target = grown(this.target, length)
    }
    this.parent[node] = parent
    this.func[node] = func
    this.lane[node] = lane
    return node
  }

  table(): StackTable {
    const n = this.#length
    const parent = this.parent.slice(1, n)
    for (let k = 0; k < parent.length; k++) if (parent[k] > 0) parent[k]--
    return {
      length: n - 1,
      parent,
      func: this.func.slice(1, n),
      lane: this.lane.slice(1, n),
      calls: this.calls.slice(1, n),
      self: this.self.slice(1, n),
      selfInstructions: this.selfInstructions.slice(1, n),
    }
  }

  addLane(lane: Lane): number {
    this.lanes.push(lane)
    this.laneNodes()
    return this.lanes.length - 1
  }

  laneNodes(): void {
    while (this.laneNode.length < this.lanes.length)
      this.laneNode.push(this.#add(NO_STACK, NO_FUNCTION, this.laneNode.length))
  }
}
