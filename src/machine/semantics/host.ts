/** Every TypeScript function that a row or the builder can call, by name. A table is beside what it does. */
import { type HostFunction, named } from './host-table.ts'
import { INTEGER_HOST } from './integer/host.ts'
import { STACK_HOST } from './integer/stack-host.ts'
import { SSE_HOST } from './softfloat/host.ts'
import { updateFpu } from './system/fpu-blocked.ts'
import { CONTROL_HOST, FLAGS_HOST, FPU_HOST, OPERAND_HOST, SEGMENT_HOST } from './system/host.ts'
import { PORT_HOST } from './system/port-host.ts'
import { X87_HOST, type X87Name } from './x87/host.ts'

export const HOST = {
  ...INTEGER_HOST,
  ...STACK_HOST,
  ...FLAGS_HOST,
  ...OPERAND_HOST,
  ...SEGMENT_HOST,
  ...CONTROL_HOST,
  ...FPU_HOST,
  ...PORT_HOST,
  ...SSE_HOST,
  // An x87 instruction may leave an exception pending, even when it faults.
  ...named(
    Object.keys(X87_HOST) as X87Name[],
    (name) => name,
    (name): HostFunction => {
      const run = X87_HOST[name]
      return (core, record, bytes) => {
        try {
          run(core, record, bytes)
        } finally {
          updateFpu(core.state)
        }
      }
    },
  ),
} satisfies Record<string, HostFunction>

export type HostName = keyof typeof HOST
/** A name that the operand size completes: 'lgdt' of 'lgdt16'. */
export type SizedHostName = HostName extends infer N ? (N extends `${infer Base}16` ? Base : never) : never
