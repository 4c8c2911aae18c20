/** The draggable edge between console and timeline; arrow keys move it too. */
import { useRef } from 'react'
import { usePlayground, useSettings } from './context.ts'

/** Nearly half: the console and the timeline tell the story together. */
export const timelineDefault = (): number => Math.max(240, Math.min(480, Math.round(window.innerHeight * 0.48)))
const TIMELINE_MIN = 96
const CONSOLE_MIN = 240
const STEP = 24

const clamp = (height: number): number =>
  Math.max(TIMELINE_MIN, Math.min(height, Math.max(TIMELINE_MIN, window.innerHeight - CONSOLE_MIN)))

export const Split = () => {
  const { settings } = usePlayground()
  const height = useSettings((state) => state.timelineHeight) ?? timelineDefault()
  const from = useRef<{ readonly y: number; readonly height: number }>(undefined)
  const set = (timelineHeight: number) => settings.setState({ timelineHeight: clamp(timelineHeight) })
  return (
    // biome-ignore lint/a11y/useSemanticElements: a separator that moves is a widget, which hr is not
    <div
      className="split"
      role="separator"
      aria-orientation="horizontal"
      aria-label="Height of the timeline"
      aria-valuenow={Math.round(height)}
      aria-valuemin={TIMELINE_MIN}
      aria-valuemax={2000}
      tabIndex={0}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        from.current = { y: event.clientY, height }
      }}
      onPointerMove={(event) => {
        if (from.current) set(from.current.height + from.current.y - event.clientY)
      }}
      onPointerUp={() => {
        from.current = undefined
      }}
      onPointerCancel={() => {
        from.current = undefined
      }}
      onDoubleClick={() => settings.setState({ timelineHeight: undefined })}
      onKeyDown={(event) => {
        if (event.key === 'ArrowUp') set(height + STEP)
        else if (event.key === 'ArrowDown') set(height - STEP)
        else if (event.key === 'Home') settings.setState({ timelineHeight: undefined })
        else return
        event.preventDefault()
      }}
    />
  )
}
