/** Hands a file to the browser's downloads. */

/** The address must outlive the click by as long as a browser takes to begin. */
const ADDRESS_MS = 60_000

export const saveFile = (blob: Blob, name: string): void => {
  const url = URL.createObjectURL(blob)
  const anchor = document.createElement('a')
  anchor.href = url
  anchor.download = name
  anchor.click()
  setTimeout(() => URL.revokeObjectURL(url), ADDRESS_MS)
}
