/** What was different in links of version 1, which open for ever: sums of the heaviest functions only. */
import { instructionsAt } from '../model/clock.ts'
import { functionTable, stacksFromSpans } from '../model/stacks.ts'
import { BytesError } from './bytes.ts'
import { decodeLink, type LinkDocument, STAGE_MARKS, STAGES_MAX, STRINGS_MAX, TIME_MAX } from './link-bytes.ts'

export const decodeV1 = (payload: Uint8Array): LinkDocument =>
  decodeLink(payload, {
    stages: (r, { end, endInstructions, clock, string, counted }) => {
      let at = 0
      const begun = Array.from({ length: counted(STAGES_MAX) }, () => {
        const name = string() ?? ''
        const mark = STAGE_MARKS[r.byte()]
        if (mark === undefined) throw new BytesError('it has a stage of no known kind')
        at = Math.min(end, at + r.varint())
        return { name, start: at, startInstructions: Math.min(endInstructions, instructionsAt(clock, at)), mark }
      })
      return { begun, arrival: r.byte() === 1 ? begun.at(-1)?.name : undefined }
    },
    sums: (r, { names, counted }) => {
      const sums = Array.from({ length: counted(STRINGS_MAX) }, () => ({
        func: r.varint(Math.max(0, names.length - 1)),
        calls: r.varint(),
        self: r.varint(TIME_MAX),
        total: r.varint(TIME_MAX),
      }))
      if (sums.length > 0 && names.length === 0) throw new BytesError('it has sums without names')
      return {
        notes: (spans, recorded) =>
          recorded > spans
            ? [
                `Opened from an older link: ${spans} of ${recorded} spans, the longest. Sums are exact for its ${sums.length} heaviest functions only; those of others and of subsystems are what these spans add up to.`,
              ]
            : [],
        tables: (spans, lanes) => {
          const stacks = stacksFromSpans(spans, lanes)
          const functions = functionTable(stacks, names, new Float64Array(names.length).fill(-1))
          for (const { func, calls, self, total } of sums) {
            functions.calls[func] = calls
            functions.self[func] = self
            functions.total[func] = total
          }
          return { functions, stacks }
        },
      }
    },
  })
