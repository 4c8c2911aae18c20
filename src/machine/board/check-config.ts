/** What is wrong with a configuration before anything is made of it: settings' limits, CPU features, room on the board. */
import { type Problem, problem } from '../../base/problem.ts'
import { checkSettings } from '../../settings/read-settings.ts'
import { virtioSlotsTaken } from '../../settings/settings.ts'
import { PROFILES } from '../layout.ts'
import type { MachineConfig } from '../machine.ts'
import { checkCpuSwitches } from '../semantics/system/cpu-model.ts'

export const checkConfig = (config: MachineConfig): Problem | undefined => {
  const wrong = checkSettings(config) ?? checkCpuSwitches(config.cpu)
  if (wrong !== undefined) return wrong
  const profile = PROFILES[config.profile]
  const plugged = virtioSlotsTaken(config, config.disks.length)
  return plugged <= profile.virtioSlots
    ? undefined
    : problem(
        'too-many-devices',
        `${plugged} virtio devices are plugged`,
        `at most ${profile.virtioSlots} on ${profile.name}`,
        'take out a disk, the network or the virtio console',
      )
}
