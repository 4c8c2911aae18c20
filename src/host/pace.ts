/**
 * How a session lets go of its thread: `turn` lets queued messages in and comes straight back, `sleep` waits without
 * burning the CPU until time is up or somebody calls `wake`.
 */
export interface Pace {
  turn(): Promise<void>
  sleep(ms: number): Promise<void>
  wake(): void
}
