/**
 * String instructions, plain and repeated: MOVS STOS LODS CMPS SCAS; INS and OUTS go through TypeScript. SDM 2A, 2B.
 *
 * A repeated instruction does one iteration (or, for MOVS and STOS going up within a page, as many as the page holds)
 * and then stays where it is until its count is used up: every iteration is an instruction boundary, as the manual
 * demands, so interrupts and faults find exact state. Iterations count as instructions.
 *
 * What the manual leaves open is as on Intel's processors: the flags of CMPS and SCAS are written when the instruction
 * ends, not at an iteration that something interrupts (SDM 2B REP); with 32-bit addresses in 64-bit mode a repeated
 * instruction cuts RCX to 32 bits, MOVS and STOS their indices too, whether or not an iteration succeeds.
 */
import { i32, i64, i64x2, select, v128 } from '../../../wasm/instructions.ts'
import { memory } from '../../../wasm/module.ts'
import type { Code, I32, I64 } from '../../../wasm/value.ts'
import { portStringName } from '../../semantics/system/port-host.ts'
import { ES, RAX, RCX, RDI, REPEATING, RSI, SLOT_SEGMENT_BASE } from '../../state/layout.ts'
import { REC_SEGMENT, TLB_WRITE } from '../../state/record.ts'
import { type Builder, k, loadInt, state, storeInt } from '../builder.ts'
import { host } from '../host.ts'
import type { Meaning, Operand } from '../operand.ts'
import { type Row, type RowOptions, row } from '../row.ts'

type AddressSize = 16 | 32 | 64
type Repeat = 'none' | 'E' | 'NE'

/** Linear address of ES:rDI, its limit checked for one element. */
const destination = (b: Builder, address: AddressSize, write: boolean): I64 => {
  const di = b.let(b.gpr(RDI, address))
  if (!b.long) b.checkLimit(ES, di, b.bits / 8, write)
  return b.let(b.long ? di : i64.and(i64.add(di, state.load64(SLOT_SEGMENT_BASE + ES * 8)), k(0xffffffff)))
}
/** Many elements at once only where no limit can cut them short. */
const unlimited = (b: Builder, hasSource: boolean): I32 => {
  if (b.long) return i32.const(1)
  const flat = (segment: I32): I32 => b.isClear(segment, k(0xffffffff))
  return hasSource ? i32.and(flat(i32.const(ES)), flat(b.field8(REC_SEGMENT))) : flat(i32.const(ES))
}
/** Bytes to move an index by: the operand size, negative when DF is set. */
const step = (b: Builder): I64 => b.let(select(k(-b.bits / 8), k(b.bits / 8), b.directionFlag()))
const advance = (b: Builder, slot: number, address: AddressSize, by: I64): void =>
  b.setGpr(slot, i64.add(b.gpr(slot, address), by), address)

/** The same instruction again. */
const goOn = (b: Builder): void => {
  b.f.emit(state.store32(REPEATING, i32.const(1)))
  b.at.goto(b.at.record)
}
const finish = (b: Builder): void => b.f.emit(state.store32(REPEATING, i32.const(0)))
/** A repeated instruction with 32-bit addresses writes these registers whatever becomes of it. */
const cutTo32 = (b: Builder, address: AddressSize, slots: readonly number[]): void => {
  if (b.long && address === 32) for (const slot of slots) b.setGpr(slot, b.gpr(slot, 32), 32)
}

/** Runs `iteration` under the prefix's rules. */
const repeated = (b: Builder, address: AddressSize, repeat: boolean, iteration: () => void): void => {
  if (!repeat) {
    iteration()
    return
  }
  b.f.if(i64.ne(b.gpr(RCX, address), k(0)), () => {
    iteration()
    const left = b.let(b.trunc(i64.sub(b.gpr(RCX, address), k(1)), address))
    b.setGpr(RCX, left, address)
    b.f.if(
      i64.ne(left, k(0)),
      () => goOn(b),
      () => finish(b),
    )
  })
}
/** The same for instructions that compare `x` and `y`, and that REPE and REPNE end for what they find. */
const comparing = (
  b: Builder,
  address: AddressSize,
  repeat: Repeat,
  iteration: () => { readonly x: I64; readonly y: I64 },
  skip: () => void,
): void => {
  const compare = (x: I64, y: I64): void => b.flagsSub(x, y, b.let(i64.sub(x, y)))
  if (repeat === 'none') {
    const { x, y } = iteration()
    compare(x, y)
    return
  }
  cutTo32(b, address, [RCX])
  skip()
  b.f.if(i64.ne(b.gpr(RCX, address), k(0)), () => {
    const { x, y } = iteration()
    const left = b.let(b.trunc(i64.sub(b.gpr(RCX, address), k(1)), address))
    b.setGpr(RCX, left, address)
    const found = repeat === 'E' ? i64.eq(x, y) : i64.ne(x, y)
    b.f.if(
      i32.and(i64.ne(left, k(0)), found),
      () => goOn(b),
      () => {
        compare(x, y)
        finish(b)
      },
    )
  })
}

