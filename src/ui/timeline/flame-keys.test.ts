import { describe, expect, it } from 'vitest'
import { formFor } from '../../stores/boot-form-store.ts'
import { ownGuest } from '../../stores/guest-choice.ts'
import { TraceDesk } from '../../stores/trace-store.ts'
import { TraceMaker } from '../../trace/formats/make-trace.ts'
import { CHART_KEYS, type Chart, pressKey } from './flame-keys.ts'

const chord = (key: string, held: Partial<KeyboardEvent> = {}) => ({
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  ...held,
  key,
})

const charted = async () => {
  const maker = new TraceMaker()
  const kernel = maker.lane({ kind: 'kernel', name: 'kernel' })
  maker.span(kernel, maker.func('main'), 0, 1000)
  maker.span(kernel, maker.func('uvm_init'), 100, 400)
  maker.span(kernel, maker.func('configure'), 500, 900)
  const desk = new TraceDesk(() => {})
  const done = desk.begin('made', formFor(ownGuest), 1000)
  const trace = maker.finish({ title: 'made', notes: [] })
  desk.update({ boot: 1, trace, namesFrom: 0, full: true, done: true })
  await done
  const scrolled: number[] = []
  let searches = 0
  const chart: Chart = {
    desk,
    scrollRows: (rows) => scrolled.push(rows),
    focusSearch: () => searches++,
    focusConsole: () => {},
  }
  return { desk, chart, scrolled, searches: () => searches }
}

describe('the chart’s keys', () => {
  it('mean one thing each', () => {
    const all = CHART_KEYS.flatMap(({ keys }) => Object.keys(keys))
    expect(new Set(all).size).toBe(all.length)
  })

  it('are on the sheet: each has its letter or arrow there', () => {
    const faces: Readonly<Record<string, string>> = {
      ArrowLeft: '←',
      ArrowRight: '→',
      ArrowUp: '↑',
      ArrowDown: '↓',
      Escape: 'Esc',
      '-': '−',
      // Plus and minus, whichever way the keyboard has them.
      '=': '+',
      _: '−',
    }
    for (const { face, keys } of CHART_KEYS)
      for (const key of Object.keys(keys)) {
        const written = faces[key] ?? key
        expect(face.includes(written) || face.includes(written.toUpperCase()), `${key} in ${face}`).toBe(true)
      }
  })

  it('zoom, move and walk from a selection, and scroll without one', async () => {
    const { desk, chart, scrolled, searches } = await charted()
    pressKey(chart, chord('w'))
    expect([desk.view.from, desk.view.to]).toEqual([150, 850])
    pressKey(chart, chord('ArrowDown'))
    expect(scrolled).toEqual([3])
    const name = () => desk.view.shown?.trace.functions.names[desk.view.func]
    desk.chooseFunction(desk.view.shown?.trace.functions.names.indexOf('uvm_init') ?? -1)
    pressKey(chart, chord('ArrowRight'))
    expect(name()).toBe('configure')
    pressKey(chart, chord('ArrowUp'))
    expect(name()).toBe('main')
    pressKey(chart, chord('Enter'))
    expect([desk.view.from, desk.view.to]).toEqual([0, 1000])
    pressKey(chart, chord('/'))
    expect(searches()).toBe(1)
  })

  it('leave chords to the browser, and do nothing where no chart is, but for the sheet', async () => {
    const { desk, chart } = await charted()
    expect(pressKey(chart, chord('w', { ctrlKey: true }))).toBe(false)
    expect(pressKey(chart, chord('x'))).toBe(false)
    void desk.begin('again', formFor(ownGuest), 1000)
    expect(pressKey(chart, chord('w'))).toBe(false)
    expect(pressKey(chart, chord('?'))).toBe(true)
    expect(desk.view.panel).toBe('keys')
  })
})
