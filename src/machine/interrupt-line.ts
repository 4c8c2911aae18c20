/** A wire from a device to an interrupt controller's input. Level semantics: the controller decides what an edge is. */
export interface InterruptLine {
  set(level: boolean): void
}
