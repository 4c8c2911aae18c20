import { expect, test } from 'vitest'
import { CodeMode } from '../../state/layout.ts'
import { Decoder } from '../decoder.ts'
import { HandlerTable } from '../handler.ts'
import { ROWS } from '../table.ts'
import { encodeRow, type Placement } from '../testing/verify.ts'
import { MMX_ROWS } from './mmx.ts'
import { SSE_FLOAT_ROWS } from './sse-float.ts'
import { SSE_INTEGER_ROWS } from './sse-integer.ts'
import { SSE_MOVE_ROWS } from './sse-move.ts'
import { SSE4_ROWS } from './sse4.ts'

test('every vector encoding decodes to its own row', () => {
  const decoder = new Decoder(ROWS, new HandlerTable(), () => true)
  const memory = new Int32Array(16)
  const wrong: string[] = []
  for (const row of [...MMX_ROWS, ...SSE_MOVE_ROWS, ...SSE_INTEGER_ROWS, ...SSE_FLOAT_ROWS, ...SSE4_ROWS]) {
    // The hint-NOP rows stand in for them.
    if (row.mnemonic.startsWith('PREFETCH')) continue
    const rm = row.operands.find((o) => o.source === 'rm')
    const placements: Placement[] = []
    if (rm === undefined || rm.register) placements.push('register')
    if (rm?.memory === true) placements.push('memory')
    for (const placement of placements) {
      const code = encodeRow(row, placement, 5)
      const length = decoder.decode(
        new Uint8Array([...code, ...new Array(16).fill(0x90)]),
        0,
        31,
        CodeMode.Bits64,
        0,
        memory,
        0,
      )
      if (length !== code.length || decoder.result.row !== row)
        wrong.push(
          `${row.text} (${placement}) ${code.map((c) => c.toString(16)).join(' ')}: ${decoder.result.row?.text}`,
        )
    }
  }
  expect(wrong).toEqual([])
})
