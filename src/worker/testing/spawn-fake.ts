export const spawnFake = (): Worker =>
  new Worker(new URL('./fake.worker.ts', import.meta.url), { type: 'module', name: 'fake' })
