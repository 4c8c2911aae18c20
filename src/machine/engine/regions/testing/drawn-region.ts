/** The region that bytes of code become, as text to be read: decoded, found and written as a machine does it. */
import { assert } from '../../../../base/assert.ts'
import { functionText } from '../../../../wasm/testing/text.ts'
import { Decoder } from '../../../isa/decoder.ts'
import { HandlerTable, Op } from '../../../isa/handler.ts'
import { ROWS } from '../../../isa/table.ts'
import { GENERAL, PLACES, STATE_BYTES } from '../../../state/block.ts'
import { CodeMode, STATE } from '../../../state/layout.ts'
import { RECORD_BYTES, RECORD_PAGE_BYTES, RECORDS } from '../../../state/record.ts'
import { EAGER, Translator } from '../registry.ts'

/** Locals of write.ts in the order in which it makes them; those behind are values on their way. */
const LOCALS = [
  ...['record', 'budget', 'leave', 'result', 'left', 'block', 'page', 'tlb', 'ea'],
  ...GENERAL.map((name) => name.toLowerCase()),
  ...['flags_res', 'flags_cc', 'flags_aux'],
]

const handlers = new HandlerTable()
const decoder = new Decoder(ROWS, handlers, () => true)
decoder.prepareAll()
handlers.frozen = true

const placeAt = (offset: number): string | undefined => {
  const [name, at] = Object.entries(PLACES).findLast(([, place]) => place <= offset)!
  return at === offset ? name : `${name}+${offset - at}`
}
/** `record(0x12)`: of the instruction at that offset of the page. */
const address = (value: number): string | undefined => {
  if (value >= STATE && value < STATE + STATE_BYTES) return placeAt(value - STATE)
  if (value < RECORDS || value >= RECORDS + RECORD_PAGE_BYTES) return undefined
  const offset = `record(${Math.floor((value - RECORDS) / RECORD_BYTES)})`
  return value % RECORD_BYTES === 0 ? offset : `${offset}+${value % RECORD_BYTES}`
}

/** Handler numbers move with every new row: what the interpreter is to run, and the region's own op, by name. */
const namingOps = (text: string): string =>
  text
    .replace(/(?<=offset=REGION_RESUME \(i32\.const 0\) \(i32\.const )\d+/g, (op) => {
      const handler = handlers.list[Number(op) - Op.First]
      return handler === undefined ? `prefix(${op})` : `handler(${handler.name})`
    })
    .replace(/(?<=\(i32\.load16_u \(local\.get \$record\)\) \(i32\.const )\d+/g, 'region')

/** `code` at offset 0 of a page; `mode` is 64 or 32. */
export const drawnRegion = (code: readonly number[], mode: 64 | 32): { module: Uint8Array; text: string } => {
  const memory = new ArrayBuffer(RECORDS + RECORD_PAGE_BYTES)
  const bytes = new Uint8Array(4096)
  bytes.set(code)
  for (let at = 0; at < code.length; )
    at += decoder.decode(
      bytes,
      at,
      4096 - at,
      mode === 64 ? CodeMode.Bits64 : CodeMode.Bits32,
      at,
      new Int32Array(memory),
      RECORDS + at * RECORD_BYTES,
    )
  const hostNames: string[] = []
  let module: Uint8Array | undefined
  const translator = new Translator(
    {
      view: new DataView(memory),
      handlers: handlers.list,
      traced: false,
      hostNumber: (name) => {
        if (!hostNames.includes(name)) hostNames.push(name)
        return hostNames.indexOf(name)
      },
      install: (_, made) => {
        module = made
      },
    },
    EAGER,
  )
  translator.force(RECORDS, RECORDS)
  assert(module !== undefined, 'the code makes a region')
  const text = functionText(module, {
    local: (index) => LOCALS[index] ?? `t${index - LOCALS.length}`,
    address,
  })
  return { module, text: namingOps(text) }
}
