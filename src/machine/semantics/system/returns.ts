/** What IRET and far RET share: the checks of the code and stack segments returned to, and the cleaning of data segments. */

import { GP, GuestFault, NP, SSF } from '../../state/fault.ts'
import { ATTR_CODE, ATTR_DB, ATTR_DC, ATTR_L, ATTR_S, DS, ES, FS, GS, SS } from '../../state/layout.ts'
import type { CpuCore } from '../core.ts'
import {
  attributesOf,
  type Descriptor,
  dplOf,
  dplOfAttributes,
  fillNull,
  fillSegment,
  isCode,
  isConforming,
  isNull,
  isPresent,
  isWritableData,
  readDescriptor,
  selectorError,
} from './descriptors.ts'

/** The code segment returned to, checked as SDM 2A IRET and RET list it. Its RPL is the new CPL. */
export function checkReturnCode(core: CpuCore, selector: number): Descriptor {
  if (isNull(selector)) throw new GuestFault(GP)
  const d = readDescriptor(core, selector, GP)
  const attributes = attributesOf(d)
  const rpl = selector & 3
  const error = selectorError(selector)
  if (!isCode(attributes) || rpl < core.state.cpl) throw new GuestFault(GP, error)
  if (isConforming(attributes) ? dplOf(d) > rpl : dplOf(d) !== rpl) throw new GuestFault(GP, error)
  if (core.state.longMode && (attributes & (ATTR_L | ATTR_DB)) === (ATTR_L | ATTR_DB)) throw new GuestFault(GP, error)
  if (!isPresent(attributes)) throw new GuestFault(NP, error)
  return d
}

/**
 * The stack segment popped with a return to level `cpl`. undefined for a null selector, which only 64-bit code of
 * levels 0 to 2 may have.
 */
export function checkReturnStack(
  core: CpuCore,
  selector: number,
  cpl: number,
  longCode: boolean,
): Descriptor | undefined {
  if (isNull(selector)) {
    if (!longCode || cpl === 3 || (selector & 3) !== cpl) throw new GuestFault(GP)
    return undefined
  }
  const d = readDescriptor(core, selector, GP)
  const attributes = attributesOf(d)
  if ((selector & 3) !== cpl || !isWritableData(attributes) || dplOf(d) !== cpl)
    throw new GuestFault(GP, selectorError(selector))
  if (!isPresent(attributes)) throw new GuestFault(SSF, selectorError(selector))
  return d
}

export function fillReturnStack(core: CpuCore, selector: number, d: Descriptor | undefined): void {
  if (d === undefined) fillNull(core, SS, selector)
  else fillSegment(core, SS, selector, d)
}

/**
 * After a return to an outer level: ES, FS, GS and DS that the new level could not have loaded become null
 * (SDM 2A RET, "RETURN-TO-OUTER-PRIVILEGE-LEVEL").
 */
export function dropInnerSegments(core: CpuCore, cpl: number): void {
  const { state } = core
  for (let i = 0; i < 4; i++) {
    const segment = i === 0 ? ES : i === 1 ? FS : i === 2 ? GS : DS
    if (isNull(state.selector(segment))) {
      // Intel makes selectors 1 to 3 zero; FS and GS keep their bases.
      if (core.system.model.vendor === 'intel') fillNull(core, segment, 0, state.base(segment))
      continue
    }
    const attributes = state.attributes(segment)
    const conformingCode = (attributes & (ATTR_S | ATTR_CODE | ATTR_DC)) === (ATTR_S | ATTR_CODE | ATTR_DC)
    if (dplOfAttributes(attributes) < cpl && !conformingCode)
      fillNull(core, segment, 0, state.longMode && segment >= FS ? state.base(segment) : 0n)
  }
}
