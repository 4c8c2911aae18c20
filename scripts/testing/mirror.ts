/** A publisher on localhost, as good or as bad as a test wants it: what GUESTS_MIRROR names. */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { crc32, gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

export class Mirror {
  /** Path and range, in the order they came. */
  readonly requests: string[] = []
  /** Requests that carried credentials to a host they are not for. */
  readonly leaks: string[] = []
  /** For a cache; goes with the mirror. */
  readonly directory: string
  readonly #answers = new Map<string, Answer>()
  readonly #server: Server
  tokenHost: string | undefined

  private constructor(directory: string) {
    this.directory = directory
    this.#server = createServer((request, response) => {
      const { url = '', headers } = request
      this.requests.push(`${url} ${headers.range ?? ''}`.trim())
      if (headers.authorization !== undefined && !url.startsWith(`/${this.tokenHost}/`)) this.leaks.push(url)
      const answer = this.#answers.get(url) ?? status(404)
      answer(request, response)
    })
  }

  static async open(): Promise<Mirror> {
    const mirror = new Mirror(await mkdtemp(join(tmpdir(), 'guests-')))
    await new Promise<void>((resolve) => mirror.#server.listen(0, '127.0.0.1', resolve))
    return mirror
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** `https://HOST/PATH` is answered like this. */
  on(host: string, path: string, answer: Answer): void {
    this.#answers.set(`/${host}${path}`, answer)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    await rm(this.directory, { recursive: true })
  }
}

export interface ServeOptions {
  /** Bytes a request at most; then the connection breaks. */
  readonly cut?: number
  readonly etag?: string
  readonly ranges?: boolean
  /** Sent in pieces of so many bytes, one every so often. */
  readonly piece?: number
  readonly everyMs?: number
  /** Half of it is sent, then a little now and then, and the rest after this. */
  readonly released?: Promise<void>
}

export const serve =
  (body: Uint8Array, options: ServeOptions = {}): Answer =>
  (request, response) => {
    const { cut = Number.POSITIVE_INFINITY, etag = '"1"', ranges = true, piece, everyMs = 0, released } = options
    const range = ranges ? /bytes=(\d+)-/.exec(request.headers.range ?? '') : null
    const condition = request.headers['if-range']
    const from = range && (condition === undefined || condition === etag) ? Number(range[1]) : 0
    const rest = body.subarray(from)
    response.writeHead(from > 0 ? 206 : 200, {
      etag,
      'content-length': rest.length,
      ...(from > 0 && { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` }),
    })
    if (released !== undefined) return hold(response, rest, released)
    if (piece !== undefined) return drip(response, rest, piece, everyMs)
    if (rest.length <= cut) response.end(rest)
    else response.write(rest.subarray(0, cut), () => setTimeout(() => response.destroy(), 20))
  }

const hold = (response: ServerResponse, bytes: Uint8Array, released: Promise<void>): void => {
  let at = bytes.length >> 1
  response.write(bytes.subarray(0, at))
  // A transfer without a byte in 15 seconds is given up.
  const timer = setInterval(() => response.write(bytes.subarray(at, ++at)), 1000)
  void released.then(() => {
    clearInterval(timer)
    response.end(bytes.subarray(at))
  })
}

const drip = (response: ServerResponse, bytes: Uint8Array, piece: number, everyMs: number): void => {
  let at = 0
  const timer = setInterval(() => {
    response.write(bytes.subarray(at, at + piece))
    at += piece
    if (at < bytes.length && !response.destroyed) return
    clearInterval(timer)
    response.end()
  }, everyMs)
}

export const status =
  (code: number): Answer =>
  (_, response) =>
    response.writeHead(code).end()
export const redirect =
  (location: string): Answer =>
  (_, response) =>
    response.writeHead(302, { location }).end()
export const dead: Answer = (_, response) => response.destroy()
export const silent: Answer = () => {}

export interface RegistryOptions extends ServeOptions {
  /** A bearer token must be asked for first, as ghcr.io wants it. */
  readonly token?: boolean
  /** Where blobs are redirected to. */
  readonly blobHost?: string
  /** The tag names an index. */
  readonly index?: boolean
  /** What is served in place of the layer. */
  readonly blob?: Uint8Array
}

/** smolBSD's bsdshell in an OCI registry at `host`. Returns the manifest's digest. */
export const ociRegistry = (
  mirror: Mirror,
  host: string,
  layer: Uint8Array,
  options: RegistryOptions = {},
): { manifest: string } => {
  const name = 'netbsdfr/smolbsd/bsdshell-amd64'
  const { token = false, blobHost, index = false, blob = layer, ...serving } = options
  const needsToken =
    (answer: Answer): Answer =>
    (request, response) => {
      if (!token || request.headers.authorization === 'Bearer anonymous') return answer(request, response)
      const challenge = `Bearer realm="https://${host}/token",service="${host}",scope="repository:${name}:pull"`
      response.writeHead(401, { 'www-authenticate': challenge }).end()
    }
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
  const digest = `sha256:${sumOf(layer)}`
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    artifactType: 'application/vnd.smolbsd.image',
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: `sha256:${sumOf(Buffer.from('{}'))}`, size: 2 },
    layers: [
      {
        mediaType: 'application/x-raw-disk-image',
        digest,
        size: layer.length,
        annotations: { 'org.opencontainers.image.title': 'images/bsdshell-amd64:latest.img' },
      },
    ],
  })
  const own = `sha256:${sumOf(manifest)}`
  const list = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: own, size: manifest.length }],
  })
  mirror.tokenHost = host
  mirror.on(host, `/v2/${name}/manifests/latest`, needsToken(serve(index ? list : manifest)))
  mirror.on(host, `/v2/${name}/manifests/${own}`, needsToken(serve(manifest)))
  const scope = encodeURIComponent(`repository:${name}:pull`)
  mirror.on(host, `/token?service=${host}&scope=${scope}`, serve(json({ token: 'anonymous' })))
  const blobs = `/v2/${name}/blobs/${digest}`
  if (blobHost === undefined) mirror.on(host, blobs, needsToken(serve(blob, serving)))
  else {
    mirror.on(host, blobs, needsToken(redirect(`https://${blobHost}/signed?x=1`)))
    mirror.on(blobHost, '/signed?x=1', serve(blob, serving))
  }
  return { manifest: own }
}

export const sumOf = (bytes: Uint8Array, algorithm = 'sha256'): string =>
  createHash(algorithm).update(bytes).digest('hex')

export const gzipped = (bytes: Uint8Array): Buffer => gzipSync(bytes)

export const tarred = async (files: Readonly<Record<string, Uint8Array>>): Promise<Buffer> => {
  const archive = pack()
  for (const [name, bytes] of Object.entries(files)) archive.entry({ name }, Buffer.from(bytes))
  archive.finalize()
  return buffer(archive)
}

/** Bytes that nothing shrinks, the same every time. */
export const noise = (size: number, head: readonly number[] = []): Buffer => {
  const bytes = Buffer.alloc(size)
  for (let i = 0, x = 1; i < size; i++) bytes[i] = x = (x * 75 + 74) % 65537
  bytes.set(head)
  return bytes
}

/** What xz(1) 5.4 and zstd(1) 1.5 made of `PLAIN`. */
const PLAIN = Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46]), Buffer.from('a kernel in many words '.repeat(400))])
export const XZ = {
  plain: PLAIN,
  packed: Buffer.from(
    '/Td6WFoAAATm1rRGBMBP9EchARwAAAAAAAAAACUoI9fgI/MAR10AP5FFhGvP22AxNNoiD6DQgsx0kfBC0/8HqTKoP8rUGVZtfLU2PGJqZsCi3gEC9pv538u6WEDL/izuEUdqdiy302hYWhG6AAAAAI/NzmWDyJYOAAFr9EcAAABdvREascRn+wIAAAAABFla',
    'base64',
  ),
}
export const ZSTD = {
  plain: PLAIN,
  packed: Buffer.from('KLUv/WT0Ih0BANh/RUxGYSBrZXJuZWwgaW4gbWFueSB3b3JkcyABAFsP5ecYTd71UA==', 'base64'),
}

