import { describe, expect, test } from 'vitest'
import { ProblemError } from '../base/problem.ts'
import { type PartState, StateReader } from './part.ts'

const read = (state: PartState): StateReader => new StateReader(state, 'uart')

describe('a state is read strictly', () => {
  test('what a part could have saved is taken as it is', () => {
    const s = read({
      byte: 255,
      word: 0xffff_ffff,
      long: 2n ** 64n - 1n,
      time: 1.5,
      never: Infinity,
      on: true,
      name: 'x',
      fifo: Uint8Array.of(1, 2),
      queue: [Uint8Array.of(1), Uint8Array.of()],
      table: [1, 2, 3],
      inner: { deep: 1 },
    })
    expect(s.u8('byte')).toBe(255)
    expect(s.u32('word')).toBe(0xffff_ffff)
    expect(s.u64('long')).toBe(2n ** 64n - 1n)
    expect(s.ns('time')).toBe(1.5)
    expect(s.nsOrNever('never')).toBe(Infinity)
    expect(s.flag('on')).toBe(true)
    expect(s.oneOf('name', ['x', 'y'])).toBe('x')
    expect(s.bytes('fifo', 2)).toEqual(Uint8Array.of(1, 2))
    expect(s.byteStrings('queue', 2, 1)).toHaveLength(2)
    expect(s.u32s('table', 3)).toEqual([1, 2, 3])
    const inner = s.group('inner')
    expect(inner.u8('deep')).toBe(1)
    inner.end()
    s.end()
  })

  test.each<[string, PartState, (s: StateReader) => unknown]>([
    ['missing', {}, (s) => s.u8('x')],
    ['too large', { x: 256 }, (s) => s.u8('x')],
    ['negative', { x: -1 }, (s) => s.u32('x')],
    ['a fraction', { x: 0.5 }, (s) => s.u32('x')],
    ['not a number', { x: NaN }, (s) => s.ns('x')],
    ['before power-on', { x: -1 }, (s) => s.nsOrNever('x')],
    ['of another type', { x: '1' }, (s) => s.u8('x')],
    ['a number for a 64-bit integer', { x: 1 }, (s) => s.u64('x')],
    ['wider than 64 bits', { x: 1n << 64n }, (s) => s.u64('x')],
    ['a number for a flag', { x: 1 }, (s) => s.flag('x')],
    ['no value of the few', { x: 3 }, (s) => s.oneOf('x', [0, 2])],
    ['bytes of another length', { x: new Uint8Array(3) }, (s) => s.bytes('x', 2)],
    ['more byte strings than may wait', { x: [new Uint8Array(1), new Uint8Array(1)] }, (s) => s.byteStrings('x', 1, 9)],
    ['a list with something else in it', { x: [1, '2'] }, (s) => s.u32s('x', 2)],
    ['inherited, not given', {}, (s) => s.text('toString', 99)],
    ['a name nobody asked for', { x: 1 }, (s) => s.end()],
  ])('%s is refused in a sentence that names the part', (_, state, take) => {
    expect(() => take(read(state))).toThrow(ProblemError)
    expect(() => take(read(state))).toThrow(/uart/)
  })
})
