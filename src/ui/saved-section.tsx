/** The machine as a file: saved, and opened again. */
import { useId, useRef } from 'react'
import { bytesOfMachine, LAST } from '../stores/machine-keeping.ts'
import { isOn } from '../stores/machine-store.ts'
import { useLibrary, useMachine, usePhase, usePlayground, useSettings } from './context.ts'
import { byteCount, said } from './quantity.ts'

/** Asked, since it is stored. */
const LastState = () => {
  const playground = usePlayground()
  const id = useId()
  const keeps = useSettings((state) => state.keepsLastState)
  const canKeep = useLibrary((view) => view.state === 'ready')
  const kept = useLibrary((view) => view.machines.find(({ key }) => key === LAST))
  const hasKeptDisk = useMachine((view) => view.disks.some((disk) => disk.kept !== undefined))
  const hint = !canKeep
    ? 'This browser keeps no files for this page.'
    : !keeps
      ? 'A reload or a crash of this tab ends it.'
      : hasKeptDisk
        ? 'Not this one: its disks are kept by themselves, and the next boot goes on with those.'
        : kept
          ? `A reload or a crash of this tab goes on with it: ${said(byteCount(bytesOfMachine(kept)))} kept. Power-off forgets it.`
          : 'Kept as soon as it comes to rest, in some 15 MB. Power-off forgets it.'
  return (
    <label className="field">
      <span>The running machine</span>
      <select
        value={keeps ? 'keep' : 'discard'}
        aria-describedby={id}
        data-testid="keep-last"
        onChange={(event) => playground.keepLastState(event.target.value === 'keep')}
      >
        <option value="discard">Goes with this tab</option>
        <option value="keep" disabled={!canKeep}>
          Keep in this browser
        </option>
      </select>
      <span id={id} className="hint" data-testid="last-kept">
        {hint}
      </span>
    </label>
  )
}

export const SavedSection = ({ supported }: { readonly supported: boolean }) => {
  const playground = usePlayground()
  const on = isOn(usePhase())
  const picker = useRef<HTMLInputElement>(null)
  return (
    <section className="details-section" aria-labelledby="saved-title" data-testid="saved">
      <h3 id="saved-title">Saved machines</h3>
      <p className="hint">
        A running machine as a file goes on where it was: here, in another browser, or by --snapshot.
      </p>
      <div className="item-actions">
        <button type="button" className="button small" disabled={!on} onClick={() => void playground.saveToFile()}>
          Save this machine
        </button>
        <button
          type="button"
          className="button small"
          disabled={!supported}
          onClick={() => playground.replacing(() => picker.current?.click())}
        >
          Open a saved machine
        </button>
      </div>
      <LastState />
      <input
        ref={picker}
        type="file"
        accept=".microvm"
        hidden
        aria-label="A saved machine"
        data-testid="open-machine"
        onChange={(event) => {
          const [file] = event.target.files ?? []
          if (file) void playground.open({ kind: 'blob', name: file.name, blob: file })
          event.target.value = ''
        }}
      />
    </section>
  )
}
