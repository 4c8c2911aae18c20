/** Text of guests and strangers, made fit to be shown beside our own. */

/** Longer text is cut. NetBSD's names and lines stay far below. */
export const TEXT_MAX = 256

/** Controls, and the characters that reorder what is around them (Unicode's bidi overrides and isolates). */
const UNFIT_CHARACTERS =
  '[\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ufeff\\ud800-\\udfff]'
const UNFIT = new RegExp(UNFIT_CHARACTERS, 'gu')

export const cleanText = (text: string, max = TEXT_MAX): string => {
  const clean = text
    .slice(0, max * 4)
    .replace(/\t/g, ' ')
    .replace(UNFIT, '')
  return clean.length <= max ? clean : `${clean.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`
}
