import { expect, test } from 'vitest'
import { BLOCK, GENERAL, KEPT, PLACES, STATE_BYTES } from './block.ts'
import { SEGMENT_BYTES, STATE } from './layout.ts'
import { TLB } from './record.ts'

const fields = Object.entries(BLOCK).map(([name, { bytes }]) => ({
  name,
  at: PLACES[name as keyof typeof PLACES],
  end: PLACES[name as keyof typeof PLACES] + bytes,
}))

test('fields follow one another and end before the engine’s other memory', () => {
  for (const [i, { name, at }] of fields.entries()) expect(at, name).toBeGreaterThanOrEqual(fields[i - 1]?.end ?? 0)
  expect(fields.at(-1)!.end).toBeLessThanOrEqual(STATE_BYTES)
  expect(STATE + STATE_BYTES).toBeLessThanOrEqual(TLB)
})
test('general registers are slots, 8 bytes each, in the encoding’s order (SDM 2A table 2-2)', () => {
  expect(GENERAL.join(' ')).toBe('RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10 R11 R12 R13 R14 R15')
  expect(GENERAL.map((name) => PLACES[name])).toEqual(GENERAL.map((_, n) => n * 8))
})
test('slots can be named by a byte', () => {
  for (const name of ['SLOT_ZERO', 'SLOT_PAGE', 'SLOT_EA', 'SLOT_FS_BASE', 'SLOT_GS_BASE'] as const)
    expect(PLACES[name]).toBeLessThan(0x100)
})
test('what is counted through lies close together: debug registers, segment bases', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 7].map((n) => PLACES[`DR${n}` as 'DR0'] - PLACES.DR0)).toEqual(
    [0, 1, 2, 3, 4, 5, 6, 7].map((n) => n * 8),
  )
  expect(PLACES.SLOT_FS_BASE).toBe(PLACES.SLOT_SEGMENT_BASE + 4 * 8)
  expect(PLACES.SLOT_GS_BASE).toBe(PLACES.SLOT_SEGMENT_BASE + 5 * 8)
  expect(BLOCK.SEGMENTS.bytes).toBe(8 * SEGMENT_BYTES)
})
test('a snapshot keeps what the manual calls the state, under its names (docs/snapshot-format.md)', () => {
  expect(KEPT.map(({ name }) => name).join(' ')).toBe(
    'RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10 R11 R12 R13 R14 R15 RIP CR0 CR2 CR3 CR4 EFER XCR0 GDTR_BASE IDTR_BASE FIP FDP ' +
      'GDTR_LIMIT IDTR_LIMIT FCW FSW FTW FOP FCS FDS RFLAGS DR0 DR1 DR2 DR3 DR6 DR7 SEGMENTS CPL XMM ST MXCSR repeating',
  )
})
