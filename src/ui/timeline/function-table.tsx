/**
 * All functions, sortable: which one costs most, by itself or with all it calls. The search above it and the subsystems
 * beside it choose among them, in the chart as well as here.
 */
import { useEffect, useMemo, useRef, useState } from 'react'
import { SUBSYSTEMS, subsystemTotals } from '../../trace/model/subsystems.ts'
import type { Trace } from '../../trace/model/trace.ts'
import { FUNCTION_COLUMNS, type FunctionColumn, functionRows } from '../../trace/views/function-rows.ts'
import { functionsBetween } from '../../trace/views/range-sums.ts'
import { inSubsystem } from '../../trace/views/timeline.ts'
import { useDesk, useTrace } from '../context.ts'
import { count, duration, said } from '../quantity.ts'
import { percent } from './said.ts'

const ROWS = 300

const HEADS: Readonly<Record<FunctionColumn, string>> = {
  name: 'Function',
  self: 'Self',
  total: 'Total',
  calls: 'Calls',
  subsystem: 'Subsystem',
}

const Subsystems = ({ trace }: { readonly trace: Trace }) => {
  const desk = useDesk()
  const query = useTrace((view) => view.query)
  const names = useMemo(() => subsystemTotals(trace).map(({ subsystem }) => SUBSYSTEMS[subsystem] ?? 'other'), [trace])
  return (
    <fieldset className="segments" aria-label="Subsystem">
      {names.map((name) => {
        const isChosen = query === inSubsystem(name)
        return (
          <button
            key={name}
            type="button"
            className="segment"
            aria-pressed={isChosen}
            onClick={() => desk.search(isChosen ? '' : inSubsystem(name))}
          >
            {name}
          </button>
        )
      })}
    </fieldset>
  )
}

/** A stage that is visible from end to end: what is clipped at the trace's edges still is that stage. */
const near = (a: number, b: number, { end }: Trace): boolean => Math.abs(a - b) < end * 1e-4
const amountNs = (ns: number): string => said(duration(ns))

export const FunctionTable = () => {
  const desk = useDesk()
  const trace = useTrace((view) => view.shown?.trace)
  const found = useTrace((view) => view.found)
  const chosen = useTrace((view) => view.func)
  const [measure, setMeasure] = useState<'time' | 'instructions'>('time')
  const [by, setBy] = useState<{ readonly column: FunctionColumn; readonly reversed: boolean }>({
    column: 'self',
    reversed: false,
  })
  const scope = useTrace((view) => view.scope)
  const range = useTrace((view) => (view.scope === 'visible' ? `${view.from} ${view.to} ${view.axis}` : ''))
  const visible = range === '' ? undefined : desk.visibleNs()
  // biome-ignore lint/correctness/useExhaustiveDependencies: the range is the desk's, and `range` says when it is another
  const sums = useMemo(() => trace && visible && functionsBetween(trace, visible.from, visible.to), [trace, range])
  const table = useMemo(
    () => trace && functionRows(trace, measure, by.column, by.reversed, found?.functions, sums),
    [trace, measure, by, found, sums],
  )
  const marked = useRef<HTMLTableRowElement>(null)
  useEffect(() => marked.current?.scrollIntoView({ block: 'nearest' }), [])
  if (!trace || !table) return null
  const amount = (value: number | undefined): string =>
    value === undefined ? '–' : said(measure === 'time' ? duration(value) : count(value))
  const whole = Math.max(1, measure === 'time' ? trace.end : trace.endInstructions)
  const stage =
    visible && trace.stages.find(({ start, end }) => near(start, visible.from, trace) && near(end, visible.to, trace))
  const where = visible
    ? `${stage ? `${stage.name}, ` : ''}${amountNs(visible.from)} to ${amountNs(visible.to)}`
    : 'the whole trace'
  const direction = (column: FunctionColumn): 'ascending' | 'descending' | undefined => {
    if (by.column !== column) return undefined
    const isText = column === 'name' || column === 'subsystem'
    return isText === by.reversed ? 'descending' : 'ascending'
  }
  return (
    <>
      <div className="compare-tools table-tools">
        <Subsystems trace={trace} />
        <fieldset className="segments" aria-label="Range">
          {(['trace', 'visible'] as const).map((which) => (
            <button
              key={which}
              type="button"
              className="segment"
              aria-pressed={scope === which}
              onClick={() => desk.store.setState({ scope: which })}
            >
              {which === 'trace' ? 'Whole trace' : 'Visible range'}
            </button>
          ))}
        </fieldset>
        <fieldset className="segments" aria-label="Measure">
          {(['time', 'instructions'] as const).map((which) => (
            <button
              key={which}
              type="button"
              className="segment"
              aria-pressed={measure === which}
              onClick={() => setMeasure(which)}
            >
              {which === 'time' ? 'Guest time' : 'Instructions'}
            </button>
          ))}
        </fieldset>
        <p className="hint" role="status" data-testid="function-sum">
          {where}: {table.rows.filter(({ func }) => func >= 0).length.toLocaleString('en')} functions,{' '}
          {amount(table.self)} self, {percent(table.self / whole)} of the trace, {table.calls.toLocaleString('en')}{' '}
          calls
          {visible && '. Calls too short to be drawn count in their callers'}
        </p>
      </div>
      <div className="table-frame">
        <table className="table" data-testid="function-table">
          <caption className="visually-hidden">Functions of the trace</caption>
          <thead>
            <tr>
              {FUNCTION_COLUMNS.map((column) => (
                <th
                  key={column}
                  scope="col"
                  className={column === 'name' || column === 'subsystem' ? undefined : 'num'}
                  aria-sort={direction(column)}
                >
                  <button
                    type="button"
                    className="row-button"
                    onClick={() => setBy({ column, reversed: by.column === column && !by.reversed })}
                  >
                    {HEADS[column]}
                    {by.column === column && <span aria-hidden="true">{by.reversed ? ' ▴' : ' ▾'}</span>}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.slice(0, ROWS).map((row) => (
              <tr
                key={`${row.func}${row.name}`}
                ref={row.func >= 0 && row.func === chosen ? marked : undefined}
                aria-current={row.func >= 0 && row.func === chosen ? true : undefined}
              >
                <th scope="row" className="mono">
                  {row.func < 0 ? (
                    row.name
                  ) : (
                    <button type="button" className="row-button mono" onClick={() => desk.light(row.func)}>
                      {row.name}
                    </button>
                  )}
                </th>
                <td className="num">
                  <span className="share-bar" style={{ width: `${(row.self / whole) * 64}px` }} aria-hidden="true" />
                  {amount(row.self)}
                </td>
                <td className="num">{amount(row.total)}</td>
                <td className="num">{row.calls.toLocaleString('en')}</td>
                <td className="muted">{row.subsystem}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {table.rows.length > ROWS && <p className="hint">and {(table.rows.length - ROWS).toLocaleString('en')} more</p>}
      </div>
    </>
  )
}
