/** Made-up boots of any size, always the same for a seed: call events for the span builder, traces for the rest. */
import { CALL_EVENT_BYTES, CallEventKind } from '../../machine/call-event.ts'
import { type ClockSample, simpleClock } from '../model/clock.ts'
import { functionTable, stacksFromSpans } from '../model/stacks.ts'
import { stageRows } from '../model/stages.ts'
import { type Lane, type Mark, NO_FUNCTION, SpanColumns, type Trace } from '../model/trace.ts'
import type { CodeSymbol } from '../spans/symbols.ts'

export const randomNumbers = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Words in the manner of NetBSD's function names: what a string table has to hold. */
const PREFIXES = (
  'uvm pmap kmem pool vmem config autoconf device mainbus cpu lapic ioapic intr com ns8250 tty cons virtio viommio ' +
  'virtqueue ld disk dk bus_space bus_dma vfs vnode namei genfs ext2fs ffs wapbl buf bio mutex rwlock cv callout ' +
  'softint sched lwp proc kthread workqueue sysctl ksyms prop percpu entropy rnd sha256 aes chacha cprng if in in6 ' +
  'ip tcp mbuf pfil route socket exec elf64 coredump sys fd file module evcnt time tc hardclock todr spl trap x86'
).split(' ')
const SUFFIXES = (
  'init attach match alloc free get put enter exit lookup insert remove create destroy start stop establish ' +
  'disestablish setup reset read write map unmap load sync dispatch intr poll wait signal register unregister ' +
  'scan probe search found rescan mount unmount open close strategy iodone done enqueue dequeue add update check ' +
  'selftest compute transform page_fault pagefree physload redim init_seg va_extract flush cache_get slab grow'
).split(' ')

export const functionNames = (count: number, seed = 1): string[] => {
  const random = randomNumbers(seed)
  const names = new Set(['main', 'configure', 'cpu_switchto', 'memset', 'memcpy', 'strlen', 'uvm_pagefree'])
  while (names.size < count) {
    const name = `${PREFIXES[Math.floor(random() * PREFIXES.length)]}_${SUFFIXES[Math.floor(random() * SUFFIXES.length)]}`
    names.add(names.has(name) ? `${name}${names.size}` : name)
  }
  return [...names]
}

export interface SyntheticEvents {
  readonly symbols: readonly CodeSymbol[]
  readonly slices: readonly { readonly events: Uint8Array; readonly clock: ClockSample }[]
  readonly events: number
}

/** About `calls` calls and as many returns, with interrupts and switches between kernel stacks, in slices. */
export const syntheticEvents = (calls: number, seed = 1, functions = 6000, slice = 100_000): SyntheticEvents => {
  const random = randomNumbers(seed)
  const names = functionNames(functions, seed)
  const base = 0xffff_ffff_8020_0000n
  const symbols = names.map((name, k) => ({ name, address: base + BigInt(k * 128), size: 120 }))
  // A program: functions in layers, each with a fixed body of calls into deeper layers, some of them in loops.
  const LAYERS = 12
  const perLayer = Math.floor(functions / LAYERS)
  const bodies = names.map((_, k) => {
    const layer = Math.min(LAYERS - 1, Math.floor(k / perLayer))
    if (layer === LAYERS - 1) return []
    return Array.from({ length: 1 + Math.floor(random() * 5) }, () => {
      const to = layer + 1 + Math.floor(random() ** 2 * (LAYERS - 1 - layer))
      // Leaves (memset, locks, bus accesses) are few and shared by all.
      const func = to * perLayer + Math.floor(random() ** (to === LAYERS - 1 ? 5 : 1) * perLayer)
      return { func, times: random() < 0.12 ? 2 + Math.floor(random() ** 3 * 60) : 1 }
    })
  })
  interface Frame {
    readonly func: number
    step: number
    left: number
  }
  const frame = (func: number): Frame => ({ func, step: 0, left: bodies[func]![0]?.times ?? 0 })
  const stacks = Array.from({ length: 12 }, (_, k) => ({
    lo: 0x1000_0000 + (k + 1) * 0x5000 - 256,
    frames: [] as Frame[],
  }))
  let stack = stacks[0]!
  let now = 0
  let made = 0
  const slices: { events: Uint8Array; clock: ClockSample }[] = []
  let words = new Uint32Array((slice * CALL_EVENT_BYTES) / 4)
  let at = 0
  let total = 0
  const put = (kind: number, argument: number, address: number, rsp: number): void => {
    words[at] = kind
    words[at + 1] = argument
    words[at + 2] = address
    words[at + 3] = 0xffffffff
    words[at + 4] = rsp
    words[at + 5] = 0xffff8000
    words[at + 6] = now >>> 0
    words[at + 7] = Math.floor(now / 2 ** 32)
    at += 8
    total++
    if (at === words.length) flush()
  }
  const flush = (): void => {
    const bytes = new Uint8Array(words.buffer, 0, at * 4)
    slices.push({ events: bytes, clock: { instructions: now, guestNs: now, wallNs: now * 7 } })
    words = new Uint32Array((slice * CALL_EVENT_BYTES) / 4)
    at = 0
  }
  const address = (func: number): number => 0x8020_0000 + func * 128
  while (made < calls) {
    now += 1 + Math.floor(random() ** 3 * 60)
    const { frames } = stack
    const depth = frames.length
    if (random() < 0.0006 && depth > 1) {
      // cpu_switchto: called here, returns there.
      put(CallEventKind.Call, 0, address(2), stack.lo - depth * 64 - 8)
      frames.push({ func: 2, step: 99, left: 0 })
      now += 30
      stack = stacks[Math.floor(random() * stacks.length)]!
      if (stack.frames.length > 0) {
        stack.frames.pop()
        put(CallEventKind.Return, 0, 0x80200001, stack.lo - stack.frames.length * 64)
      } else put(CallEventKind.Return, 0, address(5), stack.lo)
      continue
    }
    if (random() < 0.002) {
      const rsp = stack.lo - depth * 64 - 56
      put(CallEventKind.Interrupt, 0x40, address(9), rsp)
      now += 20
      put(CallEventKind.Call, 0, address(11), rsp - 72)
      now += 100
      put(CallEventKind.Return, 0, 0x80200001, rsp - 64)
      now += 20
      put(CallEventKind.InterruptReturn, 0, 0x80200001, rsp + 40)
    }
    const top = frames.at(-1)
    const body = top === undefined ? undefined : bodies[top.func]!
    while (top !== undefined && top.left === 0 && top.step < body!.length) top.left = body![++top.step]?.times ?? 0
    if (top === undefined || top.step < body!.length) {
      // Threads do different things: each starts from the top layer.
      const func = top === undefined ? Math.floor(random() * perLayer) : body![top.step]!.func
      if (top !== undefined) top.left--
      put(CallEventKind.Call, 0, address(func), stack.lo - depth * 64 - 8)
      frames.push(frame(func))
      made++
    } else {
      frames.pop()
      put(CallEventKind.Return, 0, 0x80200001, stack.lo - frames.length * 64)
    }
  }
  if (at > 0) flush()
  return { symbols, slices, events: total }
}

