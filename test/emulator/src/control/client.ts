import { ControlError, type EmulatorControl } from './types.ts'

/** Path of the control API. */
export const CONTROL_PATH = '/emulator/v1'

type Call = (input?: unknown) => Promise<unknown>

/**
 * The control API over HTTP, with the same functions as in process.
 *
 * @param baseUrl where the control API listens, without `/emulator/v1`
 * @param fetchImpl another `fetch`, such as one that goes through a proxy of the API server
 * Rejects with a ControlError when the emulator refuses, and with what `fetch` throws when it is not there.
 */
export function emulatorControl(baseUrl: string, fetchImpl: typeof fetch = fetch): EmulatorControl {
	const call = async (operation: string, input: unknown): Promise<unknown> => {
		const answer = await fetchImpl(`${baseUrl.replace(/\/$/, '')}${CONTROL_PATH}/${operation}`, {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify(input ?? {}),
		})
		const text = await answer.text()
		const parsed: unknown = text === '' ? undefined : JSON.parse(text)
		if (answer.ok) return parsed
		const { error } = (parsed ?? {}) as { error?: { code?: string; message?: string } }
		throw new ControlError(error?.message ?? `the emulator answered ${answer.status} to ${operation}`, error?.code)
	}
	const operations: Partial<Record<string, Call>> = {
		removeFault: (input) => call('removeFault', { id: input }),
	}
	return new Proxy({} as EmulatorControl, {
		get: (_target, name) => {
			// A promise is awaited by asking for `then`: this is not one.
			if (typeof name !== 'string' || name === 'then') return undefined
			return operations[name] ?? ((input?: unknown) => call(name, input))
		},
	})
}
