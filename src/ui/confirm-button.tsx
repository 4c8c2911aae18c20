/** A button for what cannot be undone: it asks once, in its place. */
import { useEffect, useRef, useState } from 'react'

interface ConfirmButtonProps {
  readonly verb: string
  /** What the verb is about, for those who do not see the row. */
  readonly of: string
  readonly question: string
  readonly onConfirm: () => void
}

export const ConfirmButton = ({ verb, of, question, onConfirm }: ConfirmButtonProps) => {
  const [asking, setAsking] = useState(false)
  const no = useRef<HTMLButtonElement>(null)
  const first = useRef<HTMLButtonElement>(null)
  const wasAsking = useRef(false)
  useEffect(() => {
    if (asking) no.current?.focus()
    else if (wasAsking.current) first.current?.focus()
    wasAsking.current = asking
  }, [asking])
  if (!asking)
    return (
      <button ref={first} type="button" className="button small" onClick={() => setAsking(true)}>
        {verb}
        <span className="visually-hidden"> {of}</span>
      </button>
    )
  return (
    <fieldset
      className="confirm"
      aria-label={question}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return
        event.stopPropagation()
        setAsking(false)
      }}
    >
      <span>{question}</span>
      <button
        type="button"
        className="button small bad"
        onClick={() => {
          setAsking(false)
          onConfirm()
        }}
      >
        {verb}
        <span className="visually-hidden"> {of}</span>
      </button>
      <button ref={no} type="button" className="button small" onClick={() => setAsking(false)}>
        No
      </button>
    </fieldset>
  )
}
