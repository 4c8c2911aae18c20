import { expect, test } from 'vitest'
import { CodeMode } from '../state/layout.ts'
import { REC_LENGTH, REC_OP, RECORD_BYTES, RECORD_PAGE_BYTES, RECORDS } from '../state/record.ts'
import { CodePages } from './code-pages.ts'

const PAGE = 5
const made = () => {
  const buffer = new ArrayBuffer(RECORDS + 4 * RECORD_PAGE_BYTES)
  const view = new DataView(buffer)
  const pages = new CodePages(
    buffer,
    1 << 20,
    (address, length) => new Uint8Array(buffer, address, length).fill(0),
    () => {},
  )
  return { view, pages }
}

test('a page that is written again and again is data, sooner or later', () => {
  const { view, pages } = made()
  const page = pages.create(PAGE, CodeMode.Bits64, 0, () => {})
  view.setUint16(page.records + 100 * RECORD_BYTES + REC_OP, 9, true)
  view.setUint8(page.records + 100 * RECORD_BYTES + REC_LENGTH, 3)
  expect(pages.watched[PAGE]).toBe(1)
  let writes = 1
  while (!pages.isData(PAGE)) writes++
  const dropped: number[] = []
  pages.drop(PAGE, 0, ({ records }) => dropped.push(records))
  expect(dropped).toEqual([page.records])
  expect(pages.watched[PAGE]).toBe(0)
  expect(pages.find(PAGE, CodeMode.Bits64)).toBeUndefined()
  expect(view.getUint16(page.records + 100 * RECORD_BYTES + REC_OP, true)).toBe(0)

  const again = pages.create(PAGE, CodeMode.Bits64, 0, () => {})
  expect(again.records).toBe(page.records)
  let later = 1
  while (!pages.isData(PAGE)) later++
  expect(later).toBe(2 * writes)
})

test('the page being executed stays, and so does the watch over instructions that reach into it', () => {
  const { view, pages } = made()
  const page = pages.create(PAGE, CodeMode.Bits64, 0, () => {})
  const crossing = pages.create(PAGE - 1, CodeMode.Bits64, 0, () => {}).records + 4095 * RECORD_BYTES
  view.setUint16(crossing + REC_OP, 9, true)
  pages.addCrossing(PAGE, crossing)
  pages.drop(PAGE, page.records, () => {})
  expect(pages.find(PAGE, CodeMode.Bits64)).toBe(page)
  expect(pages.watched[PAGE]).toBe(1)
  pages.drop(PAGE, 0, () => {})
  expect(view.getUint16(crossing + REC_OP, true)).toBe(0)
  expect(pages.watched[PAGE]).toBe(0)
})
