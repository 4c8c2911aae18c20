/**
 * Whole machines in the hands of random programs (guest-program.ts), both profiles, every device plugged. What must
 * hold: nothing is thrown, a slice ends in time, nothing is written that is not the guest's (guards.ts); under icount
 * the same program does the same again, on the same machine after a reset and on a new one with the other engine.
 */
import { hex } from '../src/base/hex.ts'
import { nodeHost } from '../src/headless/node-host.ts'
import { RAM_OFFSET, WASM_PAGE } from '../src/machine/board/memory.ts'
import { buildElf } from '../src/machine/boot/testing/elf-builder.ts'
import { createMachine, type HostMemory, type Machine, type MachineExit, OverlayDisk } from '../src/machine/index.ts'
import { MiB, PROFILES, virtioSlots } from '../src/machine/layout.ts'
import { type ClockName, DEFAULTS, type ProfileName, virtioSlotsTaken } from '../src/settings/settings.ts'
import { Random } from '../vectors/random.ts'
import { type Family, Stopwatch } from './family.ts'
import { GUARD_BYTES, Guards } from './guards.ts'
import { IMAGE, randomProgram } from './guest-program.ts'

const MEMORY_MIB = 32
/** Every virtio device, and two disks. */
const PLUGGED = { net: 'user', rng: true, virtioConsole: true } as const
const INSTRUCTIONS = 200_000
/** A slice is asked to end after SLICE_MS; the host is shared, so this is generous. */
const SLICE_MS = 20
const SLICE_LIMIT_MS = 4000
/** A program whose handlers fault for ever gets no further. */
const STUCK_MS = 200

interface Outcome {
  readonly exit: MachineExit | undefined
  readonly idle: boolean
  /** Everything that a repetition must give again. */
  readonly text: string
}

class Board {
  readonly machine: Machine
  readonly slots: readonly number[]
  readonly #guards: Guards
  readonly #disks: readonly OverlayDisk[]
  readonly #watch: Stopwatch
  #kernel: Uint8Array
  #console = 0
  #bytes = 0

  constructor(
    profile: ProfileName,
    clock: ClockName,
    trace: boolean,
    translated: boolean,
    kernel: Uint8Array,
    watch: Stopwatch,
  ) {
    this.#kernel = kernel
    this.#watch = watch
    const host = nodeHost()
    let memory: HostMemory | undefined
    this.#disks = [
      new OverlayDisk(new Uint8Array(100 * 512), { id: 'one' }),
      new OverlayDisk(new Uint8Array(3 * 512), { id: 'two', readOnly: true }),
    ]
    const current = (): Uint8Array => this.#kernel
    const made = createMachine(
      {
        ...DEFAULTS,
        profile,
        memoryMiB: MEMORY_MIB,
        get kernel() {
          return current()
        },
        initrd: new Uint8Array(5000).fill(0x77),
        cmdline: 'fuzz',
        disks: this.#disks,
        ...PLUGGED,
        clock,
        engine: translated ? 'auto' : 'interp',
        // Not eager: timers that fire on and on would have it compile at every interrupt, which no policy of ours does.
        translation: { period: 997, looks: 1 },
        cpu: { 'tsc-deadline': true },
        fwCfg: new Map([['opt/fuzz', new Uint8Array(100).fill(0x55)]]),
        trace,
        epoch: 0,
      },
      {
        ...host,
        createMemory: (pages) => {
          memory = host.createMemory(pages + GUARD_BYTES / WASM_PAGE)
          return memory
        },
      },
      {
        console: (bytes) => {
          for (const byte of bytes) this.#console = (Math.imul(this.#console, 31) + byte) | 0
          this.#bytes += bytes.length
        },
        log: () => {},
      },
    )
    if (!made.ok) throw new Error(made.problem.saw)
    this.machine = made.value
    this.slots = virtioSlots(PROFILES[profile], virtioSlotsTaken(PLUGGED, this.#disks.length)).map((slot) => slot.base)
    this.#guards = new Guards(memory!.buffer, RAM_OFFSET, MEMORY_MIB * MiB)
  }

  /** From power-on to the end of the program, or as far as it is let. */
  run(kernel: Uint8Array): Outcome {
    const { machine } = this
    this.#kernel = kernel
    for (const disk of this.#disks) disk.discard()
    machine.reset()
    this.#console = 0
    this.#bytes = 0
    machine.send(Uint8Array.of(0x61, 0x62, 0x63))
    machine.resizeConsole(100, 40)
    let exit: MachineExit | undefined
    let idle = false
    const start = performance.now()
    for (;;) {
      const slice = this.#watch.time('a slice', () => machine.run(SLICE_MS))
      exit = slice.exit
      idle = slice.state === 'idle'
      if (slice.state !== 'running') break
      if (machine.figures().instructions > INSTRUCTIONS || performance.now() - start > STUCK_MS) break
    }
    this.#guards.check('the program')
    const { instructions, guestNs } = machine.figures()
    const registers = machine.registers()
    return {
      exit,
      idle,
      text: JSON.stringify(
        { exit, instructions, guestNs, registers, console: this.#console, bytes: this.#bytes },
        (_, value) => (typeof value === 'bigint' ? hex(value) : value),
      ),
    }
  }
}

export class BoardFuzzer implements Family {
  readonly #watch = new Stopwatch(SLICE_LIMIT_MS)
  readonly #boards = new Map<string, Board>()
  readonly exits = new Map<string, number>()
  #repeated = 0

  get done(): string {
    const exits = [...this.exits].map(([how, n]) => `${how} ${n}`).join(', ')
    return `ended by ${exits}; ${this.#repeated} repeated alike; longest slice ${this.#watch.longestMs.toFixed(0)} ms`
  }

  round(seed: number, index: number): void {
    const r = new Random(0xb0a2d, seed, index)
    const profile: ProfileName = r.pick(['microvm', 'firecracker'])
    const clock: ClockName = r.pick(['icount', 'icount', 'icount', 'wall'])
    const trace = r.chance(20)
    const translated = r.chance(30)
    const target = this.#board(profile, clock, trace, translated)
    const program = randomProgram(r, { profile: PROFILES[profile], ramBytes: MEMORY_MIB * MiB, slots: target.slots })
    const kernel = buildElf({ bits: 32, segments: [{ paddr: IMAGE, bytes: program.image }] })
    const outcome = target.run(kernel)
    const how = outcome.exit?.reason ?? (outcome.idle ? 'idle' : 'limit')
    this.exits.set(how, (this.exits.get(how) ?? 0) + 1)
    if (clock === 'wall' || how === 'limit') return
    if (r.chance(10)) this.#same(outcome, target.run(kernel), 'after a reset')
    else if (r.chance(2))
      this.#same(outcome, this.#fresh(profile, trace, !translated, kernel), 'on a new machine and the other engine')
  }

  #fresh(profile: ProfileName, trace: boolean, translated: boolean, kernel: Uint8Array): Outcome {
    return new Board(profile, 'icount', trace, translated, kernel, this.#watch).run(kernel)
  }
  #same(first: Outcome, second: Outcome, when: string): void {
    if (second.exit === undefined && !second.idle) return
    if (first.text !== second.text) throw new Error(`not the same ${when}:\n${first.text}\n${second.text}`)
    this.#repeated++
  }
  #board(profile: ProfileName, clock: ClockName, trace: boolean, translated: boolean): Board {
    const key = `${profile} ${clock} ${trace} ${translated}`
    let board = this.#boards.get(key)
    if (board === undefined) {
      board = new Board(profile, clock, trace, translated, buildElf(), this.#watch)
      this.#boards.set(key, board)
    }
    return board
  }
}
