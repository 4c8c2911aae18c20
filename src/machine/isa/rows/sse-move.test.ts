import { describe, expect, test } from 'vitest'
import { nativeMissing } from '../testing/native.ts'
import { verifyRow } from '../testing/verify.ts'
import { SSE_MOVE_ROWS } from './sse-move.ts'

const missing = nativeMissing(['sse2', 'sse4.1'])

describe.skipIf(missing !== undefined)(`moves do what this CPU does${missing ? ` (skipped: ${missing})` : ''}`, () => {
  test.each(SSE_MOVE_ROWS.map((row) => [row.text, row] as const))('%s', (_, row) => {
    expect(verifyRow(row).failures).toEqual([])
  })
})
