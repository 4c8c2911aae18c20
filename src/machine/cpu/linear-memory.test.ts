/**
 * What a debugger sees of linear memory and puts there (`peek`, `poke`): page by page through the guest's own tables (SDM 3A
 * 4.3), whatever their rights, and without a trace in them. Code that is written to runs as it was written, translated or not.
 */
import { beforeEach, describe, expect, test } from 'vitest'
import { type BareCpu, bareCpu } from '../../../vectors/bare-cpu.ts'
import { EAGER } from '../engine/regions/registry.ts'

const RAM = 0x10_0000
const DIRECTORY = 0x1000
const TABLE = 0x2000
/** Where linear 4 MiB is mapped from, and physical pages that do not lie beside each other. */
const LINEAR = 0x40_0000
const PAGES = { first: 0x5000, readOnly: 0x9000, beyondRam: 0x20_0000, code: 0x3000 }

// Page table entries, SDM 3A table 4-6.
const P = 1
const RW = 2
const CODE = PAGES.code

/** Paging as for a 32-bit kernel with CR0.WP: the low 1 MiB onto itself, and at LINEAR the pages above. */
const enablePaging = ({ cpu, ram }: BareCpu): void => {
  cpu.resetToPvh(CODE, 0)
  ram.writeU32(DIRECTORY, 0x7000 | P | RW)
  for (let page = 0; page < RAM / 4096; page++) ram.writeU32(0x7000 + 4 * page, (page * 4096) | P | RW)
  ram.writeU32(DIRECTORY + 4, TABLE | P | RW)
  ram.writeU32(TABLE, PAGES.first | P | RW)
  ram.writeU32(TABLE + 4, PAGES.readOnly | P)
  ram.writeU32(TABLE + 12, PAGES.code | P | RW)
  ram.writeU32(TABLE + 16, PAGES.beyondRam | P | RW)
  const state = cpu.save()
  const [PE, WP, PG] = [1n, 1n << 16n, 1n << 31n]
  cpu.load({ ...state, CR0: (state['CR0'] as bigint) | PE | WP | PG, CR3: BigInt(DIRECTORY) })
}

const made = (translate?: typeof EAGER): BareCpu => {
  const one = bareCpu(RAM, 0, () => {}, translate)
  enablePaging(one)
  return one
}
const linear = (page: number, offset = 0): bigint => BigInt(LINEAR + page * 4096 + offset)

describe('poke', () => {
  let one: BareCpu
  beforeEach(() => {
    one = made()
  })

  test('goes on in the page that the tables say is next', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6)
    expect(one.cpu.memory.poke(linear(0, 4093), bytes)).toBe(6)
    expect([...one.ram.bytes.subarray(PAGES.first + 4093, PAGES.first + 4096)]).toEqual([1, 2, 3])
    expect([...one.ram.bytes.subarray(PAGES.readOnly, PAGES.readOnly + 4)]).toEqual([4, 5, 6, 0])
    expect(one.ram.bytes[PAGES.first + 4096]).toBe(0)
    const seen = new Uint8Array(6)
    expect(one.cpu.memory.peek(linear(0, 4093), seen)).toBe(6)
    expect(seen).toEqual(bytes)
  })

  test('writes a page that the guest may only read, which a write of the guest’s may not', () => {
    expect(() => one.cpu.memory.writeBlock(linear(1), Uint8Array.of(7))).toThrow()
    expect(one.cpu.memory.poke(linear(1), Uint8Array.of(7))).toBe(1)
    expect(one.ram.bytes[PAGES.readOnly]).toBe(7)
  })

  test('ends where nothing is mapped, or no RAM is, and says how far it came', () => {
    const bytes = new Uint8Array(8).fill(9)
    expect(one.cpu.memory.poke(linear(1, 4091), bytes)).toBe(5)
    expect(one.cpu.memory.poke(linear(2), bytes)).toBe(0)
    expect(one.cpu.memory.poke(linear(4), bytes)).toBe(0)
    expect(one.cpu.memory.peek(linear(1, 4091), new Uint8Array(8))).toBe(5)
  })

  test('leaves no trace in the tables: neither accessed nor dirty', () => {
    const before = one.ram.bytes.slice(0x1000, 0x3000)
    one.cpu.memory.poke(linear(0, 4093), Uint8Array.of(1, 2, 3, 4, 5, 6))
    one.cpu.memory.peek(linear(0), new Uint8Array(5000))
    expect(one.ram.bytes.slice(0x1000, 0x3000)).toEqual(before)
  })
})

// L: inc eax; 30 nops; jmp L. A region is worth making of it.
const LOOP = [0x40, ...new Array<number>(30).fill(0x90), 0xeb, 0xdf]
const TURN = LOOP.length - 1
const DEC_EAX = 0x48

test.each([
  ['interpreted', undefined],
  ['translated', EAGER],
] as const)('%s code runs as it was poked, through whichever mapping', (how, translate) => {
  const { cpu, ram } = made(translate)
  ram.write(CODE, Uint8Array.from(LOOP))
  const eax = (): number => cpu.state.get32(0) | 0
  cpu.run(1000 * TURN)
  expect(eax()).toBe(1000)
  if (how === 'translated') expect(cpu.translation['translated']).toBeGreaterThan(0)
  expect(cpu.memory.poke(linear(3), Uint8Array.of(DEC_EAX))).toBe(1)
  cpu.run(400 * TURN)
  expect(eax()).toBe(600)
  expect(cpu.memory.poke(BigInt(CODE), Uint8Array.of(LOOP[0]))).toBe(1)
  cpu.run(100 * TURN)
  expect(eax()).toBe(700)
})