const SECTOR = 512
const ENTRIES = 128
const ENTRY_BYTES = 128

/** A disk with one partition called `name` around `contents`, as sgdisk(8) would make it (UEFI 2.10, 5.3). */
export const gptDisk = (contents: Uint8Array, name: string): Buffer => {
  const first = 64
  const last = first + Math.ceil(contents.length / SECTOR) - 1
  const table = (ENTRIES * ENTRY_BYTES) / SECTOR
  const sectors = last + 1 + table + 1

  const entries = Buffer.alloc(table * SECTOR)
  // Linux filesystem data, 0FC63DAF-8483-4772-8E79-3D69D8477DE4, then a GUID of its own.
  entries.write('af3dc60f838472478e793d69d8477de4', 0, 'hex')
  entries.write('11111111222233334444555555555555', 16, 'hex')
  entries.writeBigUInt64LE(BigInt(first), 32)
  entries.writeBigUInt64LE(BigInt(last), 40)
  entries.write(name, 56, 'utf16le')

  const header = (own: number, other: number, table: number): Buffer => {
    const h = Buffer.alloc(SECTOR)
    h.write('EFI PART')
    h.writeUInt32LE(0x10000, 8)
    h.writeUInt32LE(92, 12)
    h.writeBigUInt64LE(BigInt(own), 24)
    h.writeBigUInt64LE(BigInt(other), 32)
    h.writeBigUInt64LE(34n, 40)
    h.writeBigUInt64LE(BigInt(sectors - 34), 48)
    h.write('aaaaaaaa222233334444555555555555', 56, 'hex')
    h.writeBigUInt64LE(BigInt(table), 72)
    h.writeUInt32LE(ENTRIES, 80)
    h.writeUInt32LE(ENTRY_BYTES, 84)
    h.writeUInt32LE(crc32(entries), 88)
    h.writeUInt32LE(crc32(h.subarray(0, 92)), 16)
    return h
  }

  const disk = Buffer.alloc(sectors * SECTOR)
  // Protective MBR: one partition of type EEh over everything.
  disk.set([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff], 446)
  disk.writeUInt32LE(1, 454)
  disk.writeUInt32LE(sectors - 1, 458)
  disk.writeUInt16LE(0xaa55, 510)
  disk.set(header(1, sectors - 1, 2), SECTOR)
  disk.set(entries, 2 * SECTOR)
  disk.set(contents, first * SECTOR)
  disk.set(entries, (sectors - 1 - table) * SECTOR)
  disk.set(header(sectors - 1, 1, sectors - 1 - table), (sectors - 1) * SECTOR)
  return disk
}
