import { describe, expect, it } from 'vitest'
import { problem } from '../base/problem.ts'
import { TraceMaker } from '../trace/formats/make-trace.ts'
import type { Trace } from '../trace/model/trace.ts'
import { formFor } from './boot-form-store.ts'
import { ownGuest } from './guest-choice.ts'
import { TraceDesk } from './trace-store.ts'

const made = (end: number): Trace => {
  const maker = new TraceMaker()
  const kernel = maker.lane({ kind: 'kernel', name: 'kernel' })
  maker.span(kernel, maker.func('main'), 0, end)
  maker.span(kernel, maker.func('uvm_init'), end * 0.1, end * 0.4)
  maker.span(kernel, maker.func('configure'), end * 0.5, end * 0.9)
  maker.marks.push({ kind: 'console', at: end * 0.2, atInstructions: end * 0.2, text: 'total memory = 64 MB' })
  return maker.finish({ title: 'made', notes: [] })
}

const booting = () => {
  let asked = 0
  const desk = new TraceDesk(() => {
    asked++
  })
  void desk.begin('made', formFor(ownGuest), 1000)
  const lean = (end: number, boot = 1) =>
    desk.update({ boot, trace: made(end), namesFrom: 0, full: false, done: false })
  const whole = async (end: number, done: boolean) => {
    desk.update({ boot: 1, trace: made(end), namesFrom: 0, full: true, done })
    await expect.poll(() => desk.view.shown?.trace.end === end && desk.view.shown.full).toBe(true)
  }
  return { desk, lean, whole, asked: () => asked }
}

