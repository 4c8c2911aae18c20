/** The verbs. Boot takes what the form says; the others act on the machine there is. */

import type { GuestChoice } from '../stores/guest-choice.ts'
import { type GuestStatus, standing } from '../stores/guest-files.ts'
import { isOn } from '../stores/machine-store.ts'
import { useForm, useGuestFiles, useLibrary, usePhase, usePlayground } from './context.ts'
import { storedWords } from './kept-section.tsx'

export const Controls = ({ supported }: { readonly supported: boolean }) => {
  const playground = usePlayground()
  const phase = usePhase()
  const hasKernel = useForm((form) => form.kernel !== undefined)
  const guestId = useForm((form) => form.guestId)
  const guest = playground.guests.find(({ id }) => id === guestId)
  const isAbsent = standing(guest ?? { files: [] }, useGuestFiles()).state === 'not here'
  const on = isOn(phase)
  const starting = phase === 'loading' || phase === 'warming'
  const canReset = on || phase === 'powered-off' || phase === 'halted' || phase === 'reset' || phase === 'crashed'
  return (
    <fieldset className="controls" aria-label="Machine">
      <button
        type="button"
        className={on || starting ? 'button' : 'button primary'}
        disabled={!supported || !hasKernel || isAbsent || starting}
        onClick={() => playground.replacing(() => playground.boot())}
      >
        Boot
      </button>
      {phase === 'paused' ? (
        <button type="button" className="button primary" onClick={() => playground.resume()}>
          Resume
        </button>
      ) : (
        <button type="button" className="button" disabled={!on} onClick={() => playground.pause()}>
          Pause
        </button>
      )}
      <button type="button" className="button" disabled={!canReset} onClick={() => playground.reset()}>
        Reset
      </button>
      <button type="button" className="button" disabled={!on && !starting} onClick={() => playground.powerOff()}>
        Power off
      </button>
      <button
        type="button"
        className="button"
        disabled={!on}
        title="The machine as it is now, as a file: drop it here, or give it to --snapshot, and it goes on"
        onClick={() => playground.saveToFile()}
      >
        Save<span className="verb-rest"> machine</span>
      </button>
    </fieldset>
  )
}

/** What a guest's name is followed by until its files are here. */
const standingOf = (guest: GuestChoice, status: GuestStatus): string => {
  const { state, share } = standing(guest, status)
  if (state === 'here') return ''
  return ` · ${share === undefined ? state : `${Math.floor(share * 100)} %`}`
}

export const GuestSelect = () => {
  const playground = usePlayground()
  const guestId = useForm((form) => form.guestId)
  const status = useGuestFiles()
  const kept = useLibrary((view) => view.guests)
  return (
    <label className="guest-select">
      <span className="visually-hidden">Guest</span>
      <select value={guestId} onChange={(event) => playground.chooseGuest(event.target.value)}>
        {playground.guests
          .filter(({ id }) => !kept.some(({ guest }) => guest.id === id))
          .map((guest) => (
            <option key={guest.id} value={guest.id}>
              {guest.name}
              {standingOf(guest, status)}
            </option>
          ))}
        {kept.length > 0 && (
          <optgroup label="Kept in this browser">
            {kept.map(({ guest, bytes }) => (
              <option key={guest.id} value={guest.id}>
                {guest.name} · {storedWords(bytes)}
              </option>
            ))}
          </optgroup>
        )}
      </select>
    </label>
  )
}
