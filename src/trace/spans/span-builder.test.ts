import { expect, test } from 'vitest'
import { processorMs } from '../../base/testing/processor-time.ts'
import type { Trace } from '../model/trace.ts'
import { drawTrace, picture } from '../testing/drawn.ts'
import { EventWriter } from '../testing/events.ts'
import { syntheticEvents } from '../testing/synthetic.ts'
import { ARGUMENT_SOFTWARE } from './call-events.ts'
import { SpanBuilder, type SpanBuilderOptions } from './span-builder.ts'
import { longSpans } from './span-sink.ts'

const build = (w: EventWriter, options: SpanBuilderOptions = {}): Trace => {
  const builder = new SpanBuilder({ symbols: w.symbols, minSpanNs: 1, ...options })
  builder.push({ events: w.take() })
  return builder.snapshot()
}
const row = (trace: Trace, name: string) => {
  const k = trace.functions.names.indexOf(name)
  const { calls, self, total } = trace.functions
  return { calls: calls[k], self: self[k], total: total[k] }
}

test('calls and returns nest', () => {
  const w = new EventWriter()
  w.at(2).call('main').at(6).call('alloc').at(12).ret().at(14).call('free').at(20).ret().at(24).ret()
  const trace = build(w)
  expect(drawTrace(trace)).toBe(
    picture(`
      kernel
          main==================
              alloc=  free==
    `),
  )
  expect(row(trace, 'main')).toEqual({ calls: 1, self: 10, total: 22 })
  expect(row(trace, 'alloc')).toEqual({ calls: 1, self: 6, total: 6 })
})

test('spans still open end now', () => {
  const w = new EventWriter()
  w.at(0).call('main').at(4).call('configure').at(20).call('attach').at(30).ret()
  expect(drawTrace(build(w))).toBe(
    picture(`
      kernel
        main==========================
            configure=================
                            attach====
    `),
  )
})

test('a longjmp closes the frames it leaves', () => {
  const w = new EventWriter()
  w.at(0).call('main').at(5).call('try').at(8).call('throw').at(10).call('deep')
  // Back in main, which calls again: what lies at or below the new return address is dead.
  w.at(20).drop(3).call('next').at(26).ret().at(30).ret()
  expect(drawTrace(build(w))).toBe(
    picture(`
      kernel
        main==========================
             try============next==
                throw=======
                  deep======
    `),
  )
})

test('a RET far up the same stack closes all it passes', () => {
  const w = new EventWriter()
  w.at(0).call('main').at(5).call('a').at(8).call('b').at(20).drop(1).ret().at(30).ret()
  expect(drawTrace(build(w))).toBe(
    picture(`
      kernel
        main==========================
             a==============
                b===========
    `),
  )
})

test('a context switch puts frames aside and takes them up again', () => {
  const w = new EventWriter()
  w.at(0).call('main').at(4).call('tsleep').at(8).call('cpu_switchto')
  w.at(12).switchTo('lwp1', 'lwp_trampoline').at(16).call('thread').at(20).call('cpu_switchto')
  w.at(24).switchTo('lwp0').at(28).ret().at(32).call('cpu_switchto').at(36).switchTo('lwp1').at(40).ret()
  const trace = build(w)
  expect(drawTrace(trace)).toBe(
    picture(`
      kernel
        main========lwp_trampolimain========lwp_
            tsleep==    thread==tsle    cpu_thre
                cpu_        cpu_
    `),
  )
  // Calls are counted once, and time only while it ran.
  expect(row(trace, 'main')).toEqual({ calls: 1, self: 8, total: 24 })
  expect(row(trace, 'thread')).toEqual({ calls: 1, self: 8, total: 12 })
  expect(row(trace, 'cpu_switchto')).toEqual({ calls: 3, self: 12, total: 12 })
})

test('an interrupt has its own lane and no share in what it interrupted', () => {
  const w = new EventWriter()
  w.at(0).call('main').at(10).interrupt(0x40).at(14).call('clock').at(20).ret().at(24).iret().at(30).ret()
  const trace = build(w)
  expect(drawTrace(trace)).toBe(
    picture(`
      kernel
        main==========================
      interrupts
                  interrupt 0x40
                      clock=
    `),
  )
  expect(row(trace, 'main')).toEqual({ calls: 1, self: 16, total: 16 })
})

