/** The stages as a table: what a screen reader reads, and what goes into a bug report. */
import { useDesk, useTrace } from '../context.ts'
import { count, duration, said } from '../quantity.ts'
import { stageHue } from '../stage-hue.ts'
import { percent } from './said.ts'

const MARK_WORDS = {
  entry: 'first instruction',
  call: 'function called',
  console: 'console line',
  user: 'user mode entered',
  file: 'as the file says',
} as const

export const StageTable = () => {
  const desk = useDesk()
  const trace = useTrace((view) => view.shown?.trace)
  if (!trace) return null
  return (
    <div className="table-frame">
      <table className="table" data-testid="stage-table">
        <caption className="visually-hidden">Stages of the boot</caption>
        <thead>
          <tr>
            <th scope="col">Stage</th>
            <th scope="col" className="num">
              Begins
            </th>
            <th scope="col" className="num">
              Duration
            </th>
            <th scope="col" className="num">
              Share
            </th>
            <th scope="col" className="num">
              Instructions
            </th>
            <th scope="col" className="wide-only">
              What happens
            </th>
            <th scope="col" className="wide-only">
              Told by
            </th>
          </tr>
        </thead>
        <tbody>
          {trace.stages.map((stage) => (
            <tr key={`${stage.name}${stage.start}`}>
              <th scope="row">
                <button
                  type="button"
                  className="row-button"
                  onClick={() => {
                    desk.store.setState({ table: undefined })
                    desk.lookAt(stage.start, stage.end)
                  }}
                >
                  <span className="stage-key" data-hue={stageHue(stage.name)} aria-hidden="true" />
                  {stage.name}
                </button>
              </th>
              <td className="num">{said(duration(stage.start))}</td>
              <td className="num">{stage.share === 0 ? '–' : said(duration(stage.end - stage.start))}</td>
              <td className="num">
                {stage.share === 0 ? (
                  '–'
                ) : (
                  <>
                    <span className="share-bar" style={{ width: `${stage.share * 64}px` }} aria-hidden="true" />
                    {percent(stage.share)}
                  </>
                )}
              </td>
              <td className="num">
                {stage.share === 0 ? '–' : said(count(stage.endInstructions - stage.startInstructions))}
              </td>
              <td className="wide-only muted">{stage.about ?? ''}</td>
              <td className="wide-only muted">{MARK_WORDS[stage.mark]}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
