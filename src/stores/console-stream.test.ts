import { describe, expect, it } from 'vitest'
import { ConsoleStream } from './console-stream.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

const stream = () => {
  let acknowledged = 0
  const sent: Uint8Array[] = []
  const console = new ConsoleStream({
    send: (data) => sent.push(data),
    acknowledge: (count) => {
      acknowledged += count
    },
  })
  return { console, sent, acknowledged: () => acknowledged }
}

describe('the console stream', () => {
  it('acknowledges at once without a terminal, and when the terminal is done with one', () => {
    const { console, acknowledged } = stream()
    console.feed(bytes('abc'))
    expect(acknowledged()).toBe(3)
    const pending: (() => void)[] = []
    console.attach(
      (_, done) => pending.push(done),
      () => {},
    )
    console.feed(bytes('defg'))
    expect(acknowledged()).toBe(3)
    for (const done of pending) done()
    expect(acknowledged()).toBe(7)
  })

  it('shows a late terminal what was printed before', () => {
    const { console } = stream()
    console.feed(bytes('early '))
    let shown = ''
    console.attach(
      (data) => {
        shown += new TextDecoder().decode(data)
      },
      () => {},
    )
    console.feed(bytes('late'))
    expect(shown).toBe('early late')
  })

  it('consumes what a reader waited for', async () => {
    const { console } = stream()
    console.feed(bytes('one $ two $ '))
    expect(await console.waitForText('$ ', 100)).toBe('one $ ')
    expect(await console.waitForText('$ ', 100)).toBe('two $ ')
    const third = console.waitForText(/th\w+/, 1000)
    console.feed(bytes('three'))
    expect(await third).toBe('three')
    await expect(console.waitForText('four', 10)).rejects.toThrow('four was not printed within 10 ms')
  })

  it('keeps characters whole across batches', async () => {
    const { console } = stream()
    const [first, ...rest] = bytes('é!')
    console.feed(Uint8Array.of(first ?? 0))
    console.feed(Uint8Array.from(rest))
    expect(await console.waitForText('é!', 100)).toBe('é!')
  })

  it('matches nothing of the old run between a reset and its power-on', async () => {
    const { console } = stream()
    console.deafen()
    const prompt = console.waitForText('> ', 1000)
    console.feed(bytes('old> '))
    console.skip()
    console.feed(bytes('new> '))
    expect(await prompt).toBe('new> ')
  })

  it('copies what it sends, since it is transferred', () => {
    const { console, sent } = stream()
    const mine = bytes('x')
    console.send(mine)
    expect(sent[0]).not.toBe(mine)
    expect(sent[0]).toEqual(mine)
  })
})
