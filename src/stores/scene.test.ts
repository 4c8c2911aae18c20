import { describe, expect, it } from 'vitest'
import { TraceMaker } from '../trace/formats/make-trace.ts'
import type { Trace } from '../trace/model/trace.ts'
import { Boxes, leftHeavyScene, type Scene, sandwichScene, timeScene } from './scene.ts'

/** main calls work twice and rest once; an interrupt comes in between. */
const made = (): Trace => {
  const maker = new TraceMaker()
  const kernel = maker.lane({ kind: 'kernel', name: 'kernel' })
  const interrupts = maker.lane({ kind: 'interrupts', name: 'interrupts' })
  const [main, work, rest, clock] = ['main', 'work', 'rest', 'clock'].map((name) => maker.func(name))
  maker.span(kernel, main!, 0, 1000)
  maker.span(kernel, work!, 100, 300)
  maker.span(kernel, rest!, 400, 500)
  maker.span(kernel, work!, 600, 900)
  maker.span(interrupts, clock!, 700, 750)
  return maker.finish({ title: 'made', notes: [] })
}

const drawn = (scene: Scene): readonly string[] => {
  const boxes = new Boxes()
  return scene.rows.map(({ kind, text, row }) => {
    if (kind === 'head') return text
    scene.query(row, scene.start, scene.end, 1, boxes)
    return Array.from({ length: boxes.length }, (_, k) => {
      const name = scene.trace.functions.names[scene.funcOf(boxes.span[k]!)]
      return `${name} ${boxes.start[k]}-${boxes.end[k]}`
    }).join(', ')
  })
}

describe('scenes', () => {
  it('lays lanes out along time, each under its head', () => {
    expect(drawn(timeScene(made(), 'guest', new Set()))).toEqual([
      'kernel',
      'main 0-1000',
      'work 100-300, rest 400-500, work 600-900',
      'interrupts',
      'clock 700-750',
    ])
  })

  it('shows one row of a folded lane', () => {
    expect(drawn(timeScene(made(), 'guest', new Set([0])))).toEqual([
      'kernel',
      'main 0-1000',
      'interrupts',
      'clock 700-750',
    ])
  })

  it('merges stacks with the heaviest left', () => {
    const scene = leftHeavyScene(made())
    expect(drawn(scene).at(-1)).toBe('work 0-500, rest 500-600')
    expect(scene.hit(scene.rows.at(-1)!.row, 550, 0)).toBeGreaterThanOrEqual(0)
    expect(scene.trace.functions.names[scene.funcOf(scene.hit(scene.rows.at(-1)!.row, 550, 0))]).toBe('rest')
  })

  it('puts a function between its callers and its callees', () => {
    const trace = made()
    const scene = sandwichScene(trace, trace.functions.names.indexOf('work'))
    expect(drawn(scene)).toEqual(['callers', 'main 0-500', 'work 0-500', 'callees', 'work 0-500'])
  })
})
