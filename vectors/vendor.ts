/** Whose processor a recording is of: where the manual leaves something open, processors differ by it. */
export type Vendor = 'intel' | 'amd'
export const VENDORS: readonly Vendor[] = ['intel', 'amd']
/** The model's: it is held to every committed case of this one. */
export const MODEL: Vendor = 'intel'

const NAMES: Readonly<Record<string, Vendor>> = { GenuineIntel: 'intel', AuthenticAMD: 'amd' }
/** Of a processor as native.ts's `hostProcessor` and the headers of vectors name it. */
export const vendorOf = (processor: string): Vendor => {
  const vendor = NAMES[processor.split(' ')[0] as string]
  if (vendor === undefined) throw new Error(`vectors are recorded on Intel and AMD, not on ${processor}`)
  return vendor
}