test('an exception nests in the lane below what raised it', () => {
  const w = new EventWriter()
  w.at(0).call('copyin').at(10).interrupt(14).at(14).call('trap').at(20).ret().at(24).iret().at(30).ret()
  expect(drawTrace(build(w))).toBe(
    picture(`
      kernel
        copyin========================
                  #PF===========
                      trap==
    `),
  )
})

test('a thread preempted in an interrupt goes on where it was', () => {
  const w = new EventWriter()
  w.at(0).call('main').at(10).interrupt(0x40).at(12).call('preempt').at(14).call('cpu_switchto')
  w.at(20).switchTo('lwp1', 'lwp_trampoline').at(22).call('cpu_switchto').at(30).switchTo('lwp0')
  w.at(32).ret().at(34).iret().at(40).call('more').at(44).ret().at(50).ret()
  expect(drawTrace(build(w))).toBe(
    picture(`
      kernel
        main================lwp_trampomain================
                              cpu_swit          more
      interrupts
                  interrupt           inte
                    preempt=          pr
                      cpu_sw
    `),
  )
})

test('a soft interrupt runs by CALL on a stack of its own', () => {
  const w = new EventWriter()
  w.at(0).call('main').at(4).call('splx')
  w.at(10).on('softint').call('softint_dispatch').at(14).call('softclock').at(20).ret().at(24).ret()
  w.on('lwp0').at(30).ret().at(40).ret()
  expect(drawTrace(build(w))).toBe(
    picture(`
      kernel
        main======softint_dispat      main======
            splx==    softcl
    `),
  )
})

test('a process: first by IRETQ, then in and out by SYSCALL', () => {
  const w = new EventWriter()
  w.at(0).call('main').at(2).call('cpu_switchto').at(4).switchTo('lwp1', 'lwp_trampoline')
  w.at(6).call('start_init').at(10).cr3(0x2d9a000n).ret().at(12).iret('user1')
  w.at(14).call('user_main').at(20).call('user_write')
  w.at(24).syscall('lwp1', 4).at(26).call('sys_write').at(36).ret().at(38).sysret('user1').at(40).ret().at(43).ret()
  const trace = build(w, { userSymbols: w.userSymbols, os: 'netbsd' })
  expect(drawTrace(trace)).toBe(
    picture(`
      kernel
        mainlwp_tram            write=========
          cp  star                sys_write=
      process 1
                    user===========================
                      user_main====================
                            user_write==========
                                write=========
    `),
  )
  expect(trace.lanes.map((l) => l.name)).toEqual(['kernel', 'interrupts', 'process 1'])
  expect(trace.lanes[2]).toMatchObject({ kind: 'process', addressSpace: 0x2d9a000 })
  expect(row(trace, 'sys_write')).toEqual({ calls: 1, self: 10, total: 10 })
  expect(row(trace, 'write')).toEqual({ calls: 1, self: 4, total: 14 })
  expect(row(trace, 'user')).toMatchObject({ calls: 1, self: 2, total: 17 })
})

test('sums are exact whatever is merged, and the number of spans is bounded', () => {
  const w = new EventWriter()
  w.at(0).call('main')
  let now = 0
  for (let k = 0; k < 5000; k++) {
    w.at((now += 3))
      .call('outer')
      .at((now += 2))
      .call('inner')
      .at((now += 4))
      .ret()
      .at((now += 1))
      .ret()
    if (k % 100 === 99)
      w.at((now += 5))
        .call('long')
        .at((now += 200))
        .ret()
  }
  w.at(now + 10).ret()
  const exact = build(w, { minSpanNs: 1 })
  const w2 = new EventWriter()
  w2.at(0).call('main')
  now = 0
  for (let k = 0; k < 5000; k++) {
    w2.at((now += 3))
      .call('outer')
      .at((now += 2))
      .call('inner')
      .at((now += 4))
      .ret()
      .at((now += 1))
      .ret()
    if (k % 100 === 99)
      w2.at((now += 5))
        .call('long')
        .at((now += 200))
        .ret()
  }
  w2.at(now + 10).ret()
  const merged = build(w2, { maxSpans: 500 })
  expect(exact.spans.length).toBe(10051)
  expect(merged.spans.length).toBeLessThanOrEqual(500)
  expect(merged.functions.self).toEqual(exact.functions.self)
  expect(merged.functions.total).toEqual(exact.functions.total)
  expect(merged.functions.calls).toEqual(exact.functions.calls)
  // A merged neighbour says how many calls it stands for, and long ones stay.
  const long = merged.functions.names.indexOf('long')
  expect(merged.spans.func.filter((f) => f === long).length).toBe(50)
  expect(Math.max(...merged.spans.calls)).toBeGreaterThanOrEqual(100)
  expect(merged.meta.notes[0]).toMatch(/all sums are exact/)
  for (const trace of [exact, merged]) rowsAreInOrder(trace)
})

