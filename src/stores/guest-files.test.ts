import { expect, test, vi } from 'vitest'
import { GuestFiles, type GuestStatus, standing } from './guest-files.ts'

const guest = { files: ['a/netbsd', 'a/root.img'] }
const here = { state: 'here', bytes: 1 } as const

test('a guest is as far as the file that is farthest from here', () => {
  const say = (root: GuestStatus['files'][string], fetches = true) =>
    standing(guest, { files: { 'a/netbsd': here, 'a/root.img': root }, fetches })
  expect(say(here)).toEqual({ state: 'here' })
  expect(say({ state: 'coming', received: 1, total: 4 })).toEqual({ state: 'coming', share: 0.25 })
  expect(say({ state: 'coming', received: 1 })).toEqual({ state: 'coming' })
  expect(say({ state: 'absent', why: 'No answer.' })).toEqual({ state: 'to fetch', why: 'No answer.' })
  expect(say({ state: 'absent' }, false)).toEqual({ state: 'not here' })
})

test('a server that says nothing hides nothing', () => {
  expect(standing(guest, { files: {}, fetches: false })).toEqual({ state: 'here' })
})

test('the page asks again while something comes, and then no more', async () => {
  const answers: GuestStatus[] = [
    { files: { 'a/netbsd': { state: 'coming', received: 1 } }, fetches: true },
    { files: { 'a/netbsd': here }, fetches: true },
  ]
  const asked = vi.spyOn(globalThis, 'fetch').mockImplementation(async () => Response.json(answers.shift()))
  const files = new GuestFiles(() => false)
  files.watch(new URL('http://localhost/guests/status.json'))
  await vi.waitFor(() => expect(files.store.getState().files['a/netbsd']).toEqual(here))
  expect(asked).toHaveBeenCalledTimes(2)
  asked.mockRestore()
})
