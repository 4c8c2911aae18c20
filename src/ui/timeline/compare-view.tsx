/** Two boots: their stages to one scale, and what changed, biggest change first. */
import { useMemo, useState } from 'react'
import type { Comparing, Run } from '../../stores/trace-store.ts'
import { type CompareMeasure, compareTraces, type Difference } from '../../trace/views/compare.ts'
import { useDesk } from '../context.ts'
import { count, duration, said, threeFigures } from '../quantity.ts'
import { ofTrace, StageStrip } from '../stage-strip.tsx'
import { runWords } from './run-words.ts'

const ROWS = 200

const amountOf = (value: number | undefined, measure: CompareMeasure): string =>
  value === undefined ? '–' : said(measure === 'time' ? duration(value) : count(value))

const signed = (change: number, measure: CompareMeasure): string =>
  Math.abs(change) < 0.5 ? '0' : `${change > 0 ? '+' : '−'}${amountOf(Math.abs(change), measure)}`

const ratioWords = ({ ratio, status }: Difference): string =>
  status === 'added' || status === 'removed' ? status : ratio === undefined ? '' : `×\u2009${threeFigures(ratio)}`

interface StripProps {
  readonly run: Run
  readonly word: string
  readonly total: number
  readonly measure: CompareMeasure
}

const Strip = ({ run, word, total, measure }: StripProps) => {
  const desk = useDesk()
  return (
    <div className="compare-strip">
      <button type="button" className="row-button compare-name" onClick={() => desk.show(run)}>
        <span className="muted">{word}</span> #{run.id} {runWords(run)}
      </button>
      <StageStrip
        spans={ofTrace(run.trace.stages, false)}
        total={total}
        along={{ axis: measure === 'time' ? 'guest' : 'instructions' }}
      />
    </div>
  )
}

export const CompareView = ({ comparing }: { readonly comparing: Comparing }) => {
  const desk = useDesk()
  const { before, after, about } = comparing
  const [measure, setMeasure] = useState<CompareMeasure>('time')
  const [by, setBy] = useState<'stages' | 'functions'>('stages')
  const result = useMemo(() => compareTraces(before.trace, after.trace, measure), [before, after, measure])
  const ends = [before, after].map(({ trace }) => ofTrace(trace.stages, false).at(-1))
  const total = Math.max(1, ...ends.map((last) => (measure === 'time' ? last?.endNs : last?.endInstructions) ?? 0))
  const sorted =
    by === 'stages' ? result.stages.toSorted((a, b) => Math.abs(b.change) - Math.abs(a.change)) : result.functions
  const rows = sorted.filter((row) => by === 'stages' || row.status !== 'same').slice(0, ROWS)
  const most = Math.max(1, ...rows.map(({ change }) => Math.abs(change)))
  return (
    <div className="compare" data-testid="compare">
      <div className="compare-head">
        <p className="compare-total" data-testid="compare-total">
          {signed(result.total.change, measure)}
          <span className="muted">
            {' '}
            {amountOf(result.total.before, measure)} before, {amountOf(result.total.after, measure)} after
            {result.total.ratio === undefined ? '' : `, ×\u2009${threeFigures(result.total.ratio)}`}
          </span>
        </p>
        <div className="compare-tools">
          <fieldset className="segments" aria-label="Rows">
            {(['stages', 'functions'] as const).map((which) => (
              <button
                key={which}
                type="button"
                className="segment"
                aria-pressed={by === which}
                onClick={() => setBy(which)}
              >
                {which === 'stages' ? 'By stage' : 'By function'}
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
          <button type="button" className="button small" onClick={() => desk.compare(after, before)}>
            Swap
          </button>
          <button type="button" className="button small" onClick={() => desk.endCompare()}>
            Close comparison
          </button>
        </div>
      </div>
      {about !== undefined && <p className="compare-about">{about}</p>}
      {before.trace.meta.clock === 'icount' && after.trace.meta.clock === 'icount' && (
        <p className="compare-about">
          Both boots count instructions: the guest’s clock is how many have retired, so that these numbers are the same
          on every computer, and other than those of a boot by this computer’s clock.
        </p>
      )}
      {(before.trace.meta.clock === 'wall' || after.trace.meta.clock === 'wall') && (
        <p className="compare-about">
          Under the wall clock this computer’s speed is in both numbers. Instructions compare better, and boots that
          count instructions (Clock, under Details) compare exactly.
        </p>
      )}
      <Strip run={before} word="before" total={total} measure={measure} />
      <Strip run={after} word="after" total={total} measure={measure} />
      <div className="table-frame">
        <table className="table" data-testid="compare-table">
          <caption className="visually-hidden">What changed, biggest change first</caption>
          <thead>
            <tr>
              <th scope="col">{by === 'stages' ? 'Stage' : 'Function, self'}</th>
              <th scope="col" className="num">
                Change
              </th>
              <td className="wide-only" />
              <th scope="col" className="num">
                Before
              </th>
              <th scope="col" className="num">
                After
              </th>
              <th scope="col" className="num">
                Ratio
              </th>
              {by === 'functions' && (
                <th scope="col" className="num wide-only">
                  Calls
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.name} data-status={row.status}>
                <th scope="row" className={by === 'functions' ? 'mono' : undefined}>
                  <button type="button" className="row-button" onClick={() => desk.followRow(by, row.name)}>
                    {row.name}
                  </button>
                </th>
                <td className="num">{signed(row.change, measure)}</td>
                <td className="wide-only change-cell" aria-hidden="true">
                  <span
                    className="change-bar"
                    data-worse={row.change > 0}
                    style={{ width: `${(50 * Math.abs(row.change)) / most}%` }}
                  />
                </td>
                <td className="num">{amountOf(row.before, measure)}</td>
                <td className="num">{amountOf(row.after, measure)}</td>
                <td className="num">{ratioWords(row)}</td>
                {by === 'functions' && (
                  <td className="num wide-only">
                    {row.callsBefore ?? 0} → {row.callsAfter ?? 0}
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  )
}
