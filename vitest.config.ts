import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{src,guest,userland,scripts,tools,vectors,system-tests,fuzz}/**/*.test.{ts,tsx}'],
    // A loaded computer is not a fault. What hangs is ended all the same.
    testTimeout: 240_000,
    // By default one core less than there are, which of two is half.
    maxWorkers: '100%',
  },
})
