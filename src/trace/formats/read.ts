/**
 * Reading what strangers made: JSON of any shape, numbers of any size. Every accessor checks; the first thing that does
 * not fit ends the reading with a Problem that names the place, the value and what belongs there.
 */
import { ok, ProblemError, problem, type Result } from '../../base/problem.ts'
import { cleanText } from '../model/text.ts'

/** No trace of ours is near these; beyond them a file is refused instead of filling the memory. */
export const LIMITS = {
  fileBytes: 512 * 1024 * 1024,
  spans: 4_000_000,
  functions: 1_000_000,
  stacks: 2_000_000,
  lanes: 1024,
  depth: 2048,
  stages: 1000,
  marks: 100_000,
  clock: 100_000,
} as const

/** Times and counts: finite, not negative, exact. */
const NUMBER_MAX = Number.MAX_SAFE_INTEGER

const shown = (value: unknown): string => {
  if (value === null) return 'null'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object') return 'an object'
  if (typeof value === 'string') return `"${cleanText(value, 40)}"`
  return String(value).slice(0, 40)
}

export const fail = (where: string, saw: unknown, expected: string): never => {
  throw new ProblemError(
    problem('bad-trace', `${where} is ${shown(saw)}`, expected, 'export the trace again, or open another file'),
  )
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const object = (value: unknown, where: string): Record<string, unknown> =>
  isObject(value) ? value : fail(where, value, 'an object')

export const list = (value: unknown, where: string, max: number): readonly unknown[] => {
  if (!Array.isArray(value)) return fail(where, value, 'a list')
  if (value.length > max) return fail(where, value, `at most ${max} entries`)
  return value
}

export const text = (value: unknown, where: string, max?: number): string =>
  typeof value === 'string' ? cleanText(value, max) : fail(where, value, 'text')

export const optionalText = (value: unknown, where: string): string | undefined =>
  value === undefined || value === null ? undefined : text(value, where)

export const count = (value: unknown, where: string, max: number = NUMBER_MAX): number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max
    ? value
    : fail(where, value, `a whole number from 0 to ${max}`)

/** A time or an amount. */
export const amount = (value: unknown, where: string): number =>
  typeof value === 'number' && value >= 0 && value <= NUMBER_MAX
    ? value
    : fail(where, value, 'a finite number that is not negative')

/** A column of numbers of a known length. */
export const column = (
  value: unknown,
  where: string,
  length: number,
  check: (value: unknown, where: string) => number,
): Float64Array => {
  const values = list(value, where, length)
  if (values.length !== length) return fail(where, value, `a list of ${length}`)
  const numbers = new Float64Array(length)
  let k = 0
  try {
    for (; k < length; k++) numbers[k] = check(values[k], where)
  } catch {
    // Once more, to say which one: a text for each of a million entries would cost more than reading them.
    check(values[k], `${where}[${k}]`)
  }
  return numbers
}

export const parseJson = (source: string): unknown => {
  try {
    return JSON.parse(source)
  } catch (error) {
    throw new ProblemError(
      problem(
        'bad-json',
        `the file is not JSON (${cleanText((error as Error).message, 80)})`,
        'a trace file as it was exported',
        'check that it was copied or downloaded whole',
      ),
    )
  }
}

/** The room's door: Problems become data, anything else is ours. */
export const guarded = <T>(read: () => T): Result<T> => {
  try {
    return ok(read())
  } catch (error) {
    if (error instanceof ProblemError) return { ok: false, problem: error.problem }
    throw error
  }
}
