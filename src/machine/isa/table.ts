/** Every instruction, one row per encoding. Everything that depends on which instructions exist derives from this. */

import type { Row } from './row.ts'
import { ARITHMETIC } from './rows/arithmetic.ts'
import { CONTROL } from './rows/control.ts'
import { MMX_ROWS } from './rows/mmx.ts'
import { MOVE } from './rows/move.ts'
import { SHIFT } from './rows/shift.ts'
import { SSE_FLOAT_ROWS } from './rows/sse-float.ts'
import { SSE_INTEGER_ROWS } from './rows/sse-integer.ts'
import { SSE_MOVE_ROWS } from './rows/sse-move.ts'
import { SSE4_ROWS } from './rows/sse4.ts'
import { STRING } from './rows/string.ts'
import { SYSTEM } from './rows/system.ts'
import { X87_ROWS } from './rows/x87.ts'

export const ROWS: readonly Row[] = [
  ...ARITHMETIC,
  ...SHIFT,
  ...MOVE,
  ...CONTROL,
  ...STRING,
  ...SYSTEM,
  ...MMX_ROWS,
  ...SSE_MOVE_ROWS,
  ...SSE_INTEGER_ROWS,
  ...SSE_FLOAT_ROWS,
  ...SSE4_ROWS,
  ...X87_ROWS,
]