/**
 * How many iterations fit: the count, this slice's instructions, and what `spans` hold up to their page ends. At least 1.
 */
const chunk = (b: Builder, count: I64, spans: readonly I64[]): I64 => {
  let n: I64 = count
  const least = (m: I64): void => {
    const other = b.let(m)
    n = b.let(select(n, other, i64.lt_u(n, other)))
  }
  least(i64.add(i64.extend_i32_u(b.at.budget()), k(1)))
  for (const ea of spans) least(i64.div_u(i64.sub(k(4096), i64.and(ea, k(4095))), k(b.bits / 8)))
  return n
}
/** Machine address of linear `ea` if the TLB array has its page, else 0. */
const cached = (b: Builder, ea: I64, array: number): I32 => {
  const low = b.let(i32.wrap_i64(ea))
  const entry = b.tlbEntry(low)
  return b.let(
    select(
      i32.add(low, i32.load(entry, array + 8)),
      i32.const(0),
      i64.eq(i64.load(entry, array), i64.and(ea, k(-4096))),
    ),
  )
}
const finishChunk = (b: Builder, address: AddressSize, n: I64, slots: readonly number[]): void => {
  const bytes = b.let(i64.mul(n, k(b.bits / 8)))
  for (const slot of slots) advance(b, slot, address, bytes)
  const left = b.let(b.trunc(i64.sub(b.gpr(RCX, address), n), address))
  b.setGpr(RCX, left, address)
  b.at.spend(i32.wrap_i64(i64.sub(n, k(1))))
  b.f.if(
    i64.ne(left, k(0)),
    () => goOn(b),
    () => {
      finish(b)
      b.at.next()
    },
  )
}

/** Stores `value`, of the operand size, over `bytes` bytes at machine address `to`: 16 at a time, then the rest. */
const fillWith = (b: Builder, to: I32, bytes: I32, value: I64): void => {
  const at = b.let(to)
  const end = b.let(i32.add(to, bytes))
  // The operand through 64 bits: the multiplier has a one at the foot of each copy.
  const copies = { 8: 0x0101010101010101n, 16: 0x0001000100010001n, 32: 0x0000000100000001n, 64: 1n }[b.bits]
  const wide = b.let(i64x2.splat(i64.mul(value, k(copies))))
  const whileRoom = (step: number, store: () => Code): void =>
    b.f.loop((again) =>
      b.f.if(i32.le_u(i32.add(at, i32.const(step)), end), () => {
        b.f.emit(store())
        b.f.set(at, i32.add(at, i32.const(step)))
        b.f.br(again)
      }),
    )
  whileRoom(16, () => v128.store(at, wide))
  whileRoom(b.bits / 8, () => storeInt(at, value, b.bits))
}

const movs =
  (address: AddressSize, repeat: boolean): Meaning =>
  (b, source) => {
    if (repeat) cutTo32(b, address, [RCX, RSI, RDI])
    const from = source.address()
    const one = (): void => {
      const value = b.load(from)
      b.store(destination(b, address, true), value)
      const by = step(b)
      advance(b, RSI, address, by)
      advance(b, RDI, address, by)
    }
    if (repeat && address !== 16) {
      const count = b.let(b.gpr(RCX, address))
      b.f.if(i32.and(unlimited(b, true), i32.and(i64.gt_u(count, k(1)), i32.eqz(b.directionFlag()))), () => {
        const to = destination(b, address, true)
        const n = chunk(b, count, [from, to])
        const bytes = b.let(i32.wrap_i64(i64.mul(n, k(b.bits / 8))))
        const fromAt = cached(b, from, 0)
        const toAt = cached(b, to, TLB_WRITE)
        // A destination that starts inside the source repeats the bytes before it; memory.copy would not.
        const apart = i32.ge_u(i32.sub(toAt, fromAt), bytes)
        const both = i32.and(i32.ne(fromAt, i32.const(0)), i32.ne(toAt, i32.const(0)))
        b.f.if(i32.and(i32.and(both, apart), i64.ne(n, k(0))), () => {
          b.f.emit(memory.copy(toAt, fromAt, bytes))
          finishChunk(b, address, n, [RSI, RDI])
        })
      })
    }
    repeated(b, address, repeat, one)
  }

