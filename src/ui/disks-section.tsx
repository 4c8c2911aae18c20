/** The machine's disks: look into them, take them out. */
import { useState } from 'react'
import { type Problem, sentence } from '../base/problem.ts'
import type { ShownDisk } from '../stores/disk-browser.ts'
import { useMachine, usePlayground } from './context.ts'
import { byteCount, said } from './quantity.ts'

/** What can be done with any disk. A disk is copied in a moment, but a large one in a long one. */
export const DiskButtons = ({ disk }: { readonly disk: ShownDisk }) => {
  const { browser } = usePlayground()
  const [state, setState] = useState<'idle' | 'busy' | Problem>('idle')
  return (
    <>
      <button type="button" className="button small" onClick={() => browser.open(disk)}>
        Look into<span className="visually-hidden"> {disk.title}</span>
      </button>
      <button
        type="button"
        className="button small"
        disabled={state === 'busy'}
        onClick={() => {
          setState('busy')
          void browser.saveImage(disk).then((problem) => setState(problem ?? 'idle'))
        }}
      >
        {state === 'busy' ? 'Copying' : 'Download'}
        <span className="visually-hidden"> {disk.title} as an image</span>
      </button>
      {typeof state === 'object' && (
        <p className="hint bad" role="alert">
          {sentence(state)}
        </p>
      )}
    </>
  )
}

export const DisksSection = () => {
  const disks = useMachine((view) => view.disks)
  const guest = useMachine((view) => view.request?.guest ?? '')
  const label = useMachine((view) => view.request?.label ?? '')
  if (disks.length === 0) return null
  return (
    <section className="details-section" aria-labelledby="disks-title" data-testid="disks">
      <h3 id="disks-title">Disks of the machine</h3>
      <ul className="items">
        {disks.map(({ name, size, readOnly, kept }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a disk is its slot, ld0 and up
          <li key={index} className="item">
            <p className="item-row">
              <span className="item-name">
                ld{index} <span className="muted">{name}</span>
              </span>
              <span className="muted">{said(byteCount(size))}</span>
            </p>
            <p className="hint">
              {readOnly
                ? 'Read-only.'
                : kept === undefined
                  ? 'What is written to it goes with the machine.'
                  : 'What is written to it is kept in this browser.'}
            </p>
            <div className="item-actions">
              <DiskButtons
                disk={{ ref: { kind: 'machine', index }, title: `ld${index} of ${label}`, name: `${guest}-ld${index}` }}
              />
            </div>
          </li>
        ))}
      </ul>
    </section>
  )
}
