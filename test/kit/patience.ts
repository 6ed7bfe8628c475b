// For each test file: `vi.waitFor` waits for its condition as long as `expect.poll` does, and not for a second.
import { vi } from 'vitest'

const PATIENCE_MS = 30_000

const { waitFor, waitUntil } = vi
const patient = (options?: number | { interval?: number; timeout?: number }) =>
	typeof options === 'number' ? options : { timeout: PATIENCE_MS, ...options }
vi.waitFor = (callback, options) => waitFor(callback, patient(options))
vi.waitUntil = (callback, options) => waitUntil(callback, patient(options))
