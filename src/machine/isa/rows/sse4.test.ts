import { describe, expect, test } from 'vitest'
import { SSE_HOST } from '../../semantics/softfloat/host.ts'
import { anyMxcsr, floats32, floats64 } from '../testing/floats.ts'
import { hostVendor, nativeMissing } from '../testing/native.ts'
import { type Fill, forgiveLanes, integers, type VerifyOptions, verifyRow } from '../testing/verify.ts'
import { SSE4_ROWS } from './sse4.ts'

const missing = nativeMissing(['sse4.1', 'sse4.2'])
const skipped = missing ? ` (skipped: ${missing})` : ''

/** Few different letters, so that strings match, and ends. */
const letters: Fill = (random, view, at, bytes) => {
  const wide = random.below(2) === 1
  const ends = random.below(3) === 0
  for (let i = 0; i < bytes; i += wide ? 2 : 1) {
    const letter = ends && random.below(8) === 0 ? 0 : random.pick([0x61, 0x62, 0x63, 0x7f, 0x80, 0xff])
    if (wide) view.setUint16(at + i, letter === 0xff ? 0xfffe : letter, true)
    else view.setUint8(at + i, letter)
  }
}

describe.skipIf(missing !== undefined)(`SSE4 does what this CPU does${skipped}`, () => {
  test.each(SSE4_ROWS.map((row) => [`${row.text}: ${row.encoding.text}`, row] as const))('%s', (_, row) => {
    const options: VerifyOptions = { hosts: SSE_HOST, mxcsr: anyMxcsr, cases: 4000 }
    const fill = /^(ROUND.S|DPPS)/.test(row.mnemonic)
      ? floats32
      : /^(ROUND.D|DPPD)/.test(row.mnemonic)
        ? floats64
        : row.mnemonic.includes('STR')
          ? letters
          : integers
    // Which NaN a lane of a dot product has is Intel's choice here; which lanes have one is everyone's.
    const anyNan =
      row.mnemonic.startsWith('DPP') && hostVendor() !== 'intel'
        ? { forgive: forgiveLanes(row.mnemonic === 'DPPS' ? 32 : 64, (x, y) => Number.isNaN(x) && Number.isNaN(y)) }
        : {}
    expect(verifyRow(row, { ...options, ...anyNan, fill }).failures).toEqual([])
  })
})
