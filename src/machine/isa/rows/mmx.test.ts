import { describe, expect, test } from 'vitest'
import { nativeMissing } from '../testing/native.ts'
import { verifyRow } from '../testing/verify.ts'
import { MMX_ROWS } from './mmx.ts'

const missing = nativeMissing(['mmx', 'ssse3'])

describe.skipIf(missing !== undefined)(
  `MMX instructions do what this CPU does${missing ? ` (skipped: ${missing})` : ''}`,
  () => {
    test.each(MMX_ROWS.map((row) => [row.text, row] as const))('%s', (_, row) => {
      expect(verifyRow(row).failures).toEqual([])
    })
  },
)
