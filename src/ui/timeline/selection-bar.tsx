/** On a narrow page, where details are a sheet: what is selected, in a line, and the way to the rest. */
import { spanName } from '../../trace/model/trace.ts'
import { useIsNarrow } from '../appearance.ts'
import { useDesk, useTrace } from '../context.ts'
import { amount } from './ruler.ts'

export const SelectionBar = ({ onDetails }: { readonly onDetails: () => void }) => {
  const desk = useDesk()
  const isNarrow = useIsNarrow()
  const selected = useTrace((view) => view.selected)
  const scene = desk.scene()
  if (!isNarrow || selected < 0 || !scene) return null
  return (
    <div className="selection-bar" data-testid="selection-bar">
      <span className="selection-name mono">{spanName(scene.trace, scene.funcOf(selected))}</span>
      <span>{amount(scene.endOf(selected) - scene.startOf(selected), scene.unit)}</span>
      <button type="button" className="button small" onClick={onDetails}>
        Details
      </button>
    </div>
  )
}
