/**
 * A layer in an OCI registry, found as the distribution specification 1.1 says: an anonymous bearer token where the
 * registry asks for one, the manifest by digest or tag (an index is followed to its first manifest), the layer by its media
 * type, the blob by its digest.
 */
import { createHash } from 'node:crypto'
import { ok, problem, type Result, refuse } from '../src/base/problem.ts'
import type { OciSource } from '../src/guests/guest.ts'
import { type Address, brokenOff, get, type NetworkOptions, reason, unreachable } from './guest-download.ts'

const MANIFESTS = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]
/** Larger manifests are refused by registries too (distribution-spec, "Pushing Manifests"). */
const MANIFEST_MAX = 4 * 1024 * 1024
const DIGEST = /^sha256:([0-9a-f]{64})$/

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

export interface Layer {
  readonly address: Address
  /** Of the blob as it travels. */
  readonly sha256: string
  readonly bytes: number
}

class Refused extends Error {}

const isDescriptor = (value: unknown): value is Descriptor => {
  const { mediaType, digest, size } = (value ?? {}) as Partial<Descriptor>
  return typeof mediaType === 'string' && typeof digest === 'string' && DIGEST.test(digest) && Number.isInteger(size)
}

const descriptors = (list: unknown): readonly Descriptor[] => (Array.isArray(list) ? list.filter(isDescriptor) : [])

/** RFC 6750 3: `Bearer realm="...",service="...",scope="..."`. */
const tokenUrl = (challenge: string, scope: string): string | undefined => {
  if (!/^bearer\s/i.test(challenge)) return undefined
  const fields = new Map(
    [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name ?? '', value ?? '']),
  )
  const realm = fields.get('realm')
  if (realm === undefined) return undefined
  const url = new URL(realm)
  const service = fields.get('service')
  if (service !== undefined) url.searchParams.set('service', service)
  url.searchParams.set('scope', fields.get('scope') ?? scope)
  return url.href
}

class Registry {
  readonly #base: string
  readonly #scope: string
  readonly #options: NetworkOptions
  readonly #signal: AbortSignal
  #headers: Readonly<Record<string, string>> = {}

  constructor({ registry, repository }: OciSource, options: NetworkOptions, signal: AbortSignal) {
    this.#base = `https://${registry}/v2/${repository}`
    this.#scope = `repository:${repository}:pull`
    this.#options = options
    this.#signal = signal
  }

  blob(digest: string): Address {
    return { url: `${this.#base}/blobs/${digest}`, headers: this.#headers, digest }
  }

  /** The manifest's fields; its bytes must have the digest that they are called by. */
  async manifest(reference: string): Promise<Readonly<Record<string, unknown>>> {
    const url = `${this.#base}/manifests/${reference}`
    let response = await this.#get(url)
    const challenge = response.headers.get('www-authenticate')
    if (response.status === 401 && challenge !== null) {
      await response.body?.cancel()
      await this.#authenticate(challenge)
      response = await this.#get(url)
    }
    if (!response.ok) throw new Refused(`status ${response.status} for the manifest ${reference}`)
    const bytes = new Uint8Array(await response.arrayBuffer())
    if (bytes.length > MANIFEST_MAX) throw new Refused(`a manifest of ${bytes.length} bytes`)
    const sum = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    if (DIGEST.test(reference) && reference !== sum)
      throw new Refused(`the manifest ${reference} has the digest ${sum}`)
    try {
      return JSON.parse(new TextDecoder().decode(bytes))
    } catch {
      throw new Refused('a manifest that is no JSON')
    }
  }

  #get(url: string): Promise<Response> {
    const accept = { accept: MANIFESTS.join(', ') }
    return get({ url, headers: { ...accept, ...this.#headers } }, this.#options, this.#signal)
  }

  async #authenticate(challenge: string): Promise<void> {
    const url = tokenUrl(challenge, this.#scope)
    if (url === undefined) throw new Refused('a registry that wants an account')
    const response = await get({ url }, this.#options, this.#signal)
    const { token, access_token } = response.ok ? ((await response.json()) as Record<string, unknown>) : {}
    const given = token ?? access_token
    if (typeof given !== 'string') throw new Refused(`status ${response.status} for an anonymous token`)
    this.#headers = { authorization: `Bearer ${given}` }
  }
}

/** Where the layer of `source` is, and its sum. */
export const findLayer = async (path: string, source: OciSource, options: NetworkOptions): Promise<Result<Layer>> => {
  const host = source.registry
  const signal = AbortSignal.timeout(options.connectMs ?? 5000)
  try {
    const registry = new Registry(source, options, signal)
    let manifest = await registry.manifest(source.reference)
    const [first] = descriptors(manifest['manifests'])
    if (first !== undefined) manifest = await registry.manifest(first.digest)
    const layer = descriptors(manifest['layers']).find(({ mediaType }) => mediaType === source.mediaType)
    if (layer === undefined)
      return refuse(
        problem(
          'no-layer',
          `the image ${host}/${source.repository}:${source.reference} has no layer of ${source.mediaType}`,
          'one as its publisher makes it',
          'look whether the publisher has changed how images are kept',
        ),
      )
    return ok({ address: registry.blob(layer.digest), sha256: layer.digest.slice('sha256:'.length), bytes: layer.size })
  } catch (e) {
    const saw = `${host}: ${signal.aborted ? 'no answer' : reason(e)}`
    return refuse(e instanceof Refused ? brokenOff(path, saw) : unreachable(path, saw))
  }
}
