/** A dialog over the page: closes by its button, Escape, or a click beside it. */
import { type ReactNode, useEffect, useRef } from 'react'
import { CloseIcon } from './icons.tsx'

interface SheetProps {
  readonly title: ReactNode
  readonly id: string
  readonly onClose: () => void
  readonly children: ReactNode
}

export const Sheet = ({ title, id, onClose, children }: SheetProps) => {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it; the click is for the ground beside it
    <dialog
      ref={dialog}
      className="sheet-dialog"
      aria-labelledby={id}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === dialog.current) onClose()
      }}
    >
      <div className="sheet-body">
        <div className="section-bar">
          <h2 id={id}>{title}</h2>
          <button type="button" className="icon-button" aria-label="Close" onClick={onClose}>
            <CloseIcon />
          </button>
        </div>
        {children}
      </div>
    </dialog>
  )
}
