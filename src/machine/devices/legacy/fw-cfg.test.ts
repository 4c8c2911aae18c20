import { beforeEach, describe, expect, test } from 'vitest'
import { GuestRam } from '../../ram.ts'
import {
  DMA_ERROR,
  DMA_READ,
  DMA_SELECT,
  DMA_SKIP,
  DMA_WRITE,
  FW_CFG,
  FW_CFG_CMDLINE_DATA,
  FW_CFG_CMDLINE_SIZE,
  FW_CFG_FILE_DIR,
  FW_CFG_INITRD_SIZE,
  FW_CFG_KERNEL_DATA,
  FwCfg,
} from './fw-cfg.ts'

const ACCESS = 0x1000
const BUFFER = 0x2000

let ram: GuestRam
let fwCfg: FwCfg

const text = (s: string): Uint8Array => new TextEncoder().encode(s)
const select = (item: number): void => fwCfg.write(FW_CFG.SELECTOR, 2, item)
const data = (n: number): number[] => Array.from({ length: n }, () => fwCfg.read(FW_CFG.DATA, 1))
const string = (bytes: Iterable<number>): string => String.fromCharCode(...bytes)
const swap = (v: number): number => new DataView(new Uint32Array([v]).buffer).getUint32(0)

/** Runs one DMA access and returns its control word afterwards. */
const dma = (control: number, length: number, address: number): number => {
  const view = new DataView(ram.bytes.buffer)
  view.setUint32(ACCESS, control)
  view.setUint32(ACCESS + 4, length)
  view.setUint32(ACCESS + 8, 0)
  view.setUint32(ACCESS + 12, address)
  fwCfg.write(FW_CFG.DMA_ADDRESS_HIGH, 4, 0)
  fwCfg.write(FW_CFG.DMA_ADDRESS_LOW, 4, swap(ACCESS))
  return view.getUint32(ACCESS)
}

beforeEach(() => {
  ram = new GuestRam(new ArrayBuffer(0x10000), 0, 0x10000)
  fwCfg = new FwCfg(
    ram,
    new Map([
      ['opt/b', text('second')],
      ['opt/a', text('hello')],
    ]),
  )
})

describe('what was booted', () => {
  test('kernel, initrd and command line stand where firmware looks, sizes before data', () => {
    fwCfg.setBoot(text('ELF!'), undefined, 'console=com')
    select(FW_CFG_CMDLINE_SIZE)
    expect(data(4)).toEqual([12, 0, 0, 0])
    select(FW_CFG_CMDLINE_DATA)
    expect(string(data(12))).toBe('console=com\0')
    select(FW_CFG_KERNEL_DATA)
    expect(string(data(4))).toBe('ELF!')
    select(FW_CFG_INITRD_SIZE)
    expect(data(4)).toEqual([0, 0, 0, 0])
  })
})

describe('ports', () => {
  test('the signature, then zeroes', () => {
    select(0)
    expect(data(5)).toEqual([...text('QEMU'), 0])
  })

  test('the ID says traditional and DMA', () => {
    select(1)
    expect(data(4)).toEqual([3, 0, 0, 0])
  })

  test('selecting again starts over; an unknown item is empty', () => {
    select(0)
    data(2)
    select(0)
    expect(string(data(4))).toBe('QEMU')
    select(0x7777)
    expect(data(2)).toEqual([0, 0])
  })

  test('the DMA register reads "QEMU CFG" as QEMU 7.2 has it', () => {
    expect(fwCfg.read(FW_CFG.DMA_ADDRESS_HIGH, 4)).toBe(0x554d4551)
    expect(fwCfg.read(FW_CFG.DMA_ADDRESS_LOW, 4)).toBe(0x47464320)
  })
})

test('the directory lists files by name, and each can be selected', () => {
  select(FW_CFG_FILE_DIR)
  expect(data(4)).toEqual([0, 0, 0, 2])
  const entry = data(64)
  expect(entry.slice(0, 8)).toEqual([0, 0, 0, 5, 0, 0x20, 0, 0])
  expect(string(entry.slice(8, 14))).toBe('opt/a\0')
  select(0x21)
  expect(string(data(6))).toBe('second')
})

describe('DMA', () => {
  test('selects and reads into RAM, zeroes past the end', () => {
    ram.fill(BUFFER, 16, 0xee)
    expect(dma((0x20 << 16) | DMA_SELECT | DMA_READ, 8, BUFFER)).toBe(0)
    expect(string(ram.read(BUFFER, 9))).toBe('hello\0\0\0\xee')
  })

  test('skips, then reads on', () => {
    dma((0x20 << 16) | DMA_SELECT | DMA_SKIP, 2, 0)
    expect(dma(DMA_READ, 3, BUFFER)).toBe(0)
    expect(string(ram.read(BUFFER, 3))).toBe('llo')
  })

  test('refuses to write, and to reach outside RAM', () => {
    expect(dma((0x20 << 16) | DMA_SELECT | DMA_WRITE, 2, BUFFER)).toBe(DMA_ERROR)
    expect(dma((0x20 << 16) | DMA_SELECT | DMA_READ, 0x100, 0xff80)).toBe(DMA_ERROR)
  })

  test('ignores an access structure outside RAM', () => {
    fwCfg.write(FW_CFG.DMA_ADDRESS_LOW, 4, swap(0xfffffff0))
    select(0)
    expect(string(data(4))).toBe('QEMU')
  })
})
