/**
 * What publishers wrap files in, taken off by what the bytes say: gzip, xz, Zstandard, and a file out of a tar archive. As
 * streams: an image need not fit in memory twice.
 */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { type Duplex, PassThrough, Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { Decompress } from 'fzstd'
import { extract } from 'tar-stream'
import { FORMAT_HEAD_BYTES, formatOf } from '../src/base/file-format.ts'

// A CommonJS bundle whose exports Node cannot name.
const { XzReadableStream }: typeof import('xz-decompress') = createRequire(import.meta.url)('xz-decompress')

type Packing = 'gzip' | 'xz' | 'zstd' | 'none'

const headOf = async (path: string): Promise<Uint8Array> => {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(FORMAT_HEAD_BYTES), 0, FORMAT_HEAD_BYTES, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

const packingOf = (head: Uint8Array): Packing => {
  const name = formatOf(head)?.name
  return name === 'gzip' || name === 'xz' || name === 'zstd' ? name : 'none'
}

/** Zstandard as a stream of Node's; the library takes pieces and hands pieces back. */
const unzstd = (): Transform => {
  const decoder = new Decompress()
  return new Transform({
    construct(ready) {
      decoder.ondata = (data) => this.push(data)
      ready()
    },
    transform(chunk: Uint8Array, _, done) {
      try {
        decoder.push(chunk)
        done()
      } catch (e) {
        done(e as Error)
      }
    },
    flush(done) {
      try {
        decoder.push(new Uint8Array(0), true)
        done()
      } catch (e) {
        done(e as Error)
      }
    },
  })
}

const plainOf = (file: Readable, packing: Packing): Readable | Duplex => {
  const through = (stage: Transform): Transform => {
    file.on('error', (e) => stage.destroy(e))
    return file.pipe(stage)
  }
  if (packing === 'gzip') return through(createGunzip())
  if (packing === 'zstd') return through(unzstd())
  if (packing === 'xz')
    return Readable.from(
      new XzReadableStream(Readable.toWeb(file) as ReadableStream<Uint8Array>) as unknown as AsyncIterable<Uint8Array>,
      { objectMode: false },
    )
  return file
}

/** The archive's file `member`; `./` in front is the same name. */
const memberOf = (archive: Readable, member: string): Readable => {
  const out = new PassThrough()
  const bare = (name: string): string => name.replace(/^\.\//, '')
  const tar = extract()
  let found = false
  tar.on('entry', ({ name, type }, entry, next) => {
    entry.on('end', next)
    if (found || type !== 'file' || bare(name) !== bare(member)) {
      entry.resume()
      return
    }
    found = true
    entry.pipe(out)
  })
  tar.on('finish', () => {
    if (!found) out.destroy(new Error(`the archive has no file ${member}`))
  })
  pipeline(archive, tar).catch((e: Error) => out.destroy(e))
  return out
}

/** The bytes inside `path`. A damaged file ends the stream with an error. */
export const unpacked = async (path: string, member?: string): Promise<Readable> => {
  const plain = plainOf(createReadStream(path), packingOf(await headOf(path)))
  return member === undefined ? plain : memberOf(plain, member)
}
