/** One door for files: recognises the format by what is in it. */
import { problem, type Result, refuse } from '../../base/problem.ts'
import type { Trace } from '../model/trace.ts'
import { chromeFromJson, isChrome, readChrome } from './chrome.ts'
import { isFolded, readFolded } from './folded.ts'
import { guarded, LIMITS, parseJson } from './read.ts'
import { isSpeedscope, speedscopeFromJson } from './speedscope.ts'
import { traceFromJson } from './trace-file.ts'
import { isTslog, readTslog } from './tslog.ts'

export const importTrace = (source: string): Result<Trace> => {
  if (source.length > LIMITS.fileBytes)
    return refuse(
      problem(
        'trace-too-big',
        `the file has ${source.length} characters`,
        `at most ${LIMITS.fileBytes}`,
        'export a shorter range',
      ),
    )
  const start = source.slice(0, 64).trimStart()
  if (start.startsWith('{') || start.startsWith('[')) {
    if (start.startsWith('[') && !source.trimEnd().endsWith(']')) return readChrome(source)
    return guarded(() => {
      const json = parseJson(source)
      if (isSpeedscope(json)) return speedscopeFromJson(json)
      if (isChrome(json)) return chromeFromJson(json)
      // What is none of the others is told what ours looks like.
      return traceFromJson(json)
    })
  }
  if (isTslog(source)) return readTslog(source)
  if (isFolded(source)) return readFolded(source)
  return refuse(
    problem(
      'unknown-trace',
      'the file is no trace known here',
      'a trace of this program, Chrome trace JSON, speedscope JSON, folded stacks or a TSLOG dump',
      'check that it is the right file, unpacked',
    ),
  )
}