const stos =
  (address: AddressSize, repeat: boolean): Meaning =>
  (b) => {
    if (repeat) cutTo32(b, address, [RCX, RDI])
    const one = (): void => {
      b.store(destination(b, address, true), b.gpr(RAX))
      advance(b, RDI, address, step(b))
    }
    if (repeat && address !== 16) {
      const count = b.let(b.gpr(RCX, address))
      b.f.if(i32.and(unlimited(b, false), i32.and(i64.gt_u(count, k(1)), i32.eqz(b.directionFlag()))), () => {
        const to = destination(b, address, true)
        const n = chunk(b, count, [to])
        const toAt = cached(b, to, TLB_WRITE)
        const value = b.let(b.gpr(RAX))
        // One byte repeated through the operand?
        const pattern = b.let(b.trunc(i64.mul(i64.and(value, k(0xff)), k(0x0101010101010101n))))
        b.f.if(i32.and(i32.ne(toAt, i32.const(0)), i64.ne(n, k(0))), () => {
          const bytes = b.let(i32.wrap_i64(i64.mul(n, k(b.bits / 8))))
          b.f.if(
            i64.eq(value, pattern),
            () => b.f.emit(memory.fill(toAt, i32.wrap_i64(value), bytes)),
            () => fillWith(b, toAt, bytes, value),
          )
          finishChunk(b, address, n, [RDI])
        })
      })
    }
    repeated(b, address, repeat, one)
  }

const lods =
  (address: AddressSize, repeat: boolean): Meaning =>
  (b, source) => {
    if (repeat) cutTo32(b, address, [RCX])
    repeated(b, address, repeat, () => {
      b.setGpr(RAX, b.load(source.address()))
      advance(b, RSI, address, step(b))
    })
  }
/**
 * Takes at once the iterations that surely do not end a repeated comparison: those before the count's last, the page's end
 * and the first element that `ends` it, which the ordinary way then meets. `addresses` are linear, `slots` the registers
 * that move over them.
 */
const skipping = (
  b: Builder,
  address: AddressSize,
  hasSource: boolean,
  addresses: () => readonly I64[],
  slots: readonly number[],
  ends: (elements: readonly I64[]) => I32,
): void => {
  const count = b.let(b.gpr(RCX, address))
  b.f.if(i32.and(unlimited(b, hasSource), i32.and(i64.gt_u(count, k(1)), i32.eqz(b.directionFlag()))), () => {
    const spans = addresses()
    const n = b.let(chunk(b, b.let(i64.sub(count, k(1))), spans))
    const places = spans.map((span) => cached(b, span, 0))
    const all = places.reduce((both, place) => i32.and(both, i32.ne(place, i32.const(0))), i32.const(1))
    b.f.if(all, () => {
      const at = b.let(k(0))
      const bytes = b.let(i64.mul(n, k(b.bits / 8)))
      b.f.loop((again) =>
        b.f.if(i64.lt_u(at, bytes), () => {
          const offset = i32.wrap_i64(at)
          const elements = places.map((place) => b.let(loadInt(i32.add(place, offset), b.bits)))
          b.f.if(i32.eqz(ends(elements)), () => {
            b.f.set(at, i64.add(at, k(b.bits / 8)))
            b.f.br(again)
          })
        }),
      )
      b.f.if(i64.ne(at, k(0)), () => finishChunk(b, address, i64.div_u(at, k(b.bits / 8)), slots))
    })
  })
}
const cmps =
  (address: AddressSize, repeat: Repeat): Meaning =>
  (b, source) => {
    const from = source.address()
    comparing(
      b,
      address,
      repeat,
      () => {
        // Processors read ES:rDI first: it tells in CR2 when both fault.
        const y = b.load(destination(b, address, false))
        const x = b.load(from)
        const by = step(b)
        advance(b, RSI, address, by)
        advance(b, RDI, address, by)
        return { x, y }
      },
      () => {
        if (address === 16) return
        const addresses = () => [from, destination(b, address, false)]
        skipping(b, address, true, addresses, [RSI, RDI], ([x, y]) => endsAt(repeat, x!, y!))
      },
    )
  }
