/** Exceptions of the guest: their vectors, and one on its way to delivery (SDM 3A chapter 6). */

/** Vectors, SDM 3A table 6-1. */
export const DE = 0
export const DB = 1
export const NMI = 2
export const BP = 3
export const OF = 4
export const BR = 5
export const UD = 6
export const NM = 7
export const DF = 8
export const TS = 10
export const NP = 11
export const SSF = 12
export const GP = 13
export const PF = 14
export const MF = 16
export const AC = 17
export const MC = 18
export const XM = 19

/** A guest exception on its way to delivery. Not an Error: no stack is captured, throwing is cheap. */
export class GuestFault {
  readonly vector: number
  /** Pushed when the vector has one. */
  readonly errorCode: number
  constructor(vector: number, errorCode = 0) {
    this.vector = vector
    this.errorCode = errorCode
  }
}
