/** Milliseconds that this process has had of processors: what a loaded computer takes from it does not count. */
export const processorMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
