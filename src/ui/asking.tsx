/** Asks before a machine that somebody typed at goes, once. */
import { useEffect, useRef } from 'react'
import { useStore } from 'zustand'
import { usePlayground } from './context.ts'
import { Sheet } from './sheet.tsx'

export const Asking = () => {
  const { asking } = usePlayground()
  const act = useStore(asking, (state) => state.act)
  const keep = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    if (act) keep.current?.focus()
  }, [act])
  if (!act) return null
  const close = () => asking.setState({ act: undefined })
  return (
    <Sheet title="Replace the running machine?" id="asking-title" onClose={close}>
      <p>You have typed at it. Its memory, and what is written to disks that are not kept, go with it.</p>
      <div className="button-row">
        <button
          type="button"
          className="button"
          onClick={() => {
            close()
            act()
          }}
        >
          Replace it
        </button>
        <button ref={keep} type="button" className="button primary" onClick={close}>
          Keep it running
        </button>
      </div>
    </Sheet>
  )
}
