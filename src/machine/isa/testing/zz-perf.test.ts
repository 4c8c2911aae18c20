import { test } from 'vitest'
import { SSE_HOST } from '../../cpu/softfloat/host.ts'
import { MXCSR, XMM } from '../../cpu/state.ts'
import { SSE_FLOAT_ROWS } from '../rows/sse-float.ts'
import { buildHandler, RECORD_ADDRESS } from './single-handler.ts'

test('perf', () => {
  for (const name of ['ADDSD', 'MULPS', 'CVTTSD2SI', 'UCOMISD', 'DIVSD']) {
    const row = SSE_FLOAT_ROWS.find((r) => r.mnemonic === name)!
    const h = buildHandler(row, false, SSE_HOST)
    const u8 = new Uint8Array(h.memory)
    u8[RECORD_ADDRESS + 4] = 16
    u8[RECORD_ADDRESS + 5] = 32
    if (name === 'CVTTSD2SI') {
      u8[RECORD_ADDRESS + 4] = 8
    }
    for (const mx of [0x1fa0, 0x1f80, 0x3f80]) {
      h.state.view.setFloat64(XMM + 16, 1.25, true)
      h.state.view.setFloat64(XMM + 32, 1.0625, true)
      for (const k of [0, 1]) {
        const n = mx === 0x1fa0 ? 2e6 : 2e5
        const t = performance.now()
        for (let i = 0; i < n; i++) {
          h.state.set32(MXCSR, mx)
          h.run()
        }
        if (k) console.log(name, mx.toString(16), (((performance.now() - t) * 1e6) / n).toFixed(0), 'ns')
      }
    }
  }
})
