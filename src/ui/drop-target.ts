/** What makes an element take drops: its share of the props, `data-over` while something hovers over it. */
import { type DragEvent, useState } from 'react'

export const useDropTarget = (take: (dropped: DataTransfer) => void) => {
  const [over, setOver] = useState(false)
  return {
    'data-over': over,
    onDragOver: (event: DragEvent) => {
      event.preventDefault()
      setOver(true)
    },
    onDragLeave: () => setOver(false),
    onDrop: (event: DragEvent) => {
      event.preventDefault()
      // The page takes what no element does.
      event.stopPropagation()
      setOver(false)
      take(event.dataTransfer)
    },
  }
}
