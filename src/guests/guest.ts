/** What a catalogue record says. Data only: nothing here runs, fetches or knows the machine. */
import type { MachineSettings } from '../settings/settings.ts'

/** A file that its publisher serves: fetched when wanted, kept outside the repository. */
export interface PublishedFile {
  /** GUEST/NAME, below the cache and below `guests/published/` beside the page. */
  readonly path: string
  readonly kind: 'kernel' | 'disk'
  readonly from: HttpsSource | OciSource
  /**
   * Of the file as it is used, unpacked. Where the publisher replaces it in place, or its sum could not be known here, the
   * first copy decides.
   */
  readonly sha256: string | 'pin on first use'
  /** What travels, and what is kept, in bytes, where known: for progress. */
  readonly bytes?: number
  readonly unpackedBytes?: number
}

/** gzip, xz, Zstandard and tar are taken off by what the bytes say. */
export interface HttpsSource {
  readonly kind: 'https'
  /** Tried in order. */
  readonly urls: readonly string[]
  /** The publisher's own sum of what the URL gives, in the format of sha256sum(1) or of NetBSD's cksum(1). */
  readonly sums?: { readonly url: string; readonly algorithm: 'sha256' | 'sha512' }
  /** The wanted file's name in a tar archive. */
  readonly member?: string
}

/** One layer of an artifact in an OCI registry (distribution-spec 1.1). */
export interface OciSource {
  readonly kind: 'oci'
  /** Host name. */
  readonly registry: string
  readonly repository: string
  /** A digest (`sha256:...`) or a tag. */
  readonly reference: string
  /** The layer's media type. */
  readonly mediaType: string
}

/** Where a kernel's bytes come from. */
export type KernelSource =
  /** Shipped with the page, at this path below its base (and below `public/` in the repository). */
  { readonly kind: 'bundled'; readonly path: string } | { readonly kind: 'published'; readonly file: PublishedFile }

/** What stands behind a virtio-blk disk. */
export type DiskSource =
  /** An ext2 root that src/disk/netbsd-root.ts makes around our own static init, a bundled file: of the kernel's kind. */
  | { readonly kind: 'netbsd-root'; readonly init: string; readonly init32: string; readonly readOnly: boolean }
  | { readonly kind: 'image'; readonly file: PublishedFile; readonly readOnly: boolean }

/** How a stage's beginning is recognised; the first mark that the kernel and the trace allow decides. */
export type StageMark =
  /** The kernel's first instruction. */
  | { readonly kind: 'entry' }
  /** A function is called, by its symbol. */
  | { readonly kind: 'call'; readonly symbol: string }
  /** A console line matches this regular expression: for kernels without symbols, and boots without a trace. */
  | { readonly kind: 'console'; readonly pattern: string }
  /** The first instruction in user mode. */
  | { readonly kind: 'user' }

export interface Stage {
  /** The kernel's own word for it; the same stage has the same name in every guest. */
  readonly name: string
  /** What happens then, for a tooltip. */
  readonly about: string
  readonly marks: readonly StageMark[]
}

/** What a guest wants of its machine; the rest is as it is unasked. */
export interface Guest extends Partial<MachineSettings> {
  readonly id: string
  readonly name: string
  /** One line under the name. */
  readonly about: string
  readonly publisher: string
  readonly homepage?: string
  /** SPDX expression. */
  readonly licence: string
  /** `npm start` and `npm run guests` fetch it unasked. */
  readonly eager: boolean
  readonly kernel: KernelSource
  readonly cmdline: string
  readonly disks: readonly DiskSource[]
  readonly stages: readonly Stage[]
  /** Regular expressions the console shows in this order on the way to the prompt; the last one is the prompt. */
  readonly expected: readonly string[]
  /** What to type at the prompt to end the guest. */
  readonly bye: string
}