const LANES: readonly Lane[] = [
  { kind: 'kernel', name: 'kernel' },
  { kind: 'interrupts', name: 'interrupts' },
  { kind: 'process', name: '/sbin/init (1)', path: '/sbin/init', pid: 1 },
  { kind: 'idle', name: 'idle' },
]

/** A trace with about this many spans, in all lanes, with stages and console lines. */
export const syntheticTrace = (spans = 200_000, seed = 1, endNs = 46_500_000, functions = 1200): Trace => {
  const random = randomNumbers(seed)
  const names = functionNames(functions, seed)
  const columns = new SpanColumns(spans + 64)
  const depthMax = 18
  /** Fills [start, end) of a row with children, in proportion. */
  const fill = (lane: number, depth: number, start: number, end: number, budget: number, parent: number): void => {
    if (budget < 1 || depth >= depthMax || end - start < 4) return
    const children = Math.min(Math.ceil(budget), 1 + Math.floor(random() * 9))
    const weights = Array.from({ length: children }, () => random() ** 3 + 0.002)
    const sum = weights.reduce((a, b) => a + b, 0)
    let x = start + (end - start) * 0.04 * random()
    const room = end - x
    const rest = budget - children
    for (const weight of weights) {
      const width = (room * weight) / sum
      const a = Math.round(x)
      const b = Math.round(x + width * (0.7 + 0.3 * random()))
      x += width
      if (b <= a) continue
      const func = Math.floor((parent * 31 + Math.floor(random() ** 2 * 12) * 7919) % functions)
      fill(lane, depth + 1, a, b, (rest * weight) / sum, func)
      columns.push(lane, depth, func, a, b, a, b, 1)
    }
  }
  fill(0, 0, 0, endNs, spans * 0.98, 0)
  for (let t = 10_000_000; t < endNs; t += 10_000_000) columns.push(1, 0, 9, t, t + 1500, t, t + 1500, 1)
  fill(2, 0, endNs * 0.96, endNs, spans * 0.02, 3)
  columns.push(3, 0, NO_FUNCTION, endNs * 0.9, endNs * 0.92, endNs * 0.9, endNs * 0.9, 1)
  const table = columns.finish()
  const stacks = stacksFromSpans(table, LANES)
  const stageNames = [
    'start_pvh',
    'init_x86_64',
    'main',
    'configure',
    'mainbus0',
    'isa0',
    'pv0',
    'configure2',
    'vfs_mountroot',
    'start_init',
    'init',
    'prompt',
  ]
  const begun = stageNames.map((name, k) => {
    const start = Math.round(endNs * (k / stageNames.length) ** 1.3)
    return { name, start, startInstructions: start, mark: 'call' as const }
  })
  const marks: Mark[] = Array.from({ length: 40 }, (_, k) => {
    const at = Math.round((endNs * k) / 40)
    const text = `[   1.0000030] ${names[k * 3]}0 at mainbus0: ${names[k * 7]} irq ${k}`
    return { kind: 'console', at, atInstructions: at, text }
  })
  return {
    meta: {
      title: 'NetBSD 11 MICROVM',
      guest: 'netbsd-microvm',
      cmdline: 'console=com root=ld0a -z virtio_mmio.device=512@0xfeb00e00:12',
      profile: 'microvm',
      clock: 'icount',
      engine: 'auto',
      engineVersion: '0.1.0',
      memoryMiB: 256,
      cpu: { smap: false, 'tsc-leaf': true },
      notes: [],
    },
    start: 0,
    end: endNs,
    endInstructions: endNs,
    clock: simpleClock(endNs),
    lanes: LANES,
    functions: functionTable(
      stacks,
      names,
      Float64Array.from(names, (_, k) => 0xffff_8020_0000 + k * 128),
    ),
    spans: table,
    stacks,
    stages: stageRows(begun, endNs, endNs, 'prompt'),
    marks,
  }
}