/** Rows never overlap. */
const rowsAreInOrder = (trace: Trace): void => {
  const ends = new Map<number, number>()
  const { spans } = trace
  for (let k = 0; k < spans.length; k++) {
    const key = spans.lane[k]! * 65536 + spans.depth[k]!
    expect(spans.start[k]).toBeGreaterThanOrEqual(ends.get(key) ?? 0)
    expect(spans.end[k]).toBeGreaterThanOrEqual(spans.start[k]!)
    ends.set(key, spans.end[k]!)
  }
}

test('the same events in slices give the same trace', () => {
  const write = (cut: boolean): Trace => {
    const w = new EventWriter()
    const builder = new SpanBuilder({ minSpanNs: 1 })
    let now = 0
    for (let k = 0; k < 100; k++) {
      w.at((now += 7))
        .call('a')
        .at((now += 3))
        .call('b')
        .interrupt(0x40)
        .call('c')
        .at((now += 2))
        .ret()
        .iret()
        .ret()
      if (cut) builder.push({ events: w.take() })
      w.at((now += 5)).ret()
    }
    builder.push({ events: w.take() })
    return builder.snapshot()
  }
  const whole = write(false)
  const slices = write(true)
  expect(slices.spans).toEqual(whole.spans)
  expect(slices.functions).toEqual(whole.functions)
})

test('HLT takes guest time and no instructions', () => {
  const w = new EventWriter()
  w.at(0).call('idle_loop').at(10).idle(10, 10, 50).interrupt(0x40).at(20).iret().at(30).ret()
  const trace = build(w)
  expect(drawTrace(trace, 10)).toBe(
    picture(`
      kernel
        idle_lo
      interrupts
             i
      idle
         ====
    `),
  )
  expect(trace.end).toBe(70)
  expect(trace.endInstructions).toBe(30)
  const idle = trace.lanes.findIndex((l) => l.kind === 'idle')
  const k = trace.spans.lane.indexOf(idle)
  expect([trace.spans.start[k], trace.spans.end[k]]).toEqual([10, 50])
  expect([trace.spans.startInstructions[k], trace.spans.endInstructions[k]]).toEqual([10, 10])
  expect(row(trace, 'idle_loop')).toMatchObject({ self: 20, total: 20 })
})

test("where HLT's events do not tell the time, the slice's clock shares out what instructions do not explain", () => {
  const w = new EventWriter()
  w.at(0).call('idle_loop').at(10).idle(0, 10, 0).at(20).idle(0, 20, 0).at(30).ret()
  const builder = new SpanBuilder({ minSpanNs: 1 })
  builder.push({ events: w.take(), clock: { instructions: 40, guestNs: 240, wallNs: 480 } })
  const trace = builder.snapshot()
  expect(trace.end).toBe(240)
  const idle = trace.lanes.findIndex((l) => l.kind === 'idle')
  const spans = Array.from(trace.spans.lane.keys()).filter((k) => trace.spans.lane[k] === idle)
  expect(spans.map((k) => trace.spans.end[k]! - trace.spans.start[k]!)).toEqual([100, 100])
  expect(trace.clock.wallNs.at(-1)).toBe(480)
})

/** Runs a story of system calls told to a NetBSD trace; `exec` are the paths that calls were given, by moment. */
const story = (tell: (w: EventWriter) => void, exec: Readonly<Record<number, string>> = {}, os = 'netbsd'): Trace => {
  const w = new EventWriter()
  w.at(0).call('main').at(2).call('cpu_switchto').at(4).switchTo('lwp1', 'lwp_trampoline')
  w.at(10).cr3(INIT).iret('user1')
  tell(w)
  const builder = new SpanBuilder({ minSpanNs: 1, os })
  builder.push({
    events: w.take(),
    notes: [
      { kind: 'init', instructions: 10, path: '/sbin/init' },
      ...Object.entries(exec).map(([at, path]) => ({ kind: 'exec' as const, instructions: Number(at), path })),
    ],
  })
  return builder.snapshot()
}
const processes = (trace: Trace) => trace.lanes.filter((l) => l.kind === 'process').map((l) => l.name)
const INIT = 0x1000n
const CHILD = 0x2000n
const OTHER = 0x3000n
const FORK = 0x401234n

