import { describe, expect, test } from 'vitest'
import { nativeMissing } from '../testing/native.ts'
import { verifyRow } from '../testing/verify.ts'
import { SSE_INTEGER_ROWS } from './sse-integer.ts'

const missing = nativeMissing(['sse2', 'ssse3'])

describe.skipIf(missing !== undefined)(
  `packed integers do what this CPU does${missing ? ` (skipped: ${missing})` : ''}`,
  () => {
    test.each(SSE_INTEGER_ROWS.map((row) => [row.text, row] as const))('%s', (_, row) => {
      expect(verifyRow(row).failures).toEqual([])
    })
  },
)
