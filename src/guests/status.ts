/** What a server says of the catalogue's published files: `guests/status.json` beside the page, live or as it was built. */

export type FileStatus =
  | { readonly state: 'here'; readonly bytes: number; readonly sha256?: string }
  | { readonly state: 'coming'; readonly received: number; readonly total?: number }
  /** `bytes` is what would travel; `why` the sentence of the last attempt. */
  | { readonly state: 'absent'; readonly bytes?: number; readonly why?: string }

export interface GuestStatus {
  /** By their paths. */
  readonly files: Readonly<Record<string, FileStatus>>
  /** The server fetches what is asked for; a static host has what it has. */
  readonly fetches: boolean
}
