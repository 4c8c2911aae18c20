/** Subsystems of a trace's functions, remembered: names are looked up once, traces summed once. */
import { OTHER, SUBSYSTEMS, type SubsystemRow, subsystemOf } from '../trace/model/subsystems.ts'
import { NO_FUNCTION, type Trace } from '../trace/model/trace.ts'

const byName = new Map<string, number>()
const byTrace = new WeakMap<Trace, Int8Array>()

const ofName = (name: string): number => {
  let found = byName.get(name)
  if (found === undefined) byName.set(name, (found = subsystemOf(name)))
  return found
}

/** As functionSubsystems of the trace room: what runs in user mode without symbols is user. */
export const subsystemsOf = (trace: Trace): Int8Array => {
  let all = byTrace.get(trace)
  if (all) return all
  const { stacks, lanes, functions } = trace
  all = Int8Array.from(functions.names, ofName)
  const user = SUBSYSTEMS.indexOf('user')
  const isProcess = lanes.map(({ kind }) => kind === 'process')
  for (let k = 0; k < stacks.length; k++) {
    const func = stacks.func[k]!
    if (func !== NO_FUNCTION && isProcess[stacks.lane[k]!] && all[func] === OTHER) all[func] = user
  }
  byTrace.set(trace, all)
  return all
}

/** Where the time went, heaviest first. */
export const subsystemRows = (trace: Trace): readonly SubsystemRow[] => {
  const of = subsystemsOf(trace)
  const rows = [OTHER, ...SUBSYSTEMS.keys()].map((subsystem) => ({ subsystem, self: 0, selfInstructions: 0 }))
  for (let func = 0; func < trace.functions.length; func++) {
    const row = rows[of[func]! + 1]!
    row.self += trace.functions.self[func]!
    row.selfInstructions += trace.functions.selfInstructions[func]!
  }
  return rows.filter(({ self }) => self > 0).sort((a, b) => b.self - a.self)
}
