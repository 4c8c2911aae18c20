/** Reads a file the boot needs, reporting bytes as they come. A failure is a Problem: saw, expected, try. */
import { type Problem, ProblemError, problem } from '../base/problem.ts'
import type { FileSource } from './protocol.ts'

/** (bytes so far, all bytes where known) */
export type Progress = (loaded: number, total: number | undefined) => void

const refuseUrl = (name: string, saw: string, expected: string, hint: string): never => {
  throw new ProblemError(problem('file-unreachable', `the file ${name}: ${saw}`, expected, hint))
}

const readBody = async (response: Response, progress: Progress): Promise<Uint8Array> => {
  const length = Number(response.headers.get('content-length') ?? Number.NaN)
  // Behind a content encoding the length counts other bytes than those we read.
  const total = Number.isFinite(length) && !response.headers.get('content-encoding') ? length : undefined
  const body = response.body
  if (!body) return new Uint8Array(await response.arrayBuffer())
  const reader = body.getReader()
  const chunks: Uint8Array[] = []
  let loaded = 0
  progress(0, total)
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    chunks.push(value)
    loaded += value.length
    progress(loaded, total)
  }
  if (chunks.length === 1 && chunks[0]) return chunks[0]
  const bytes = new Uint8Array(loaded)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

/** Our own server says what is wrong (scripts/guest-server.ts): problem details of RFC 9457 with a Problem's fields. */
const problemOf = async (response: Response): Promise<Problem | undefined> => {
  if (response.headers.get('content-type') !== 'application/problem+json') return undefined
  const { kind, saw, expected, hint } = (await response.json().catch(() => ({}))) as Partial<Problem>
  return kind && saw && expected && hint ? problem(kind, saw, expected, hint) : undefined
}

export const fetchFile = async (source: FileSource, progress: Progress): Promise<Uint8Array> => {
  if (source.kind === 'blob') {
    progress(0, source.blob.size)
    let bytes: Uint8Array
    try {
      bytes = new Uint8Array(await source.blob.arrayBuffer())
    } catch (error) {
      return refuseUrl(
        source.name,
        `the browser could not read it (${error instanceof Error ? error.message : String(error)})`,
        'a file that has not moved or changed since it was chosen',
        'choose the file again',
      )
    }
    progress(bytes.length, bytes.length)
    return bytes
  }
  let response: Response
  try {
    response = await fetch(source.url, { mode: 'cors', credentials: 'omit' })
  } catch {
    return refuseUrl(
      source.name,
      'nothing came back from its address',
      'a reachable server that allows other pages to read the file (Access-Control-Allow-Origin)',
      source.hint ?? 'check the network, or download the file and choose it from disk',
    )
  }
  if (!response.ok) {
    const said = await problemOf(response)
    if (said) throw new ProblemError(said)
    return refuseUrl(
      source.name,
      `its server answered ${response.status}${response.statusText ? ` ${response.statusText}` : ''}`,
      'the file, status 200',
      source.hint ?? 'check the address, or choose the file from disk',
    )
  }
  try {
    return await readBody(response, progress)
  } catch {
    return refuseUrl(source.name, 'the connection broke off', 'the whole file', 'boot again')
  }
}