test('execve renames a process and its spans when it succeeds', () => {
  const trace = story(
    (w) => {
      w.at(20).syscall('lwp1', 59).at(28).sysret('user1', 2, true).at(30).syscall('lwp1', 59)
      w.at(40).cr3(CHILD).iret('user1', 0x400100n).at(60)
      w.syscall('lwp1', 20).at(64).sysret('user1', 1).at(70).syscall('lwp1', 4)
    },
    { 20: '/no/such', 30: '/bin/sh\u202e\u0007' },
  )
  expect(processes(trace)).toEqual(['/bin/sh (1)'])
  expect(trace.lanes.find((l) => l.kind === 'process')).toMatchObject({ pid: 1, path: '/bin/sh' })
  expect(trace.marks.filter((m) => m.kind === 'exec').map((m) => [m.at, m.text])).toEqual([
    [10, '/sbin/init'],
    [40, '/bin/sh'],
  ])
  expect(drawTrace(trace).split('\n').slice(-3).join('\n')).toBe(
    picture(`
      /bin/sh (1)
                  /sbin/init====================/bin/sh=======================
                            execve==  execve====                    getp
    `),
  )
})

test("fork's child is told by where it comes back, its pid by its parent; wait4 ends it", () => {
  const trace = story(
    (w) => {
      w.at(20).syscall('lwp1', 2, FORK).at(24).sysret('user1', 54, false, FORK)
      w.at(30).syscall('lwp1', 449).at(32).call('sys_wait').at(33).call('cpu_switchto')
      // The child, then its program on the same page tables.
      w.at(36).switchTo('lwp2', 'lwp_trampoline').at(38).cr3(CHILD).at(40).iret('user1', FORK)
      w.at(44).syscall('lwp2', 59).at(50).iret('user2', 0x400100n).at(56).syscall('lwp2', 1)
      w.at(58).call('exit1').at(59).call('cpu_switchto').at(60).switchTo('lwp1').at(61).ret().at(62).cr3(INIT)
      w.sysret('user1', 54).at(70)
      // A second child gets the dead one's page tables and stack.
      w.syscall('lwp1', 2, FORK).at(74).sysret('user1', 55, false, FORK).at(78).syscall('lwp1', 449)
      w.at(80).call('sys_wait').at(81).call('cpu_switchto').renew('lwp2')
      w.at(82).switchTo('lwp2', 'lwp_trampoline').at(84).cr3(CHILD).iret('user1', FORK).at(90).syscall('lwp2', 4)
    },
    { 44: '/bin/ls' },
  )
  expect(processes(trace)).toEqual(['/sbin/init (1)', '/bin/ls (54)', '/sbin/init (55)'])
})

test('children of one parent run in the order of their forks unless getpid says otherwise', () => {
  const fork = (w: EventWriter, at: number, pid: number) =>
    w
      .at(at)
      .syscall('lwp1', 2, FORK)
      .at(at + 2)
      .sysret('user1', pid, false, FORK)
  const child = (w: EventWriter, at: number, lwp: string, space: bigint, pid?: number) => {
    w.at(at)
      .switchTo(lwp, 'lwp_trampoline')
      .at(at + 1)
      .cr3(space)
      .iret('user1', FORK)
    if (pid !== undefined)
      w.at(at + 2)
        .syscall(lwp, 20)
        .at(at + 3)
        .sysret('user1', pid)
    w.at(at + 4)
      .syscall(lwp, 3)
      .at(at + 5)
      .call('cpu_switchto')
  }
  const run = (pids: boolean) =>
    processes(
      story((w) => {
        fork(w, 20, 7)
        fork(w, 30, 8)
        w.at(40).syscall('lwp1', 449).at(41).call('cpu_switchto')
        child(w, 50, 'lwp2', CHILD, pids ? 8 : undefined)
        child(w, 60, 'lwp3', OTHER, pids ? 7 : undefined)
      }),
    )
  expect(run(false)).toEqual(['/sbin/init (1)', '/sbin/init (7)', '/sbin/init (8)'])
  expect(run(true)).toEqual(['/sbin/init (1)', '/sbin/init (8)', '/sbin/init (7)'])
})

