import { describe, expect, it } from 'vitest'
import { PLAYGROUND } from '../guests/catalogue.ts'
import { readAddress, urlSource } from './address.ts'
import { choiceOf, ownGuest } from './guest-choice.ts'

const BASE = 'https://example.org/play/'
const guests = [choiceOf(PLAYGROUND, BASE)]
const read = (query: string) => readAddress(`${BASE}${query}`, guests, ownGuest)

describe('the address', () => {
  it('asks for the embedded guest by itself, and waits', () => {
    const { form, autostart } = read('')
    expect(autostart).toBe(false)
    expect(form).toMatchObject({ guestId: 'playground', memoryMiB: 64, profile: 'microvm', clock: 'wall' })
    expect(form.kernel).toMatchObject({ url: 'https://example.org/play/guests/embedded/playground.elf' })
  })

  it('takes a guest, memory within bounds, profile, clock and command line', () => {
    const { form, autostart } = read(
      '?boot=embedded&autostart&memory=99999&profile=firecracker&clock=icount&cmdline=a%20b',
    )
    expect(autostart).toBe(true)
    expect(form).toMatchObject({ memoryMiB: 3072, profile: 'firecracker', clock: 'icount', cmdline: 'a b' })
  })

  it('takes files by address, relative to the page', () => {
    const { form } = read('?kernel=k/netbsd&disk=a.img&disk=b.img,ro&initrd=https://other.org/r')
    expect(form.guestId).toBe('own')
    expect(form.kernel).toMatchObject({ name: 'netbsd', url: 'https://example.org/play/k/netbsd' })
    expect(form.disks.map(({ source, readOnly }) => [source.name, readOnly])).toEqual([
      ['a.img', false],
      ['b.img', true],
    ])
    expect(form.initrd).toMatchObject({ url: 'https://other.org/r' })
  })

  it('takes nothing but http addresses and known words, and says which it did not know', () => {
    expect(urlSource('javascript:alert(1)', BASE)).toBeUndefined()
    expect(urlSource('data:,x', BASE)).toBeUndefined()
    const { form, theme, problem } = read('?profile=pc&clock=sun&theme=pink&memory=lots')
    expect(form).toMatchObject({ profile: 'microvm', clock: 'wall', memoryMiB: 64 })
    expect(problem?.saw).toBe('the address has "pc" for profile')
    expect(theme).toBeUndefined()
  })
})
