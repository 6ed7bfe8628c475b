export { type UntilOptions, until } from '../emulator/src/kind/until.ts'
