import { describe, expect, test } from 'vitest'
import { SSE_HOST } from '../../semantics/softfloat/host.ts'
import { anyMxcsr, floats32, floats64 } from '../testing/floats.ts'
import { hostVendor, nativeMissing } from '../testing/native.ts'
import { forgiveLanes, integers, type VerifyOptions, verifyRow } from '../testing/verify.ts'
import { SSE_FLOAT_ROWS } from './sse-float.ts'

const missing = nativeMissing(['sse2', 'sse3'])
const skipped = missing ? ` (skipped: ${missing})` : ''

/**
 * RCPPS and RSQRTPS are Intel's bit for bit; another processor's approximation is as far from the exact value as this one
 * at most, 1.5 * 2^-12 of it (SDM 2B RCPPS, RSQRTPS).
 */
const approximate = (want: number, got: number): boolean => Math.abs(want - got) <= (3 * Math.abs(want)) / 4096

describe.skipIf(missing !== undefined)(`floating point does what this CPU does${skipped}`, () => {
  test.each(SSE_FLOAT_ROWS.map((row) => [row.text, row] as const))('%s', (_, row) => {
    const fromIntegers = /^CVT(SI|PI|DQ)/.test(row.mnemonic)
    const doubles = /(PD|SD)$|(SD|PD)2/.test(row.mnemonic) && !/2[PS]D$/.test(row.mnemonic)
    const fill = fromIntegers ? integers : doubles ? floats64 : floats32
    const immediates = row.mnemonic.startsWith('CMP') ? [0, 1, 2, 3, 4, 5, 6, 7, 0xf8, 0x1f] : undefined
    const options: VerifyOptions = {
      hosts: SSE_HOST,
      fill,
      mxcsr: anyMxcsr,
      cases: 4000,
      ...(immediates && { immediates }),
      ...(/^R(CP|SQRT)[PS]S$/.test(row.mnemonic) &&
        hostVendor() !== 'intel' && { forgive: forgiveLanes(32, approximate) }),
    }
    expect(verifyRow(row, options).failures).toEqual([])
  })
})
