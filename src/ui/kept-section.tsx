/** What this browser keeps: guests, changes to disks, and how much room there is. */
import { useState } from 'react'
import { sentence } from '../base/problem.ts'
import type { KeptDisk, KeptGuest, KeptMachineRecord } from '../stores/library.ts'
import { bytesOfMachine, LAST } from '../stores/machine-keeping.ts'
import { ConfirmButton } from './confirm-button.tsx'
import { useLibrary, useMachine, usePlayground } from './context.ts'
import { DiskButtons } from './disks-section.tsx'
import { byteCount, moment, said } from './quantity.ts'

const day = (ms: number): string =>
  new Date(ms).toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric' })

/** What a guest's files take here; those by address take nothing. */
export const storedWords = (bytes: number): string => (bytes > 0 ? said(byteCount(bytes)) : 'by address')

const GuestItem = ({ kept }: { readonly kept: KeptGuest }) => {
  const playground = usePlayground()
  const [renaming, setRenaming] = useState(false)
  const { guest, bytes } = kept
  return (
    <li className="item" data-testid="kept-guest">
      {renaming ? (
        <form
          className="url-form"
          onSubmit={(event) => {
            event.preventDefault()
            const name = String(new FormData(event.currentTarget).get('name') ?? '').trim()
            if (name !== '') void playground.library.rename(guest, name)
            setRenaming(false)
          }}
        >
          <input
            // biome-ignore lint/a11y/noAutofocus: the person has just asked to type here
            autoFocus
            name="name"
            type="text"
            aria-label={`New name of ${guest.name}`}
            defaultValue={guest.name}
            maxLength={80}
            onKeyDown={(event) => {
              if (event.key !== 'Escape') return
              event.stopPropagation()
              setRenaming(false)
            }}
          />
          <button type="submit" className="button small">
            Rename
          </button>
        </form>
      ) : (
        <p className="item-row">
          <span className="item-name">{guest.name}</span>
          <span className="muted">{storedWords(bytes)}</span>
        </p>
      )}
      <p className="hint">
        {kept.choice.kernel
          ? `A guest with kernel ${guest.kernel.name}, since ${day(guest.createdMs)}.`
          : kept.choice.summary}
      </p>
      <div className="item-actions">
        {!renaming && (
          <button type="button" className="button small" onClick={() => setRenaming(true)}>
            Rename<span className="visually-hidden"> {guest.name}</span>
          </button>
        )}
        <ConfirmButton
          verb="Delete"
          of={guest.name}
          question="Delete it, and what is kept of its disks?"
          onConfirm={() => void playground.deleteGuest(guest.id)}
        />
      </div>
    </li>
  )
}

const DiskItem = ({ kept }: { readonly kept: KeptDisk }) => {
  const playground = usePlayground()
  const { key, guest, disk, base, logBytes, createdMs } = kept
  const index = useMachine((view) => view.disks.findIndex((used) => used.kept === key))
  const ref = index < 0 ? ({ kind: 'kept', key } as const) : ({ kind: 'machine', index } as const)
  return (
    <li className="item" data-testid="kept-disk">
      <p className="item-row">
        <span className="item-name">
          {guest} <span className="muted">{disk}</span>
        </span>
        <span className="muted" data-testid="kept-bytes">
          {said(byteCount(logBytes))}
        </span>
      </p>
      <p className="hint">
        Changes since {day(createdMs)} to a disk of {said(byteCount(base.size))}.
      </p>
      <div className="item-actions">
        <DiskButtons disk={{ ref, title: `${disk} of ${guest}`, name: key.replace('.', '-') }} />
        <ConfirmButton
          verb="Discard"
          of={`the changes to ${disk} of ${guest}`}
          question="Discard these changes?"
          onConfirm={() => void playground.discardDisk(key)}
        />
      </div>
    </li>
  )
}

const MachineItem = ({ kept }: { readonly kept: KeptMachineRecord }) => {
  const playground = usePlayground()
  const { key, label, savedMs } = kept
  const isLast = key === LAST
  return (
    <li className="item" data-testid="kept-machine">
      <p className="item-row">
        <span className="item-name">
          {label} <span className="muted">{isLast ? 'as it was' : 'at its prompt'}</span>
        </span>
        <span className="muted">{said(byteCount(bytesOfMachine(kept)))}</span>
      </p>
      <p className="hint">A machine of {moment(savedMs)}.</p>
      <div className="item-actions">
        <button
          type="button"
          className="button small"
          onClick={() => playground.replacing(() => void playground.goOn(key))}
        >
          Resume<span className="visually-hidden"> {label}</span>
        </button>
        <ConfirmButton
          verb="Delete"
          of={`the kept machine ${label}`}
          question="Delete this machine?"
          onConfirm={() => void playground.forgetMachine(key)}
        />
      </div>
    </li>
  )
}

const Room = () => {
  const figures = useLibrary((view) => view.figures)
  if (!figures) return null
  return (
    <p className="hint" data-testid="storage-figures">
      {said(byteCount(figures.usage))} of {said(byteCount(figures.quota))} used.{' '}
      {figures.persisted
        ? 'The browser deletes none of it by itself.'
        : 'The browser may delete it when this device runs out of room.'}
    </p>
  )
}

export const KeptSection = () => {
  const { state, problem, guests, disks, machines } = useLibrary((view) => view)
  if (state === 'looking') return null
  const count = guests.length + disks.length + machines.length
  return (
    <section className="details-section" aria-labelledby="kept-title" data-testid="kept">
      <h3 id="kept-title">Kept in this browser</h3>
      {problem && (
        <p
          className={state === 'none' ? 'hint' : 'hint bad'}
          role={state === 'none' ? undefined : 'alert'}
          data-testid="kept-problem"
        >
          {sentence(problem)}
        </p>
      )}
      {state === 'ready' && count === 0 && (
        <p className="hint">
          Nothing. Changes to disks, guests of your own and machines at their prompt can be kept, under Next boot.
        </p>
      )}
      {count > 0 && (
        <ul className="items">
          {guests.map((kept) => (
            <GuestItem key={kept.guest.id} kept={kept} />
          ))}
          {disks.map((kept) => (
            <DiskItem key={kept.key} kept={kept} />
          ))}
          {machines.map((kept) => (
            <MachineItem key={kept.key} kept={kept} />
          ))}
        </ul>
      )}
      {state === 'ready' && <Room />}
    </section>
  )
}
