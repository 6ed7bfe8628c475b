import { z } from 'zod'
import { MAX_TIMER_MS } from './clock.ts'
import { storeError } from './errors.ts'
import type { StoreBaseConfig } from './purista.ts'
import type { AzureMountedSecretStoreConfig } from './types.ts'

// Sockets of one process to one vault; the service allows 4,000 calls in 10 s to all of its clients.
const MAX_CONCURRENCY = 1_000

const ms = z.int().min(0).max(MAX_TIMER_MS)
const someMs = ms.min(1)
const text = z.string().min(1)
const withMethod = (method: string) =>
	z.custom<object>(
		(value) =>
			typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[method] === 'function',
		`has to be an object with ${method}()`,
	)
const object = z.custom<object>((value) => typeof value === 'object' && value !== null, 'has to be an object')
const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
	z.enum(values, `has to be ${values.map((value) => `'${value}'`).join(' or ')}`)

function urlProblem(value: string): string | undefined {
	if (!URL.canParse(value)) return 'has to be a URL such as https://payments.vault.azure.net'
	const { protocol, pathname, search, hash, username, password } = new URL(value)
	if (username !== '' || password !== '') return 'has to be without user and password'
	if (protocol !== 'https:' && protocol !== 'http:') return 'has to begin with https://'
	if (pathname !== '/' || search !== '' || hash !== '') return 'has to end after the host: a vault has no path'
	return undefined
}

const options = z
	.strictObject({
		mountPath: z.union(
			[text, z.array(text)],
			'has to be the directory of the mount, several of them, or [] for the vault alone',
		),
		vaultUrl: z
			.string()
			.superRefine((value, context) => {
				const problem = urlProblem(value)
				if (problem !== undefined) context.addIssue(problem)
			})
			.optional(),
		allowInsecureConnection: z.boolean().optional(),
		options: object.optional(),
		credential: withMethod('getToken').optional(),
		client: object.optional(),
		aliases: z.record(z.string(), text).optional(),
		readyTimeoutMs: ms.optional(),
		pollMs: someMs.optional(),
		refreshIntervalMs: someMs.optional(),
		readFallback: z.boolean().optional(),
		staleIfErrorMs: ms.optional(),
		absentTtlMs: ms.optional(),
		requestTimeoutMs: someMs.optional(),
		concurrency: z.int().min(1).max(MAX_CONCURRENCY).optional(),
		onDeleted: oneOf(['fail', 'recover']).optional(),
		awaitDelete: z.boolean().optional(),
		write: z
			.strictObject({
				keep: oneOf(['mount', 'vault', 'none']).optional(),
				tags: z.record(z.string(), z.string()).optional(),
				contentType: z.string().optional(),
			})
			.optional(),
		writeTo: oneOf(['vault', 'folder']).optional(),
		trim: z.boolean().optional(),
		enableGet: z.boolean().optional(),
		enableSet: z.boolean().optional(),
		enableRemove: z.boolean().optional(),
		enableCache: z.boolean().optional(),
		cacheTtl: ms.optional(),
		logger: object.optional(),
		logLevel: oneOf(['info', 'error', 'warn', 'debug', 'trace', 'fatal']).optional(),
	})
	.superRefine(({ vaultUrl, allowInsecureConnection, writeTo, mountPath }, context) => {
		const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
		if (vaultUrl?.startsWith('http://') && allowInsecureConnection !== true)
			issue('vaultUrl', 'has to begin with https://; http:// is for emulators, with allowInsecureConnection')
		if (writeTo === 'folder' && mountPath.length === 0)
			issue('mountPath', "has to name the folder that writeTo: 'folder' writes to")
	})

/** The options of {@link AzureMountedSecretStore}, checked by its constructor. */
export const azureMountedSecretStoreConfigSchema: z.ZodType<StoreBaseConfig<AzureMountedSecretStoreConfig>> =
	options as unknown as z.ZodType<StoreBaseConfig<AzureMountedSecretStoreConfig>>

const NAMES = Object.keys(options.shape)

/** Letters to change, add or leave out to come from one word to the other. */
function distance(a: string, b: string): number {
	let row = Array.from({ length: b.length + 1 }, (_, i) => i)
	for (const [i, x] of [...a].entries()) {
		const next = [i + 1]
		for (const [j, y] of [...b].entries())
			next.push(Math.min((row[j] ?? 0) + (x === y ? 0 : 1), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
		row = next
	}
	return row.at(-1) ?? 0
}

function unknownOption(name: string, path: readonly PropertyKey[]): string {
	const where = [...path, name].join('.')
	const known = path.length > 0 ? ['keep', 'tags', 'contentType'] : NAMES
	const [nearest] = known
		.map((other) => ({ other, far: distance(name.toLowerCase(), other.toLowerCase()) }))
		.toSorted((one, two) => one.far - two.far)
	// A third of the letters wrong is a typo, more is another word.
	const near = nearest !== undefined && nearest.far <= Math.max(2, name.length / 3)
	return `${where} is no option${near ? `: did you mean ${[...path, nearest.other].join('.')}?` : ''}`
}

/**
 * Checks the options as a whole.
 *
 * @throws UnhandledError (500) that names everything that is wrong, and no value
 */
export function checkOptions(config: object): void {
	const parsed = options.safeParse(config)
	if (parsed.success) return
	const problems = parsed.error.issues.flatMap((issue) => {
		if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownOption(key, issue.path))
		return [`${issue.path.join('.') || 'the configuration'}: ${issue.message}`]
	})
	throw storeError('InvalidOptions', `the options of AzureMountedSecretStore are not valid: ${problems.join('; ')}`)
}
