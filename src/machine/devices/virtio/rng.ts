/**
 * virtio-rng, the entropy device. virtio 1.2 §5.4. One queue; every buffer comes back full of entropy.
 * Missing on purpose: QEMU's rate limit, which is off by default.
 */
import type { EntropySource } from '../../entropy.ts'
import type { PartState, StateReader } from '../../part.ts'
import { VIRTIO_F_EVENT_IDX, type VirtioDevice, type VirtioTransport } from './device.ts'
import type { Chain } from './virtqueue.ts'

/** Most bytes of one buffer that are filled; the device may return fewer than there is room for (§5.4.6). */
export const RNG_CHUNK = 4096

export class VirtioRng implements VirtioDevice {
  readonly id = 4
  readonly name = 'virtio-rng'
  readonly features: readonly number[] = []
  readonly notOnFirecracker = [VIRTIO_F_EVENT_IDX]
  readonly queueCount = 1
  readonly config = new Uint8Array(0)

  readonly #source: EntropySource
  readonly #onRequest: ((bytes: number) => void) | undefined
  /** Not shared memory: crypto.getRandomValues refuses that. */
  readonly #chunk = new Uint8Array(RNG_CHUNK)
  readonly #serve = (chain: Chain): number => {
    const bytes = this.#chunk.subarray(0, Math.min(RNG_CHUNK, chain.writable))
    this.#onRequest?.(bytes.length)
    this.#source.fill(bytes)
    return chain.write(0, bytes)
  }
  #transport!: VirtioTransport

  /** `onRequest` is told of each buffer as it is filled, for the timeline. */
  constructor(source: EntropySource, onRequest?: (bytes: number) => void) {
    this.#source = source
    this.#onRequest = onRequest
  }

  connect(transport: VirtioTransport): void {
    this.#transport = transport
  }

  notify(queue: number): void {
    this.#transport.queue(queue).drain(this.#serve)
  }

  reset(): void {}

  save(): PartState {
    return {}
  }

  load(state: StateReader): void {
    state.end()
  }
}