test("vfork's child shares its parent's page tables until execve, and is another process all the same", () => {
  const trace = story(
    (w) => {
      w.at(20).syscall('lwp1', 66, FORK).at(22).call('cpu_switchto')
      w.at(24).switchTo('lwp2', 'lwp_trampoline').at(26).iret('user1', FORK).at(30).syscall('lwp2', 59)
      w.at(40).cr3(CHILD).iret('user2', 0x400100n).at(44).syscall('lwp2', 3).at(46).call('cpu_switchto')
      w.at(50).switchTo('lwp1').at(52).cr3(INIT).sysret('user1', 9, false, FORK).at(60).syscall('lwp1', 4)
    },
    { 30: '/bin/cat' },
  )
  expect(processes(trace)).toEqual(['/sbin/init (1)', '/bin/cat (9)'])
})

test("posix_spawn's child is the program it was given, its pid what wait4 returns", () => {
  const trace = story(
    (w) => {
      w.at(20).syscall('lwp1', 474).at(22).sysret('user1', 0).at(24).syscall('lwp1', 449).at(26).call('cpu_switchto')
      w.at(30).switchTo('lwp2', 'lwp_trampoline').at(32).cr3(CHILD).iret('user2', 0x400100n)
      w.at(40).syscall('lwp2', 1).at(42).call('cpu_switchto').at(44).switchTo('lwp1').at(46).cr3(INIT)
      w.sysret('user1', 12).at(50).syscall('lwp1', 4)
    },
    { 20: '/bin/date' },
  )
  expect(processes(trace)).toEqual(['/sbin/init (1)', '/bin/date (12)'])
})

test('system calls have names where the system is known, by SYSCALL and by INT 80h', () => {
  const calls = (w: EventWriter) => {
    w.at(20).syscall('lwp1', 290).at(24).sysret('user1').at(28).syscall('lwp1', 4000).at(30).sysret('user1')
    w.at(34)
      .raw(3, 0x80 | ARGUMENT_SOFTWARE | (5 << 16), 0x401002n, 0xffff_8000_1000_ff00n)
      .at(36)
      .iret('user1')
  }
  const names = (os: string) => story(calls, {}, os).functions.names.filter((name) => /writev|write|system/.test(name))
  expect(names('netbsd')).toEqual(['pwritev', 'system call 4000', 'write'])
  expect(names('linux')).toEqual(['system call 290', 'system call 4000', 'system call 4'])
})

test('stages come from calls, the console and user mode; the last one is where a boot arrives', () => {
  const w = new EventWriter()
  const symbols = { main: w.addressOf('main'), configure: w.addressOf('configure') }
  expect(symbols.main).not.toBe(symbols.configure)
  w.at(100).call('main').at(300).call('configure').at(500).ret().at(600).cr3(0x1000n).iret('user1').at(900)
  const builder = new SpanBuilder({
    symbols: w.symbols,
    entry: 0x3f8440,
    stages: [
      { name: 'start_pvh', marks: [{ kind: 'entry' }] },
      { name: 'main', marks: [{ kind: 'call', symbol: 'main' }] },
      { name: 'never', marks: [{ kind: 'call', symbol: 'no_such' }] },
      {
        name: 'configure',
        marks: [
          { kind: 'call', symbol: 'gone' },
          { kind: 'console', pattern: 'mainbus0' },
        ],
      },
      { name: 'init', marks: [{ kind: 'user' }] },
      { name: 'prompt', marks: [{ kind: 'console', pattern: '# $' }] },
    ],
  })
  const text = (s: string) => new TextEncoder().encode(s)
  const line = { kind: 'console', device: 'uart', unit: 0, done: 0 } as const
  builder.push({
    events: w.take(),
    notes: [
      { ...line, instructions: 50, bytes: text('# \n') },
      { ...line, instructions: 350, bytes: text('main') },
      { ...line, instructions: 360, bytes: text('bus0 (root)\n') },
      { ...line, instructions: 800, bytes: text('# ') },
    ],
    clock: { instructions: 1000, guestNs: 1000, wallNs: 0 },
  })
  const { stages, marks } = builder.snapshot()
  expect(stages.map((s) => [s.name, s.start, s.end, s.mark, s.share])).toEqual([
    ['start_pvh', 0, 100, 'entry', 0.125],
    ['main', 100, 350, 'call', 0.3125],
    ['configure', 350, 600, 'console', 0.3125],
    ['init', 600, 800, 'user', 0.25],
    ['prompt', 800, 1000, 'console', 0],
  ])
  expect(marks.map((m) => m.text)).toEqual(['# ', 'mainbus0 (root)', '# '])
})