const scas =
  (address: AddressSize, repeat: Repeat): Meaning =>
  (b) =>
    comparing(
      b,
      address,
      repeat,
      () => {
        const x = b.let(b.gpr(RAX))
        const y = b.load(destination(b, address, false))
        advance(b, RDI, address, step(b))
        return { x, y }
      },
      () => {
        if (address === 16) return
        const sought = b.let(b.gpr(RAX))
        skipping(
          b,
          address,
          false,
          () => [destination(b, address, false)],
          [RDI],
          ([y]) => endsAt(repeat, sought, y!),
        )
      },
    )
/** Whether a repeated comparison ends at these elements. */
const endsAt = (repeat: Repeat, x: I64, y: I64): I32 => (repeat === 'E' ? i64.ne(x, y) : i64.eq(x, y))

/** INS and OUTS, any repeat: "ins", operand bits, address bits, "rep" or nothing. */
const portString =
  (name: 'ins' | 'outs', address: AddressSize, repeat: boolean): Meaning =>
  (b, source: Operand | undefined) => {
    const meaning = host(`${name}${portStringName({ bits: b.bits as 8 | 16 | 32, address, repeat })}`)
    ;(meaning as (b: Builder, s?: Operand) => void)(b, source)
  }

/** All operand and address sizes of one string instruction. The source, where there is one, is "m": DS:rSI or overridden. */
const strings = (
  name: string,
  byte: string,
  word: string,
  source: boolean,
  meaning: (address: AddressSize, repeat: 'none' | 'F3' | 'F2') => Meaning,
  hasQuad: boolean,
  facts: RowOptions = {},
): Row[] => {
  const rows: Row[] = []
  for (const asize of [16, 32, 64] as const)
    for (const repeat of ['none', 'F3', 'F2'] as const) {
      const m = meaning(asize, repeat)
      const options: RowOptions = { asize, repeat, modal: true, ...(source ? { base: RSI } : {}), ...facts }
      const operand = source ? ' m' : ''
      const access = source ? 'x' : ''
      rows.push(row(`${name}B${operand}`, byte, access, m, { ...options, parameter: 8 }))
      for (const [suffix, osize] of [
        ['W', 16],
        ['D', 32],
        ['Q', 64],
      ] as const) {
        if (osize === 64 && !hasQuad) continue
        rows.push(
          row(`${name}${suffix}${operand}`, osize === 64 ? `REX.W + ${word}` : word, access, m, { ...options, osize }),
        )
      }
      // INSD and OUTSD ignore REX.W.
      if (!hasQuad)
        rows.push(row(`${name}D${operand}`, `REX.W + ${word}`, access, m, { ...options, osize: 64, parameter: 32 }))
    }
  return rows
}
const either = (repeat: 'none' | 'F3' | 'F2'): boolean => repeat !== 'none'
const REPEAT = { none: 'none', F3: 'E', F2: 'NE' } as const
const memo = <T>(make: (address: AddressSize, repeat: T) => Meaning) => {
  const made = new Map<string, Meaning>()
  return (address: AddressSize, repeat: T): Meaning => {
    const key = `${address}${String(repeat)}`
    let meaning = made.get(key)
    if (meaning === undefined) made.set(key, (meaning = make(address, repeat)))
    return meaning
  }
}
const movsFor = memo(movs)
const stosFor = memo(stos)
const lodsFor = memo(lods)
const cmpsFor = memo(cmps)
const scasFor = memo(scas)
const insFor = memo((a, repeat: boolean) => portString('ins', a, repeat))
const outsFor = memo((a, repeat: boolean) => portString('outs', a, repeat))

export const STRING: readonly Row[] = [
  ...strings('MOVS', 'A4', 'A5', true, (a, r) => movsFor(a, either(r)), true),
  ...strings('CMPS', 'A6', 'A7', true, (a, r) => cmpsFor(a, REPEAT[r]), true, { readsDestination: true }),
  ...strings('STOS', 'AA', 'AB', false, (a, r) => stosFor(a, either(r)), true),
  ...strings('LODS', 'AC', 'AD', true, (a, r) => lodsFor(a, either(r)), true),
  ...strings('SCAS', 'AE', 'AF', false, (a, r) => scasFor(a, REPEAT[r]), true),
  ...strings('INS', '6C', '6D', false, (a, r) => insFor(a, either(r)), false),
  ...strings('OUTS', '6E', '6F', true, (a, r) => outsFor(a, either(r)), false),
]