describe('the trace desk', () => {
  it('follows at constant scale, and shows all when it is over', async () => {
    const { desk, lean, whole } = booting()
    lean(400)
    expect([desk.view.from, desk.view.to]).toEqual([0, 1000])
    lean(2500)
    expect([desk.view.from, desk.view.to]).toEqual([1500, 2500])
    await whole(3000, true)
    expect([desk.view.from, desk.view.to]).toEqual([0, 3000])
    expect(desk.view.runs.map(({ name }) => name)).toEqual(['made'])
  })

  it('stops following at the first touch and asks for everything', async () => {
    const { desk, lean, whole, asked } = booting()
    lean(2500)
    desk.setRange(1600, 1700)
    expect(desk.view.following).toBe(false)
    expect(asked()).toBe(1)
    await whole(2600, false)
    lean(2700)
    expect([desk.view.from, desk.view.to, desk.view.shown?.trace.end]).toEqual([1600, 1700, 2600])
  })

  it('shows the later of two whole traces that come at once, and remembers that one', async () => {
    const { desk } = booting()
    desk.update({ boot: 1, trace: made(2000), namesFrom: 0, full: true, done: false })
    desk.update({ boot: 1, trace: made(3000), namesFrom: 0, full: true, done: true })
    await expect.poll(() => desk.view.runs.length).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(desk.view.shown?.trace.end).toBe(3000)
    expect(desk.view.runs[0]?.trace.end).toBe(3000)
  })

  it('starts afresh when the machine does, whoever says so first', async () => {
    const { desk, lean } = booting()
    lean(900)
    desk.powerOn(2)
    expect(desk.view.shown).toBeUndefined()
    lean(950, 1)
    expect(desk.view.shown).toBeUndefined()
    lean(100, 2)
    const second = desk.view.shown
    desk.powerOn(2)
    expect(desk.view.shown).toBe(second)
    lean(50, 3)
    expect(desk.view.shown?.id).not.toBe(second?.id)
  })

  it('keeps what it has when nobody records any more, and says why', () => {
    const { desk, lean } = booting()
    lean(400)
    desk.lost(problem('trace-lost', 'the trace worker ended', 'a recording', 'boot again'))
    expect(desk.view).toMatchObject({ shown: { live: false }, problem: { kind: 'trace-lost' } })
    lean(500)
    expect(desk.view.shown?.trace.end).toBe(400)
  })

  it('keeps the point under the pointer, and within bounds', async () => {
    const { desk, whole } = booting()
    await whole(1000, true)
    desk.zoom(0.5, 250)
    expect([desk.view.from, desk.view.to]).toEqual([125, 625])
    desk.pan(10)
    expect([desk.view.from, desk.view.to]).toEqual([500, 1000])
    desk.zoom(100)
    expect([desk.view.from, desk.view.to]).toEqual([0, 1000])
    desk.zoom(1e-9)
    expect(desk.view.to - desk.view.from).toBe(20)
  })

  it('goes from a console line to its span and back', async () => {
    const { desk, whole } = booting()
    await whole(1000, true)
    desk.goTo(0)
    const { shown, func } = desk.view
    expect(shown?.trace.functions.names[func]).toBe('uvm_init')
    expect(desk.selectedMarks()).toEqual([0])
  })

  it('searches and walks the hits', async () => {
    const { desk, whole } = booting()
    await whole(1000, true)
    desk.search('INIT')
    expect(desk.view.found?.spans.length).toBe(1)
    desk.searchStep(1)
    expect(desk.view.foundAt).toBe(0)
    desk.search('')
    expect(desk.view.found).toBeUndefined()
  })

  it('carries trace, range and selection in a link', async () => {
    const { desk, whole } = booting()
    await whole(1000, true)
    desk.chooseFunction(desk.view.shown?.trace.functions.names.indexOf('configure') ?? -1)
    desk.setRange(400, 950)
    const fragment = desk.link()?.fragment ?? ''
    const other = new TraceDesk(() => {})
    expect(other.openLink(fragment)).toBe(true)
    const { shown, func, from, to } = other.view
    expect(shown?.trace.functions.names[func]).toBe('configure')
    expect([Math.round(from), Math.round(to)]).toEqual([400, 950])
  })

  it('says what is wrong with a link, and leaves others alone', () => {
    const desk = new TraceDesk(() => {})
    expect(desk.openLink('#somewhere')).toBe(false)
    expect(desk.openLink('#v=7&d=AAAA')).toBe(true)
    expect(desk.view.problem?.kind).toBe('link-newer')
  })

  it('promises all of a boot, or says that it will not come', async () => {
    const { desk, whole } = booting()
    const first = desk.begin('first', formFor(ownGuest), 1000)
    await whole(1000, true)
    expect(await first).toMatchObject({ name: 'first', full: true, live: false, trace: { end: 1000 } })
    const second = desk.begin('second', formFor(ownGuest), 1000)
    const third = desk.begin('third', formFor(ownGuest), 1000)
    expect(await second).toBeUndefined()
    desk.lost(problem('trace-lost', 'the trace worker ended', 'a recording', 'boot again'))
    expect(await third).toBeUndefined()
  })

  it('waits for all that is recorded so far of a boot that goes on', async () => {
    const { desk, lean, whole, asked } = booting()
    lean(400)
    const some = desk.whole()
    expect(asked()).toBe(1)
    await whole(450, false)
    expect(await some).toMatchObject({ full: true, live: true, trace: { end: 450 } })
    expect((await desk.whole())?.trace.end).toBe(450)
  })

  it('leads from a row of a comparison to what it is about, and back', async () => {
    const { desk, whole } = booting()
    await whole(1000, true)
    const before = desk.view.runs[0]!
    void desk.begin('again', formFor(ownGuest), 1000)
    await whole(1500, true)
    desk.compare(before, desk.view.runs[0]!, 'why')
    desk.followRow('functions', 'configure')
    const { shown, func, lit, comparing } = desk.view
    expect(comparing).toBeUndefined()
    expect([shown?.name, shown?.trace.functions.names[func], lit]).toEqual(['again', 'configure', func])
    desk.backToComparison()
    expect(desk.view.comparing).toMatchObject({ before: { name: 'made' }, about: 'why' })
  })

  it('walks what is searched for in the view at hand: in a sandwich each function found becomes the subject', async () => {
    const { desk, whole } = booting()
    await whole(1000, true)
    desk.setMode('sandwich')
    desk.search('i')
    // By what they took: main, configure, uvm_init.
    const name = () => desk.view.shown?.trace.functions.names[desk.view.func]
    const walked = [1, 1, 1].map(() => {
      desk.searchStep(1)
      return name()
    })
    expect(walked).toEqual(['main', 'configure', 'uvm_init'])
    expect(desk.view.mode).toBe('sandwich')
    expect(desk.hits()).toEqual({ of: 'functions', length: 3 })
    desk.setMode('left-heavy')
    desk.searchStep(1)
    expect(desk.view.mode).toBe('left-heavy')
    expect(desk.hits().of).toBe('boxes')
  })

  it('lights a function that a table led to, and looks at a stage along the axis at hand', async () => {
    const { desk, whole } = booting()
    await whole(1000, true)
    desk.store.setState({ table: 'functions' })
    desk.lookAt(100, 400)
    expect([desk.view.from, desk.view.to, desk.view.scope]).toEqual([100, 400, 'visible'])
    expect(desk.visibleNs()).toEqual({ from: 100, to: 400 })
    desk.light(desk.view.shown!.trace.functions.names.indexOf('configure'))
    expect(desk.view.table).toBeUndefined()
    expect(desk.hits()).toEqual({ of: 'spans', length: 1 })
    desk.select(-1)
    expect(desk.hits().length).toBe(0)
  })
})
