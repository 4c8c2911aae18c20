import { describe, expect, test } from 'vitest'
import { ProblemError } from '../../base/problem.ts'
import type { StateValue } from '../part.ts'
import { decodeState, encodeState } from './state-code.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('RFC 8949, appendix A', () => {
  test.each<[StateValue, string]>([
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [1000, '1903e8'],
    [1000000, '1a000f4240'],
    [1000000000000, '1b000000e8d4a51000'],
    [-1, '20'],
    [-1000, '3903e7'],
    [18446744073709551616n, 'c249010000000000000000'],
    [-18446744073709551617n, 'c349010000000000000000'],
    [1.1, 'fb3ff199999999999a'],
    [Infinity, 'fb7ff0000000000000'],
    [false, 'f4'],
    [true, 'f5'],
    [Uint8Array.of(1, 2, 3, 4), '4401020304'],
    ['', '60'],
    ['\u00fc', '62c3bc'],
    ['\ud800\udd51', '64f0908591'],
    [[1, [2, 3], [4, 5]], '8301820203820405'],
    [{ a: 1, b: [2, 3] }, 'a26161016162820203'],
  ])('%s', (value, bytes) => {
    expect(hex(encodeState(value))).toBe(bytes)
    expect(decodeState(Buffer.from(bytes, 'hex'))).toEqual(value)
  })
})

test('a bigint comes back as one, however small', () => {
  expect(decodeState(encodeState([0n, 5n, -5n, 2n ** 64n - 1n]))).toEqual([0n, 5n, -5n, 2n ** 64n - 1n])
})

test.each([
  ['nothing', ''],
  ['cut short', '4401'],
  ['more behind it', '0000'],
  ['a list longer than the file', '9affffffff'],
  ['a record longer than the file', 'baffffffff'],
  ['bytes longer than the file', '5affffffff'],
  ['a length not given', '9f01ff'],
  ['a name that is a number', 'a10102'],
  ['a name twice', 'a2616101616102'],
  ['a prototype for a name', `a169${Buffer.from('__proto__').toString('hex')}01`],
  ['a tag unknown', 'c001'],
  ['a bignum of more than 64 bits', 'c24a00000000000000000000'],
  ['null', 'f6'],
  ['a number beyond what a double counts', '1bffffffffffffffff'],
  ['nested deeper than any state', '81'.repeat(1000)],
])('%s is refused', (_, bytes) => {
  expect(() => decodeState(Buffer.from(bytes, 'hex'))).toThrow(ProblemError)
})
