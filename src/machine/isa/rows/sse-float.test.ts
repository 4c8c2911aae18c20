import { describe, expect, test } from 'vitest'
import { SSE_HOST } from '../../cpu/softfloat/host.ts'
import { anyMxcsr, floats32, floats64 } from '../testing/floats.ts'
import { nativeMissing } from '../testing/native.ts'
import { integers, verifyRow } from '../testing/verify.ts'
import { SSE_FLOAT_ROWS } from './sse-float.ts'

const missing = nativeMissing(['sse2', 'sse3'])
const skipped = missing ? ` (skipped: ${missing})` : ''

describe.skipIf(missing !== undefined)(`floating point does what this CPU does${skipped}`, () => {
  test.each(SSE_FLOAT_ROWS.map((row) => [row.text, row] as const))('%s', (_, row) => {
    const fromIntegers = /^CVT(SI|PI|DQ)/.test(row.mnemonic)
    const doubles = /(PD|SD)$|(SD|PD)2/.test(row.mnemonic) && !/2[PS]D$/.test(row.mnemonic)
    const fill = fromIntegers ? integers : doubles ? floats64 : floats32
    const immediates = row.mnemonic.startsWith('CMP') ? [0, 1, 2, 3, 4, 5, 6, 7, 0xf8, 0x1f] : undefined
    const options = { hosts: SSE_HOST, fill, mxcsr: anyMxcsr, cases: 4000 }
    expect(verifyRow(row, immediates ? { ...options, immediates } : options).failures).toEqual([])
  })
})
