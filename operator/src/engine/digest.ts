import { createHash } from 'node:crypto'

// 48 bits: nobody acknowledges by chance, and it can be read aloud.
const DIGEST_DIGITS = 12

/** What somebody writes to acknowledge removals: another one for other removals. */
export const digestOf = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, DIGEST_DIGITS)