test('device requests have a lane, side by side where they overlap', () => {
  const builder = new SpanBuilder({ os: 'netbsd' })
  const device = { kind: 'device', device: 'virtio-blk', unit: 0, request: 'read' } as const
  builder.push({
    events: new Uint8Array(0),
    notes: [
      { ...device, instructions: 10, done: 40, sector: 64, bytes: 8192 },
      { ...device, instructions: 20, done: 30 },
      { ...device, instructions: 60, done: 60 },
    ],
    clock: { instructions: 100, guestNs: 100, wallNs: 0 },
  })
  const trace = builder.snapshot()
  expect(drawTrace(trace, 5)).toBe(
    picture(`
      ld0
          ld0 re
            ld
    `),
  )
  expect(trace.marks[0]).toMatchObject({ kind: 'device', at: 10, text: 'ld0 read sector 64, 8192 bytes' })
  expect(trace.spans.length).toBe(3)
})

test('32-bit code before paging has the names of the high half', () => {
  const w = new EventWriter()
  const builder = new SpanBuilder({
    symbols: [{ name: 'start_pvh', address: 0xffffffff803f8440n, size: 0x100 }],
    entry: 0x3f8440,
    minSpanNs: 1,
  })
  w.at(5).raw(1, 0, 0x3f8460n, 0x9000n).at(9).raw(2, 0, 0x3f8444n, 0x9004n)
  w.at(20).call('main')
  builder.push({ events: w.at(30).cr3(0n).take() })
  expect(drawTrace(builder.snapshot())).toBe(
    picture(`
      kernel
        start_pvh===========0xffffffff
             star
    `),
  )
})

test('events of a hostile or broken guest neither throw nor grow without bound', () => {
  let seed = 1
  const random = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) / 2 ** 32
  const words = new Uint32Array(200_000 * 8)
  for (let k = 0; k < words.length; k++) words[k] = random() * 2 ** 32
  for (let k = 0; k < words.length; k += 8) {
    words[k] = random() * 12
    if (random() < 0.5) words[k + 5] = random() * 4 > 1 ? 0xffffffff : 0
    if (random() < 0.5) words[k + 4] = words[k + 4]! & 0xfff8
    words[k + 6] = k
    words[k + 7] = 0
  }
  const builder = new SpanBuilder({ maxSpans: 5000 })
  const began = processorMs()
  builder.push({ events: new Uint8Array(words.buffer) })
  const trace = builder.snapshot()
  expect(processorMs() - began).toBeLessThan(10_000)
  expect(trace.spans.length).toBeLessThan(20_000)
  expect(trace.lanes.length).toBeLessThan(600)
  rowsAreInOrder(trace)
})

test('a live trace is the snapshot without its short spans and its stacks, and leaves nothing behind', () => {
  const { symbols, slices } = syntheticEvents(40_000, 3, 600, 9000)
  const watched = new SpanBuilder({ symbols })
  const alone = new SpanBuilder({ symbols })
  let names = 0
  for (const slice of slices) {
    watched.push(slice)
    alone.push(slice)
    const live = watched.live(3000, 500, names)
    const all = alone.snapshot()
    expect(live.spans).toEqual(longSpans(all.spans, 3000, 500))
    expect(live.functions.names).toEqual(all.functions.names.slice(names))
    expect(live.functions.self).toEqual(all.functions.self)
    expect(live.stacks.length).toBe(0)
    expect([live.end, live.lanes, live.marks]).toEqual([all.end, all.lanes, all.marks])
    names = live.functions.length
  }
  expect(watched.snapshot()).toEqual(alone.snapshot())
})
