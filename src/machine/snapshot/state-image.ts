/**
 * What a machine is, as bytes that are the same for the same machine whatever engine, host or browser runs it: the states of
 * its parts, then each page of RAM that is not zero, its number before it. `stateHash` is SHA-256 over them.
 */

import { isTracePart, nonZeroPages, PLACE_BYTES, type SnapshotSource } from './snapshot.ts'
import { encodeState } from './state-code.ts'

/** Each piece is overwritten by the next, and those of RAM are views of it. */
export function* stateImage({ parts, ram }: Pick<SnapshotSource, 'parts' | 'ram'>): Iterable<Uint8Array> {
  yield encodeState(Object.fromEntries(Object.entries(parts).filter(([name]) => !isTracePart(name))))
  const number = new Uint8Array(4)
  const view = new DataView(number.buffer)
  for (const page of nonZeroPages(ram)) {
    view.setUint32(0, page, true)
    yield number
    yield ram.subarray(page * PLACE_BYTES, (page + 1) * PLACE_BYTES)
  }
}
