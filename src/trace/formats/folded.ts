/**
 * Folded stacks, as flamegraph.pl takes them: "lane;outermost;...;innermost 1234", nanoseconds of self time. They have
 * sums and no moments: read back, the heaviest stacks stand leftmost.
 */
import { problem, type Result, refuse } from '../../base/problem.ts'
import { laneKindNamed } from '../model/lanes.ts'
import { cleanText } from '../model/text.ts'
import { NO_FUNCTION, NO_STACK, type Trace } from '../model/trace.ts'
import { TraceMaker } from './make-trace.ts'
import { guarded, LIMITS } from './read.ts'

/** ';' separates frames. */
const frameName = (name: string): string => name.replaceAll(';', ':') || '?'

export const writeFolded = (trace: Trace): string => {
  const { stacks, lanes, functions } = trace
  const paths: string[] = []
  const lines: string[] = []
  for (let k = 0; k < stacks.length; k++) {
    const parent = stacks.parent[k]
    const func = stacks.func[k]
    const lane = frameName(lanes[stacks.lane[k]]?.name ?? '?')
    const up = parent === NO_STACK ? lane : paths[parent]!
    const path = func === NO_FUNCTION ? up : `${up};${frameName(functions.names[func] ?? '?')}`
    paths.push(path)
    const ns = Math.round(stacks.self[k])
    if (ns > 0) lines.push(`${path} ${ns}`)
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

interface Node {
  readonly name: string
  self: number
  total: number
  readonly children: Map<string, Node>
}
const newNode = (name: string): Node => ({ name, self: 0, total: 0, children: new Map() })

const LINE = /^(.*\S)\s+(\d+(?:\.\d+)?)\s*$/

export const isFolded = (source: string): boolean => {
  const first = source.split('\n', 20).find((line) => line.trim() !== '')
  return first !== undefined && LINE.test(first) && !first.startsWith('0x')
}

export const readFolded = (source: string): Result<Trace> => {
  const lanes = new Map<string, Node>()
  let number = 0
  for (const line of source.split('\n')) {
    number++
    if (line.trim() === '' || line.startsWith('#')) continue
    const match = LINE.exec(line.slice(0, 1 << 16))
    const value = Number(match?.[2])
    if (match === null || !Number.isFinite(value) || value > Number.MAX_SAFE_INTEGER)
      return refuse(
        problem(
          'bad-trace',
          `line ${number} is "${cleanText(line, 60)}"`,
          'frames separated by ";", a space and a number',
          'make the file with stackcollapse or with this program',
        ),
      )
    const frames = match[1]!
      .split(';')
      .slice(0, LIMITS.depth)
      .map((f) => cleanText(f.trim()))
    const first = frames.shift()!
    let node: Node = lanes.get(first) ?? newNode(first)
    lanes.set(first, node)
    node.total += value
    for (const frame of frames) {
      let child: Node | undefined = node.children.get(frame)
      if (child === undefined) node.children.set(frame, (child = newNode(frame)))
      child.total += value
      node = child
    }
    node.self += value
  }
  if (lanes.size === 0)
    return refuse(
      problem('bad-trace', 'the file has no stacks', 'a line for each stack', 'choose a file of folded stacks'),
    )
  return guarded(() => {
    const maker = new TraceMaker()
    for (const root of lanes.values()) {
      const kind = laneKindNamed(root.name)
      const lane = maker.lane({ kind, name: root.name })
      const work: { node: Node; start: number }[] = []
      const place = (node: Node, start: number): void => {
        let x = start
        for (const child of [...node.children.values()].sort((a, b) => b.total - a.total)) {
          work.push({ node: child, start: x })
          x += child.total
        }
      }
      if (root.self > 0)
        maker.span(lane, kind === 'idle' ? NO_FUNCTION : maker.func(root.name), root.total - root.self, root.total)
      place(root, 0)
      for (let box = work.pop(); box !== undefined; box = work.pop()) {
        maker.span(lane, maker.func(box.node.name), box.start, box.start + box.node.total)
        place(box.node, box.start)
      }
    }
    return maker.finish({
      title: 'folded stacks',
      source: 'folded',
      notes: ['Read from folded stacks: sums only. Moments are not known, the heaviest stacks stand leftmost.'],
    })
  })
}
